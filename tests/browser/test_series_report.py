"""The report of a stretch of time in a real browser, with the network off: shift, charts, pictures, and on paper."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import series_factory
from axe_playwright_python.sync_playwright import Axe
from canvas_pixels import COLUMN
from playwright.sync_api import Browser
from report_stage import Opened

from pipeline.history import PictureEntry, SeriesEntry, SeriesId, SeriesPoint
from pipeline.incidents import incidents
from pipeline.report.of_series import Stretch, StretchLine, page_of_series
from pipeline.report.page import written
from schemas import FindingKind, TimeBasis

START = 1_790_000_000 // 3600 * 3600
"""2026-09-21 14:00 UTC."""
HOSTILE = "<b onmouseover=alert(1)>x</b></script><script>document.title='owned'</script>"


class Kept:
    """Implements `Pictures` with one picture for every rendition, where it was worst."""

    def __init__(self, entries: list[PictureEntry]) -> None:
        self.entries = entries
        frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 120, np.uint8), format="rgb24")
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 160, 90, "yuvj444p", Fraction(1)
        small = frame.reformat(format="yuvj444p")
        small.pts, small.time_base = 0, Fraction(1)
        stream = io.BytesIO()
        for packet in [*encoder.encode(small), *encoder.encode(None)]:
            stream.write(bytes(packet))
        self.picture = stream.getvalue()

    def kept(
        self,
        stream_id: str,
        rendition_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
    ) -> list[PictureEntry]:
        return self.entries

    def jpeg(self, stream_id: str, rendition_id: str, start_seconds: float) -> bytes | None:
        return self.picture


def _score(rendition: str, number: int, level: float) -> float:
    if rendition == "360p" and 300 <= number < 375:
        return 30.0
    return 40.0 if rendition.startswith("720p") and 600 <= number < 603 else level + (number * 7 % 5) - 2


def _stretch() -> Stretch:
    """Return an hour of three rungs: 360p starved for 5 minutes, 720p frozen for 12 s, a break of two minutes."""
    lines, points = [], {}
    for rendition, level, bitrate in (
        ("1080p", 93.0, 6_000_000),
        (f"720p{HOSTILE}", 84.0, 3_000_000),
        ("360p", 62.0, 700_000),
    ):
        made = [
            series_factory.point(
                START + 4 * n,
                _score(rendition, n, level),
                stream=HOSTILE,
                rendition=rendition,
                seconds=4.0,
                bitrate_bps=bitrate // 5 if rendition == "360p" and 300 <= n < 375 else bitrate,
                findings=(FindingKind.FROZEN,) if rendition.startswith("720p") and 600 <= n < 603 else (),
                time_basis=TimeBasis.PROGRAM_DATE_TIME,
            )
            for n in range(900)
            if not 700 <= n < 730
        ]
        points[rendition] = [SeriesPoint.of(each) for each in made]
        entry = SeriesEntry(HOSTILE, SeriesId.of(made[0]), START, START + 3600, 0, made[-1])
        lines.append(StretchLine(entry, points[rendition]))
    found = incidents(HOSTILE, points, live=True)
    return Stretch(
        HOSTILE,
        TimeBasis.PROGRAM_DATE_TIME,
        START,
        START + 3600,
        lines,
        found,
        skipped=[series_factory.skipped(START + 2840 + 2 * n, stream=HOSTILE, rendition="1080p") for n in range(10)],
        ads=[(START + 400, START + 460)],
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stretch = _stretch()
    worst = [min(line.points, key=lambda point: point.score).raw for line in stretch.lines]
    kept = Kept(
        [
            PictureEntry(HOSTILE, point.rendition_id, point.start_seconds, point.worst_seconds, point.worst_score)
            for point in worst
            if point is not None
        ]
    )
    path = tmp_path_factory.mktemp("series") / "report.html"
    page = written(page_of_series(stretch, kept), settings={}, generated_at=datetime(2026, 9, 21, 15, tzinfo=UTC))
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    opened = Opened(
        browser,
        report,
        today=datetime(2026, 10, 1, tzinfo=UTC),
        viewport={"width": 1280, "height": 900},
        timezone_id="Asia/Tokyo",
        locale="en-GB",
    )
    yield opened
    opened.context.close()


def test_the_page_asks_for_nothing_and_runs_nothing_of_names(opened: Opened, report: Path) -> None:
    assert opened.requests == [report.as_uri()]
    assert opened.messages == []
    assert opened.page.title() != "owned"
    assert opened.page.locator("[onmouseover]").count() == 0


def test_incidents_stand_on_top_the_worst_first_with_pictures(opened: Opened) -> None:
    rows = opened.page.locator(".incidents li")
    assert rows.count() == 2
    first, second = rows.nth(0).inner_text(), rows.nth(1).inner_text()
    assert "starved" in first
    assert "360p: from 14:20:00 UTC to 14:25:00 UTC (5:00 min) the score is low, 30 instead of 62" in first
    assert "frozen" in second
    assert rows.locator("img").evaluate_all("all => all.map(e => e.naturalWidth)") == [160, 160]


def test_the_totals_add_up_to_the_hour(opened: Opened) -> None:
    row = opened.page.locator(".totals tbody tr").nth(2)
    cells = {cell.get_attribute("data-label"): cell.inner_text() for cell in row.locator("td.num").all()}
    assert cells["poor"] == "5:00 min"
    assert cells["not scored"] == "2:00 min"
    assert cells["in incidents"] == "5:00 min"
    widths = row.locator(".stack i").evaluate_all("all => all.map(e => parseFloat(e.style.width))")
    assert sum(widths) == pytest.approx(100, abs=0.1)


def test_times_in_the_chart_are_utc_wherever_the_reader_is(opened: Opened) -> None:
    assert {"14:10", "14:50"} <= set(opened.texts())
    assert "21 Sept, 14:30:0" in (told := opened.point_at(0.5))
    assert " UTC" in told


def test_a_gap_in_the_points_is_a_gap_in_the_line(opened: Opened) -> None:
    assert [opened.runs(seconds / 3600, last=0.95) for seconds in (2700, 2850, 3000)] == [3, 0, 3]
    told = opened.point_at(2850 / 3600)
    assert told.count("no value") == 3
    assert "skipped, too late to score: 1080p" in told


def test_where_the_picture_is_wrong_the_line_is_red(opened: Opened) -> None:
    told = opened.point_at(2406 / 3600)
    assert ": frozen" in told
    assert "stands still from 14:40:00 UTC" in told
    opened.drag(2380 / 3600, 2430 / 3600)
    pixels = opened.chart.evaluate(COLUMN, [26 / 50, 0.5, 0.7])
    assert any(red > 150 and green < 90 and blue < 90 for red, green, blue, _ in pixels)


def test_ads_are_hatched(opened: Opened) -> None:
    def grey(part: float) -> int:
        pixels = opened.chart.evaluate(COLUMN, [part, 0.7, 0.95])
        return sum(alpha > 10 and max(rgb) - min(rgb) < 30 for *rgb, alpha in pixels)

    assert grey(430 / 3600) > 3 * grey(800 / 3600)
    assert "ad" in opened.point_at(430 / 3600).splitlines()


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, report: Path) -> None:
    opened = Opened(browser, report, viewport={"width": 390, "height": 844})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.point_at(0.4)
    inside = "e => [e.querySelector('table').getBoundingClientRect().right, e.getBoundingClientRect().right]"
    table, readout = opened.chart.locator(".readout").evaluate(inside)
    assert table <= readout
    opened.context.close()


def test_axe_finds_nothing(opened: Opened) -> None:
    found = Axe().run(opened.page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_on_paper_it_is_light_sharp_and_nothing_is_wider_than_the_sheet(browser: Browser, report: Path) -> None:
    sheet_px = 703  # A4 within the margins
    opened = Opened(browser, report, viewport={"width": sheet_px, "height": 1000}, color_scheme="dark")
    page = opened.page
    soft = page.evaluate("getComputedStyle(document.querySelector('.hint')).color")
    opened.forget_texts()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    opened.settled()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= sheet_px
    assert page.locator(".plot canvas").evaluate_all("all => all.map(e => e.width / e.clientWidth)") == [3]
    assert page.locator(".plot canvas, .plot svg").evaluate_all("all => all.every(e => e.clientWidth <= 670)")
    heights = page.locator(".plot").evaluate_all("all => all.map(e => [e.clientHeight, e.scrollHeight])")
    assert all(inside <= room for room, inside in heights), heights
    assert {"14:15", "14:45", "1080p"} <= set(opened.texts())
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    opened.settled()
    assert page.evaluate("getComputedStyle(document.querySelector('.hint')).color") == soft
    assert page.locator(".plot canvas").evaluate_all("all => all.map(e => e.width / e.clientWidth)") == [1]
    opened.context.close()
