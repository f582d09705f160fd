"""What the API answers, over a real server and a real Redis."""

import csv
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from api_served import RUNGS, Served, fill_film, fill_live, finding, live_point, now_seconds, served
from series_factory import point, skipped
from services.redis_fixtures import Series

from pipeline.history import PictureEntry
from pipeline.series import Picture, PictureStore
from schemas import ContentLabel, FindingKind, ManifestFindingKind

JPEG = b"\xff\xd8\xff\xe0 not much of a picture \xff\xd9"


@pytest.fixture
def api(series7: Series) -> Iterator[Served]:
    with served(series7.settings) as made:
        yield made


def test_an_empty_redis_has_no_streams(api: Served) -> None:
    assert api.json("streams") == {"total": 0, "next": None, "streams": []}


def test_streams_say_how_they_stand(api: Served, series7: Series) -> None:
    start = fill_live(series7)
    series7.store.find([finding(), finding("gone", over=True)])
    [stream] = api.json("streams")["streams"]
    assert stream["stream_id"] == "news"
    assert stream["live"] is True
    assert (stream["score"], stream["worst_rendition_id"], stream["mean_score"]) == (70, "360p", 80)
    assert stream["open_findings"] == 1
    assert stream["ladder"] == [
        {"rendition_id": name, "score": 90 - 10 * rung, "bitrate_bps": bitrate}
        for rung, (name, bitrate) in enumerate(RUNGS.items())
    ]
    assert 0 <= stream["age_seconds"] < 60
    assert datetime.fromisoformat(stream["written_at"]).timestamp() >= start


def test_a_rung_that_left_the_ladder_does_not_make_the_stream_worse(api: Served, series7: Series) -> None:
    fill_live(series7)
    series7.store.write([live_point(now_seconds() - 4000, 5, stream="news", rendition="144p", bitrate_bps=100)])
    [stream] = api.json("streams")["streams"]
    assert (stream["score"], stream["renditions"]) == (70, 4)


def test_streams_are_sorted(api: Served, series7: Series) -> None:
    for name, score in (("c", 10), ("a", 90), ("b", 50)):
        series7.store.write([live_point(now_seconds(), score, stream=name)])
        time.sleep(1.01)  # when a stream was written is known to the second
    series7.store.find([finding(stream="b")])
    time.sleep(1.01)
    orders = {"worst": "cba", "name": "abc", "fresh": "bac", "findings": "bac"}
    found = {sort: "".join(each["stream_id"] for each in api.json("streams", sort=sort)["streams"]) for sort in orders}
    assert found == orders


def test_streams_are_searched_by_every_word(api: Served, series7: Series) -> None:
    series7.store.write([point(0, stream=name) for name in ("Sport 1 HD", "sport 2", "news hd")])
    found = api.json("streams", search="hd SPORT")
    assert ([each["stream_id"] for each in found["streams"]], found["total"]) == (["Sport 1 HD"], 1)


@pytest.mark.parametrize("sort", ["worst", "name", "fresh", "findings"])
def test_pages_of_streams_hold_each_once(api: Served, series7: Series, sort: str) -> None:
    names = [f"channel/{number} & 1" for number in range(11)]
    series7.store.write([point(0, 50 + index // 3, stream=name) for index, name in enumerate(names)])
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = api.json("streams", sort=sort, limit=3, **after)
        assert page["total"] == len(names)
        seen += [each["stream_id"] for each in page["streams"]]
        if page["next"] is None:
            break
        after = {"cursor": page["next"]}
    assert sorted(seen) == sorted(names)


def test_a_ladder_shows_the_latest_points_best_bitrate_first(api: Served, series7: Series) -> None:
    start = fill_live(series7)
    found = api.json("ladder", stream="news")
    assert [rung["rendition_id"] for rung in found["rungs"]] == list(RUNGS)
    rung = found["rungs"][1]
    assert (rung["score"], rung["word"], rung["start_seconds"]) == (80, "excellent", start + 118)
    assert datetime.fromisoformat(rung["time"]).timestamp() == start + 118


def test_media_time_has_neither_dates_nor_ages(api: Served, series7: Series) -> None:
    fill_film(series7)
    [rung, *_] = api.json("ladder", stream="film")["rungs"]
    assert (rung["time"], rung["age_seconds"], rung["start_seconds"]) == (None, None, 118)
    assert api.json("streams")["streams"][0]["age_seconds"] is None


def test_a_model_and_a_display_are_chosen(api: Served, series7: Series) -> None:
    series7.store.write(
        [
            point(0, 80, stream="film", model="nano", revision=1),
            point(0, 60, stream="film", model="large"),
            point(0, 40, stream="film", model="nano", revision=1, height_px=2160),
        ]
    )
    assert api.json("ladder", stream="film", model="large")["rungs"][0]["score"] == 60
    assert api.json("ladder", stream="film", display_height=2160)["rungs"][0]["score"] == 40
    assert api.json("series", stream="film", model="large")["renditions"][0]["score"] == [60]
    known = api.json("renditions", stream="film")["renditions"][0]["series"]
    assert sorted((each["model"], each["display_height_px"]) for each in known) == [
        ("large", 1080),
        ("nano", 1080),
        ("nano", 2160),
    ]


def test_a_series_in_columns_has_every_segment(api: Served, series7: Series) -> None:
    start = fill_live(series7)
    found = api.json("series", stream="news")
    assert (found["resolution"], found["step_seconds"], found["thinned"]) == ("raw", 2, False)
    assert [each["rendition_id"] for each in found["renditions"]] == list(RUNGS)
    [line, *_] = found["renditions"]
    assert line["start"] == [start + 2 * index for index in range(60)]
    assert (set(line["score"]), set(line["low"]), set(line["duration"])) == ({90}, {87}, {2})


def test_rows_and_csv_have_the_same_values(api: Served, series7: Series) -> None:
    start = fill_live(series7)
    rows = api.json("series", stream="news", shape="rows")["rows"]
    assert len(rows) == 180
    assert [each["start_seconds"] for each in rows] == sorted(each["start_seconds"] for each in rows)
    assert datetime.fromisoformat(rows[0]["time"]).timestamp() == start
    answer = api.get("series", stream="news", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    parsed = list(csv.DictReader(io.StringIO(answer.text)))
    assert {(each["rendition_id"], float(each["start_seconds"]), float(each["score"])) for each in parsed} == {
        (each["rendition_id"], each["start_seconds"], each["score"]) for each in rows
    }


def test_a_range_takes_what_starts_in_it(api: Served, series7: Series) -> None:
    fill_film(series7)
    found = api.json("series", stream="film", rendition="720p", since=10, to=16)
    assert found["renditions"][0]["start"] == [10, 12, 14]
    assert api.json("series", stream="film", rendition="720p", last="4s")["renditions"][0]["start"] == [116, 118]


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_a_range_is_given_in_dates(api: Served, series7: Series, zone: str) -> None:
    start = fill_live(series7)
    said = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start + 10)) + zone
    assert api.json("series", stream="news", since=said, rendition="720p")["renditions"][0]["start"][0] == start + 10


def test_more_values_than_asked_for_are_joined_and_the_worst_and_best_stay(api: Served, series7: Series) -> None:
    scores = [80.0] * 600
    scores[301], scores[77] = 7.5, 99.5
    series7.store.write([point(2.0 * index, score, stream="film") for index, score in enumerate(scores)])
    found = api.json("series", stream="film", points=350)
    [line] = found["renditions"]
    assert found["thinned"] is True
    assert len(line["start"]) <= 350
    assert (min(line["least"]), max(line["greatest"])) == (7.5, 99.5)
    assert sum(line["duration"]) == 1200
    mean = sum(score * lasts for score, lasts in zip(line["score"], line["duration"], strict=True)) / 1200
    assert mean == pytest.approx(sum(scores) / 600, abs=0.01)
    assert {round(later - earlier, 3) for earlier, later in pairwise(line["start"])} == {found["step_seconds"]}


def test_too_many_single_points_are_read_as_minutes(api: Served, series7: Series) -> None:
    series7.store.write([point(2.0 * index, 80, stream="film") for index in range(1200)])
    found = api.json("series", stream="film", resolution="raw", points=100)
    assert (found["resolution"], found["step_seconds"], len(found["renditions"][0]["start"])) == ("minute", 60, 40)


def test_findings_of_pictures_stand_beside_their_values(api: Served, series7: Series) -> None:
    series7.store.write(
        [point(0, stream="film"), point(2, 20, stream="film", findings=(FindingKind.FROZEN, FindingKind.BLACK))]
    )
    [line] = api.json("series", stream="film")["renditions"]
    assert line["findings"] == [[1, ["frozen", "black"]]]
    assert api.json("series", stream="film", shape="rows")["rows"][1]["findings"] == "frozen,black"


@pytest.mark.parametrize("resolution", ["raw", "minute", "hour"])
def test_ads_are_told_at_every_resolution(api: Served, series7: Series, resolution: str) -> None:
    made = [point(2.0 * index, stream="film", rendition=name) for name in RUNGS for index in range(120)]
    ads = {"label": ContentLabel.AD}
    series7.store.write([each.model_copy(update=ads) if 60 <= each.start_seconds < 90 else each for each in made])
    for line in api.json("series", stream="film", resolution=resolution)["renditions"]:
        assert line["ads"] == [[60, 90]]
    found = api.json("series", stream="film", shape="rows", resolution="raw")
    labels = {row["start_seconds"]: row["label"] for row in found["rows"]}
    assert [start for start, label in sorted(labels.items()) if label == "ad"] == list(range(60, 90, 2))


def test_skipped_segments_are_spans_of_the_series_and_a_list(api: Served, series7: Series) -> None:
    fill_film(series7)
    series7.store.skip([skipped(start, stream="film") for start in (10, 12, 20)])
    lines = {each["rendition_id"]: each for each in api.json("series", stream="film")["renditions"]}
    assert lines["720p"]["skipped"] == [[10, 14], [20, 22]]
    assert lines["360p"]["skipped"] == []
    assert [each["start_seconds"] for each in api.json("skipped", stream="film", to=15)["skipped"]] == [10, 12]


def test_findings_come_newest_first_and_page_by_page(api: Served, series7: Series) -> None:
    series7.store.find([finding(f"{number}", stream=name, ago_seconds=number) for number in range(7) for name in "ab"])
    seen = []
    after: dict[str, str] = {}
    while True:
        page = api.json("findings", limit=4, **after)
        seen += page["findings"]
        if page["next"] is None:
            break
        after = {"cursor": page["next"]}
    assert len({each["finding_id"] for each in seen}) == len(seen) == 14
    assert [each["found_at"] for each in seen] == sorted((each["found_at"] for each in seen), reverse=True)


def test_findings_that_are_open_last_or_happened_just_now(api: Served, series7: Series) -> None:
    series7.store.find(
        [
            finding("lasts", ago_seconds=3600),
            finding("over", over=True),
            finding("just now", kind=ManifestFindingKind.MISSING_SEGMENT),
            finding("an hour ago", kind=ManifestFindingKind.MISSING_SEGMENT, ago_seconds=3600),
        ]
    )
    found = api.json("findings", stream="news", open=True)["findings"]
    assert [each["finding_id"].rpartition("/")[2] for each in found] == ["just now", "lasts"]
    assert all(each["open"] for each in found)


def test_the_worst_segments_are_found_wherever_they_are(api: Served, series7: Series) -> None:
    end = now_seconds()
    scores = {rung: [80.0 - 5 * rung] * 1800 * 3 for rung in range(2)}
    expected = []
    for rung, at, score in ((0, 17, 3.0), (1, 4000, 1.0), (0, 2900, 2.0), (0, 2901, 2.5)):
        scores[rung][at] = score
        expected.append((score, f"rung-{rung}", end - 10_800 + 2 * at))
    for rung, own in scores.items():
        series7.store.write(
            [
                live_point(end - 10_800 + 2 * index, score, stream="news", rendition=f"rung-{rung}")
                for index, score in enumerate(own)
            ]
        )
    found = api.json("worst", stream="news", limit=4)["segments"]
    shown = [(each["score"], each["rendition_id"], each["start_seconds"]) for each in found]
    assert shown == sorted(expected)
    assert api.json("worst", stream="news", limit=1, to=end - 10_000)["segments"][0]["score"] == 3


def test_the_worst_frame_is_shown(api: Served, series7: Series) -> None:
    fill_film(series7)
    series7.store.write([point(40, 3, stream="film", rendition="360p")])
    PictureStore(series7.link, series7.settings).keep(Picture(PictureEntry("film", "360p", 40.0, 41.0, 2.0), JPEG))
    [worst, other] = api.json("worst", stream="film", limit=2)["segments"]
    assert other["picture"] is None
    answer = api.client.get(worst["picture"])
    assert (answer.content, answer.headers["content-type"]) == (JPEG, "image/jpeg")
    missing = api.get("picture", stream="film", rendition="360p", start=42)
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:rungwatch:problem:no-picture")


def test_incidents_tell_what_went_wrong(api: Served, series7: Series) -> None:
    end = now_seconds()
    series7.store.write(
        [
            live_point(end - 600 + 2 * index, 30 if 100 <= index < 130 else 90, stream="news", rendition="720p")
            for index in range(300)
        ]
    )
    [incident] = api.json("incidents", stream="news", last="30m")["incidents"]
    assert (incident["cause"], incident["open"], incident["duration_seconds"]) == ("low_quality", False, 60)
    assert incident["start_seconds"] == end - 400


def test_annotations_are_written_read_and_removed(api: Served) -> None:
    start = datetime.now(UTC)  # they are kept for two years
    note = {"stream_id": "news", "text": "new preset", "tags": ["encoder"], "start_at": start.isoformat()}
    made = api.client.post("/api/v1/annotations", json=note)
    assert made.status_code == 201
    assert api.json("annotations", stream="news")["annotations"] == [made.json()]
    assert api.json("annotations", stream="news", since=(start + timedelta(days=1)).isoformat())["annotations"] == []
    query = {"stream": "news", "id": made.json()["annotation_id"]}
    assert api.client.delete("/api/v1/annotations", params=query).status_code == 204
    assert api.client.delete("/api/v1/annotations", params=query).status_code == 404
    assert api.json("annotations", stream="news")["annotations"] == []


def test_an_answer_that_is_known_is_not_sent_again(api: Served, series7: Series) -> None:
    fill_film(series7)
    answer = api.get("series", stream="film")
    again = api.client.get(answer.request.url, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    series7.store.write([point(200, stream="film")])
    assert api.client.get(answer.request.url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 200


def test_ids_may_hold_any_character(api: Served, series7: Series) -> None:
    name = "a/b?c&d=é{}\n \"'<script>%00"
    series7.store.write([point(0, stream=name, rendition=name)])
    assert api.json("streams")["streams"][0]["stream_id"] == name
    assert api.json("series", stream=name, rendition=name)["renditions"][0]["rendition_id"] == name
