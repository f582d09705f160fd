"""`rungwatch report` as a user runs it, on a real Redis: page, PDF and data of a stretch of time."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import series_factory
from command_line import Commands
from services.redis_fixtures import Series

from pipeline.history import PictureEntry
from pipeline.series import Picture, PictureStore
from pipeline.series.keys import Keys
from schemas import FindingKind, TimeBasis

END = 1_790_000_000 // 3600 * 3600
START = END - 3600
HOUR = ("--to", str(END), "--last", "1h")
JPEG = b"\xff\xd8\xff\xe0 the picture of "


@pytest.fixture
def stream(series7: Series) -> Series:
    """An hour of two rungs up to `END`: 360p starved for two minutes, 1080p frozen for 12 s, with pictures."""
    pictures = PictureStore(series7.link, series7.settings)
    for rendition, level, bitrate in (("1080p", 93.0, 6_000_000), ("360p", 63.0, 700_000)):
        points = []
        for n in range(1800):
            starved = rendition == "360p" and 600 <= n < 660
            frozen = rendition == "1080p" and 1200 <= n < 1206
            points.append(
                series_factory.point(
                    START + 2 * n,
                    30.0 if starved else 25.0 if frozen else level + n % 3,
                    stream="news",
                    rendition=rendition,
                    bitrate_bps=120_000 if starved else bitrate,
                    findings=(FindingKind.FROZEN,) if frozen else (),
                    time_basis=TimeBasis.PROGRAM_DATE_TIME,
                )
            )
            if n in (610, 1202):
                start = points[-1].start_seconds
                entry = PictureEntry("news", rendition, start, start + 1, points[-1].worst_score)
                pictures.keep(Picture(entry, JPEG + rendition.encode() + f" {n}".encode()))
        series7.store.write(points)
    return series7


@pytest.fixture
def report(stream: Series, tmp_path: Path) -> Callable[..., str]:
    """Runs `rungwatch report` in `tmp_path` and returns what it printed."""

    def run(*words: str | Path, code: int = 0) -> str:
        done = Commands(tmp_path, **environment(stream)).run("report", *words)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


def environment(series: Series) -> dict[str, str]:
    return {
        "RUNGWATCH_REDIS_URL": series.settings.url.get_secret_value(),
        "RUNGWATCH_REDIS_PREFIX": series.settings.prefix,
    }


def test_the_page_tells_what_went_wrong_with_pictures_of_it(report: Callable[..., str], tmp_path: Path) -> None:
    report("news", *HOUR)
    page = (tmp_path / "report-news.html").read_text()
    assert "news: 2 critical incidents in 1 h." in page
    assert page.index("the score is low, 30 instead of 64, and the bitrate 120 kbit/s instead of 700 kbit/s") > 0
    assert "1080p stands still from" in page
    assert "while the others move" in page
    incidents = page[page.index('class="incidents"') : page.index("</ol>")]
    assert incidents.count('<img src="data:image/jpeg;base64,') == 2
    assert page.count('alt="Worst frame of 1080p"') == 1
    rows = re.findall(r'<th scope="row">(\S+)</th>.*?</tr>', page[page.index('class="panel totals"') :], re.S)
    assert rows == ["1080p", "360p"]


def test_json_has_incidents_totals_and_points(report: Callable[..., str]) -> None:
    found = json.loads(report("news", *HOUR, "--format", "json"))
    starved, frozen = found["incidents"]
    assert (starved["cause"], starved["rendition_ids"], starved["duration_seconds"]) == ("starved", ["360p"], 120)
    assert (frozen["cause"], frozen["start_seconds"] - START, frozen["duration_seconds"]) == ("frozen", 2400, 12)
    best, worst = found["renditions"]
    assert best["seconds"]["excellent"] == pytest.approx(3588)
    assert best["seconds"]["poor"] == 12
    assert (worst["seconds"]["poor"], worst["seconds"]["in_incidents"]) == (120, 120)
    assert [len(each["points"]) for each in found["renditions"]] == [1800, 1800]
    assert sum(starved["incident_id"] in point["incident_ids"] for point in worst["points"]) == 60


def test_csv_and_parquet_hold_points_and_incidents(report: Callable[..., str], tmp_path: Path) -> None:
    report("news", *HOUR, "--out", "day.csv")
    report("news", *HOUR, "--out", "day.parquet")
    with (tmp_path / "day.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    table = pq.read_table(tmp_path / "day.parquet")
    assert table.num_rows == len(rows) == 3600
    assert list(rows[0]) == table.column_names
    assert {row["findings"] for row in rows} == {"", "frozen"}
    with (tmp_path / "day.incidents.csv").open() as stream:
        incidents = list(csv.DictReader(stream))
    assert [each["cause"] for each in incidents] == ["starved", "frozen"]
    again = pq.read_table(tmp_path / "day.incidents.parquet").to_pylist()
    assert [each["incident_id"] for each in again] == [each["incident_id"] for each in incidents]
    assert again[0]["rendition_ids"] == ["360p"]
    assert again[0]["start_time"].timestamp() == START + 1200


def test_a_range_and_a_rendition_can_be_asked_for(report: Callable[..., str]) -> None:
    words = ("--from", str(START + 2000), "--to", str(START + 2600), "--rendition", "1080p", "--format", "json")
    found = json.loads(report("news", *words))
    assert [each["cause"] for each in found["incidents"]] == ["frozen"]
    assert [each["rendition_id"] for each in found["renditions"]] == ["1080p"]
    assert len(found["renditions"][0]["points"]) == 300


def test_where_points_have_expired_minutes_are_told_and_said(
    report: Callable[..., str], stream: Series, tmp_path: Path
) -> None:
    keys = Keys(stream.settings.prefix)
    for entry in stream.queries.series("news"):
        for minute in range(61):
            stream.link.run([("DEL", keys.raw("news", entry.series.name, int(START) // 60 + minute))])
    report("news", *HOUR, "--out", "old.html")
    page = (tmp_path / "old.html").read_text()
    assert "by the minute: of that time single segments are not kept any more" in page
    assert "the score is low" in page
    found = json.loads(report("news", *HOUR, "--format", "json"))
    assert {point["resolution"] for each in found["renditions"] for point in each["points"]} == {"minute"}
    assert {each["cause"] for each in found["incidents"]} == {"starved", "frozen"}


def test_a_pdf_is_printed(report: Callable[..., str], tmp_path: Path) -> None:
    report("news", *HOUR, "--pdf", "shift.pdf")
    pdf = (tmp_path / "shift.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 20_000
    assert not (tmp_path / "report-news.html").exists()


def test_without_a_browser_pdf_says_what_to_do(stream: Series, tmp_path: Path) -> None:
    done = Commands(tmp_path, **environment(stream), PATH=str(tmp_path)).run("report", "news", "--pdf", "x.pdf")
    assert done.returncode == 2
    assert "apt-get install chromium" in done.stderr


def test_wrong_calls_are_told_in_a_sentence(report: Callable[..., str]) -> None:
    assert "did you mean news?" in report("newz", code=4)
    assert "nothing from" in report("news", "--to", str(START - 100), "--last", "60s", code=3)
    assert "not both" in report("news", "--from", "0", "--last", "1h", code=2)
    assert "no such folder" in report("news", "--out", "nowhere/x.html", code=2)
    assert "--out FILE.parquet" in report("news", "--format", "parquet", code=2)
    assert "say --format" in report("news", "--out", "x.docx", code=2)
