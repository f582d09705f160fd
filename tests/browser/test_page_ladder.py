"""The table of the ladder in a real browser: every column is in sight, however narrow the page and long the names."""

import re
import time

import page_scene
import pytest
from page_stage import visiting

from schemas import FindingKind

WIDE = "wide"
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""The chart takes its new width after the page has."""
WIDTHS = (1560, 1280, 1241, 1240, 1024, 800, 701)
LADDER = {
    "1080p60-high-audio-main": (6_200_000, 94.0),
    "720p-main-audio-main": (3_400_000, 88.0),
    "480p": (1_100_000, 71.0),
    "240p": (390_000, 48.0),
}


@pytest.fixture(scope="module")
def wide_stage(full_stage):
    """Another stream: long names of renditions, and two findings on the latest segment of one."""
    points = page_scene.live_points(time.time(), 300, stream=WIDE, ladder=LADDER)
    found = {"findings": (FindingKind.FROZEN, FindingKind.MISMATCH)}
    full_stage.store.write([each.model_copy(update=found) if "720p" in each.rendition_id else each for each in points])
    return full_stage


@pytest.mark.parametrize("stream", [page_scene.NEWS, WIDE])
def test_no_column_must_be_scrolled_to(browser, wide_stage, stream: str) -> None:
    with visiting(browser, wide_stage, viewport={"width": WIDTHS[0], "height": 900}) as visit:
        visit.open(f"/?stream={stream}&last=5m")
        visit.settled()
        last = visit.page.locator(".ladder tbody tr").first.locator("td").last
        for width in WIDTHS:
            visit.page.set_viewport_size({"width": width, "height": 900})
            visit.page.evaluate(DRAWN)
            # `23 s ago`, or, of a stream that ended, `silent for 2 min`, which is longer.
            assert re.search(r"ago|silent", last.text_content())
            table = visit.page.locator(".ladder-panel .scroll").evaluate("each => [each.scrollWidth, each.clientWidth]")
            assert table[0] <= table[1], f"at {width}"
            cell, panel = last.bounding_box(), visit.page.locator(".ladder-panel").bounding_box()
            assert cell["x"] + cell["width"] <= panel["x"] + panel["width"], f"at {width}"
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, f"at {width}"


def test_the_interval_is_told_beside_the_score_where_it_has_no_column(browser, wide_stage) -> None:
    with visiting(browser, wide_stage, viewport={"width": 760, "height": 900}) as visit:
        visit.open(f"/?stream={page_scene.NEWS}&last=5m")
        visit.settled()
        row = visit.page.locator(".ladder tbody tr").first
        assert not row.locator('[data-label="Interval"]').is_visible()
        interval = row.locator('[data-label="Interval"]').text_content()
        shown = row.locator(".latest").evaluate("each => getComputedStyle(each, '::after').content")
        assert shown == f'"{interval}"'
