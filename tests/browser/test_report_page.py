"""The report in a real browser, with the network off: charts are drawn, nothing is asked for, names are text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from report_stage import Opened
from score_factory import dead_letter, demo_scores, series

from pipeline.charts import inline
from pipeline.report.chart_data import ramp
from pipeline.report.page import render
from pipeline.report.summary import summarise

HOSTILE = "<b onmouseover=alert(1)>x</b></script><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    streams = summarise([*demo_scores(), *demo_scores(HOSTILE), *series([80, 81], stream="file", rendition=HOSTILE)])
    path.write_text(
        render(
            streams,
            settings={"version": "0.1.0"},
            rejected=[dead_letter(HOSTILE)],
            worst_frames={},
            generated_at=datetime(2026, 3, 1, tzinfo=UTC),
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def opened(browser, report) -> Iterator[Opened]:
    opened = Opened(browser, report, viewport={"width": 1280, "height": 900})
    yield opened
    opened.context.close()


def test_the_page_asks_for_nothing_and_complains_about_nothing(opened, report) -> None:
    assert opened.requests == [report.as_uri()]
    assert opened.messages == []


def test_every_chart_is_drawn(opened) -> None:
    drawn = opened.page.locator("[data-chart]").evaluate_all(
        "all => all.map(e => e.querySelectorAll('canvas, svg').length)"
    )
    assert drawn == [1] * 5  # two ladders with two charts, one file with one


def test_each_rung_is_a_line_with_its_name_and_each_problem_a_mark(opened) -> None:
    assert opened.runs(2 / 24) == 4
    assert {"720p", "540p", "360p", "216p"} <= set(opened.texts())
    above = {"first": -0.12, "last": -0.005}
    assert [opened.runs(seconds / 24, **above) for seconds in (3, 9, 18)] == [0, 1, 1]  # frozen; starved and inverted


def test_hostile_names_are_shown_as_text_and_run_nothing(opened) -> None:
    assert opened.page.title() != "owned"
    assert opened.page.locator("h2", has_text=HOSTILE).count() == 1
    assert opened.page.locator("[onmouseover]").count() == 0


def test_a_hidden_rung_leaves_the_chart_with_its_marks(opened) -> None:
    button = opened.page.locator(".legend button", has_text="540p").first
    button.click()
    opened.settled()
    assert button.get_attribute("aria-pressed") == "false"
    assert opened.runs(2 / 24) == 3
    assert opened.runs(9 / 24, first=-0.12, last=-0.005) == 0
    assert "540p" not in opened.point_at(0.4)
    button.click()
    button.blur()
    opened.page.mouse.move(5, 5)
    opened.settled()
    assert opened.runs(2 / 24) == 4


def test_hovering_tells_all_rungs_at_that_instant_and_what_is_wrong(opened) -> None:
    told = opened.point_at(0.4)
    rows = [line.split("\t") for line in told.splitlines() if "\t" in line]
    assert [row[1] for row in rows] == ["720p", "540p", "360p", "216p"]
    assert rows[1][2:5] == ["31", "poor", "28–34"]
    assert rows[1][5:] == ["1.10 Mbit/s", "worst 30 at 0:10"]
    assert "540p stands still from 6 s to 12 s while the others move" in told
    assert opened.chart.locator(".dot-at:not([hidden])").count() == 4
    opened.page.mouse.move(5, 5)
    opened.chart.locator(".readout").wait_for(state="hidden")


def test_dragging_zooms_and_a_double_click_shows_all_again(opened) -> None:
    opened.forget_texts()
    opened.drag(0.5, 0.75)
    assert {"0:13", "0:17"} <= set(opened.texts())
    assert opened.point_at(0.02).startswith("0:12")
    box = opened.over()
    opened.page.mouse.dblclick(box["x"] + 40, box["y"] + 40)
    opened.settled()
    assert opened.point_at(0.02).startswith("0:00")


def test_keys_walk_along_the_segments_and_read_them_out(opened) -> None:
    opened.chart.focus()
    opened.page.keyboard.press("Home")
    opened.page.keyboard.press("ArrowRight")
    said = opened.chart.locator("[aria-live]").text_content()
    assert said.startswith("0:04: 720p 95 excellent, 540p 58 fair, 360p 73 good")
    opened.page.keyboard.press("+")
    opened.settled()
    assert opened.point_at(0.99).startswith("0:09")
    opened.page.keyboard.press("Escape")
    opened.settled()
    assert opened.point_at(0.99).startswith("0:23")


def test_quality_against_bitrate_joins_rungs_of_one_codec_and_crosses_what_is_worse(opened) -> None:
    chart = opened.page.locator("[data-chart=rate]").first
    assert chart.locator(".spot").count() == 4
    curves = chart.locator(".curve").evaluate_all("all => all.map(e => e.getAttribute('d').match(/[ML]/g).join(''))")
    assert sorted(curves) == ["M", "MLL"]  # one HEVC, three H.264
    assert chart.locator(".crossed").all_text_contents() == ["360p ✕"]
    label = chart.locator("svg").get_attribute("aria-label")
    assert "540p: 71 good at 1.10 Mbit/s" in label
    assert "360p: 52 fair at 415 kbit/s, worse than a cheaper rung" in label


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, report, scheme) -> None:
    opened = Opened(browser, report, viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    found = Axe().run(opened.page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    opened.context.close()


def test_every_chart_module_is_a_script_that_browsers_understand(browser) -> None:
    page = browser.new_page()
    for path in inline.STATIC.glob("*.js"):
        page.evaluate("(text) => { new Function(text); }", inline.script(path))
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_rungs_have_the_colours_of_the_live_page(browser, scheme, tmp_path) -> None:
    entry = tmp_path / "entry.js"
    entry.write_text('import { ramp } from "./ramp.js";\nwindow.found = [1, 2, 4, 6, 9].map(ramp);\n')
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.add_script_tag(content=inline.script(entry))
    found = page.evaluate("window.found.map((all) => all.map((each) => each.match(/\\d+/g).map(Number)))")
    assert found == [[_channels(each) for each in ramp(scheme, count)] for count in (1, 2, 4, 6, 9)]
    context.close()


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser, report, scheme) -> None:
    opened = Opened(browser, report, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.context.close()


def test_dark_follows_the_system(browser, report) -> None:
    opened = Opened(browser, report, color_scheme="dark")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    opened.context.close()
