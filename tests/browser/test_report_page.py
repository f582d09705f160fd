"""The report in a real browser, with the network off: charts are drawn, nothing is asked for, names are text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from score_factory import dead_letter, demo_scores, series

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


class Opened:
    """A page with everything that it complained about or asked for."""

    def __init__(self, browser: Browser, path: Path, **context: object) -> None:
        self.context = browser.new_context(offline=True, **context)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(".plot.rate svg.main-svg .points path")


@pytest.fixture
def opened(browser, report) -> Iterator[Opened]:
    opened = Opened(browser, report, viewport={"width": 1280, "height": 900})
    yield opened
    opened.context.close()


def test_the_page_asks_for_nothing_and_complains_about_nothing(opened, report) -> None:
    assert opened.requests == [report.as_uri()]
    assert opened.messages == []


def test_every_chart_is_drawn(opened) -> None:
    drawn = opened.page.locator("[data-chart]").evaluate_all("all => all.map(e => e.querySelectorAll('svg').length)")
    assert len(drawn) == 5  # two ladders with two charts, one file with one
    assert all(drawn)


def test_each_rung_is_a_line_and_each_problem_a_mark(opened) -> None:
    chart = opened.page.locator("[data-chart=time]").first
    assert chart.locator(".xy .scatterlayer .trace").count() == 4 * 3  # band, line and dots of four rungs
    assert chart.locator(".xy2 .scatterlayer .trace").count() == 3  # frozen, starved, inverted


def test_hostile_names_are_shown_as_text_and_run_nothing(opened) -> None:
    assert opened.page.title() != "owned"
    assert opened.page.locator("h2", has_text=HOSTILE).count() == 1
    assert opened.page.locator("[onmouseover]").count() == 0


def test_a_hidden_rung_leaves_the_chart(opened) -> None:
    opened.page.locator(".legend button", has_text="540p").first.click()
    opened.page.wait_for_timeout(200)
    chart = opened.page.locator("[data-chart=time]").first
    assert chart.locator(".xy .scatterlayer .trace").count() == 3 * 3


def test_hovering_tells_the_scores(opened) -> None:
    chart = opened.page.locator("[data-chart=time]").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2, steps=3)
    chart.locator(".hoverlayer .legend").wait_for()
    assert "84 excellent" in chart.locator(".hoverlayer").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser, report, scheme) -> None:
    opened = Opened(browser, report, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.context.close()


def test_dark_follows_the_system(browser, report) -> None:
    opened = Opened(browser, report, color_scheme="dark")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    opened.context.close()
