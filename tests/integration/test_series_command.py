"""`rungwatch series` as a user meets it."""

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from series_factory import point, points, skipped
from services.redis_server import RedisServer

from pipeline.series import EmbeddedRedis, SeriesStore, connect
from pipeline.settings import RedisSettings
from schemas import FindingKind, ManifestFinding, ManifestFindingKind, QualityPoint, TimeBasis
from workers.cli.axis_time import AxisTimeType, length_seconds
from workers.cli.series_pictures import runs

NOW = time.time() // 60 * 60 - 1800


def ladder() -> list[QualityPoint]:
    """Half an hour of a live ladder: 480p has a dip, and nothing in the middle."""
    made = []
    for rendition, bitrate, score in (("1080p", 5_000_000, 94.0), ("480p", 900_000, 70.0)):
        for n in range(850):
            if rendition == "480p" and 300 <= n < 400:
                continue
            dip = rendition == "480p" and 600 <= n < 605
            made.append(
                point(
                    NOW + 2 * n,
                    score - 40 * dip,
                    stream="news",
                    rendition=rendition,
                    bitrate_bps=bitrate,
                    findings=(FindingKind.FROZEN,) if dip else (),
                    time_basis=TimeBasis.PROGRAM_DATE_TIME,
                )
            )
    return made


def store(url: str, written: list[QualityPoint]) -> None:
    settings = RedisSettings(url=SecretStr(url))
    link = connect(settings)
    to = SeriesStore(link, settings)
    to.write(written)
    to.skip([skipped(NOW + 2 * n, stream="news", rendition="480p") for n in range(300, 310)])
    link.close()


def rungwatch(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.cli.main", "series", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **env},
    )


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    with RedisServer() as server:
        store(
            server.url, [*ladder(), *points([80 + n % 5 for n in range(60)], stream="film"), point(0, stream="\x1b[2J")]
        )
        yield lambda *words: rungwatch(*words, RUNGWATCH_REDIS_URL=server.url)


Ask = Callable[..., subprocess.CompletedProcess[str]]


def test_the_table_says_how_good_when_worst_what_was_seen_and_what_was_skipped(ask: Ask) -> None:
    done = ask("query", "news")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (line.split() for line in done.stdout.splitlines() if line.startswith(("1080p ", "480p ")))
    assert first[:4] == ["1080p", "850", "94", "excellent"]
    assert second[:5] == ["480p", "750", "70", "good", "30"]
    assert second[6].startswith(time.strftime("%H:%M:%S", time.gmtime(NOW + 1200)))
    assert "480p: frozen in 5 segments" in done.stdout
    assert "480p: 10 segments skipped" in done.stdout
    assert "nano @ 000000000000" in done.stdout
    assert "\x1b" not in done.stdout


def test_json_has_every_point_as_it_was_written(ask: Ask) -> None:
    document = json.loads(ask("query", "news", "--format", "json", "--rendition", "480p").stdout)
    [line] = document["renditions"]
    assert len(line["points"]) == 750
    assert len(line["skipped"]) == 10
    assert line["points"][0]["score"] == 70
    assert line["points"][0]["worst_score"] == 69


def test_csv_has_one_value_a_row(ask: Ask) -> None:
    rows = list(csv.DictReader(io.StringIO(ask("query", "news", "--format", "csv", "--resolution", "minute").stdout)))
    assert {row["resolution"] for row in rows} == {"minute"}
    assert sum(int(row["count"]) for row in rows) == 1600
    assert rows[0]["start_time"].endswith("+00:00")
    assert {row["findings"] for row in rows} == {"", "frozen:5"}


def test_a_plot_into_a_file_has_no_colours_and_names_the_renditions(ask: Ask) -> None:
    done = ask("query", "news", "--format", "plot")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "o 1080p   + 480p" in done.stdout
    assert "Time (UTC)" in done.stdout


def test_a_picture_is_written(ask: Ask, tmp_path: Path) -> None:
    done = ask("query", "news", "--png", str(tmp_path / "news.png"))
    assert done.returncode == 0
    assert (tmp_path / "news.png").read_bytes().startswith(b"\x89PNG")
    refused = ask("query", "news", "--png", str(tmp_path / "no" / "news.png"))
    assert (refused.returncode, "--png" in refused.stderr) == (2, True)


def test_ranges_are_given_in_the_time_of_the_stream(ask: Ask) -> None:
    film = json.loads(ask("query", "film", "--from", "0:10", "--to", "20", "--format", "json").stdout)
    assert [each["start_seconds"] for each in film["renditions"][0]["points"]] == [10, 12, 14, 16, 18]
    last = json.loads(ask("query", "film", "--last", "10s", "--format", "json").stdout)
    assert [each["start_seconds"] for each in last["renditions"][0]["points"]] == [110, 112, 114, 116, 118]
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + 60))
    news = json.loads(ask("query", "news", "--from", begin, "--format", "json", "--rendition", "1080p").stdout)
    assert len(news["renditions"][0]["points"]) == 820


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["query", "nwes"], 4, "did you mean news?"),
        (["query", "news", "--rendition", "1080"], 4, "did you mean 1080p or 480p?"),
        (["query", "news", "--model", "large"], 4, "models nano"),
        (["query", "film", "--from", "1:00:00"], 2, "the range is empty"),
        (["query", "film", "--from", "500", "--to", "600"], 3, "change --from, --to or --last"),
        (["query", "film", "--from", "2026-03-01"], 2, "media time"),
        (["query", "film", "--from", "0", "--last", "1h"], 2, "not both"),
        (["query", "film", "--last", "soon"], 2, "90s, 30m, 1h or 7d"),
        (["latest", "nothing"], 4, "no points of a stream"),
    ],
)
def test_what_cannot_be_answered_says_what_to_do(ask: Ask, words: list[str], code: int, said: str) -> None:
    done = ask(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_streams_and_latest_are_listed(ask: Ask) -> None:
    listed = ask("streams")
    assert "news" in listed.stdout
    assert "1080p, 480p" in listed.stdout
    assert "\x1b" not in listed.stdout
    assert {each["stream_id"] for each in json.loads(ask("streams", "--format", "json").stdout)} == {
        "news",
        "film",
        "\x1b[2J",
    }
    [top, low] = json.loads(ask("latest", "news", "--format", "json").stdout)
    assert (top["rendition_id"], low["score"]) == ("1080p", 70)
    assert "excellent" in ask("latest", "news").stdout


def test_redis_away_says_what_to_do() -> None:
    done = rungwatch("query", "news", "--redis", "redis://127.0.0.1:1")
    assert done.returncode == 4
    assert "see that it runs" in done.stderr


def test_the_folder_of_a_watch_is_read_while_it_runs_and_afterwards(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis") as redis:
        store(redis.url, points([80, 70], stream="film"))
        assert rungwatch("query", "film", "--state", str(tmp_path)).returncode == 0
    done = rungwatch("query", "film", "--state", str(tmp_path), "--format", "json")
    assert len(json.loads(done.stdout)["renditions"][0]["points"]) == 2
    empty = rungwatch("streams", "--state", str(tmp_path / "redis"))
    assert (empty.returncode, "rungwatch watch" in empty.stderr) == (2, True)


def test_a_line_is_broken_where_something_is_missing() -> None:
    from pipeline.history import SeriesPoint  # noqa: PLC0415

    made = [SeriesPoint.of(point(start)) for start in (0, 2, 4, 10, 12, 30)]
    assert [[each.start_seconds for each in run] for run in runs(made)] == [[0, 2, 4], [10, 12], [30]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("-2.5", -2.5),
        ("1:30", 90),
        ("1:02:03.5", 3723.5),
        ("1970-01-01T01:00", 3600),
        ("1970-01-02", 86_400),
    ],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert AxisTimeType().convert(text, None, None).seconds == seconds


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("7d", 604_800)])
def test_lengths_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert length_seconds(text) == seconds


def test_findings_are_listed_with_how_long_they_lasted(redis_urls: Callable[[str], str]) -> None:
    settings = RedisSettings(url=SecretStr(redis_urls("redis 7")))
    found_at = datetime.now(UTC)
    stale = ManifestFinding(
        finding_id="told/stale",
        stream_id="told",
        kind=ManifestFindingKind.STALE,
        text="nothing new for 9 s",
        found_at=found_at,
        over_at=found_at + timedelta(seconds=20),
    )
    gone = stale.model_copy(
        update={"finding_id": "told/gone", "kind": ManifestFindingKind.RUNG_GONE, "text": "360p", "over_at": None}
    )
    with closing(connect(settings)) as link:
        SeriesStore(link, settings).find([stale, gone])
    env = {"RUNGWATCH_REDIS_URL": redis_urls("redis 7")}
    listed = rungwatch("findings", "told", **env).stdout
    assert "stale (20 s)  nothing new for 9 s" in listed
    assert "rung gone (still)  360p" in listed
    still = rungwatch("findings", "told", "--open", "--format", "json", **env)
    assert [each["kind"] for each in json.loads(still.stdout)] == ["rung_gone"]
