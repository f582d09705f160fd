"""The list of all streams in a real browser, over a real server and a real Redis."""

import re

from page_scene import FLEET, HOSTILE, NEWS, TITLE
from page_stage import visiting

from pipeline.api.page import STATIC
from pipeline.charts.inline import STATIC as CHARTS

STREAMS = FLEET + 3
"""And the live ladder, the title, and the one with a hostile name."""


def names(visit) -> list[str]:
    return visit.page.locator(".fleet tbody th a").all_text_contents()


def scores(visit) -> list[int]:
    return [int(text) for text in visit.page.locator(".fleet .worst b").all_text_contents()]


def test_all_streams_are_listed_the_worst_first(visit) -> None:
    visit.open("/")
    assert scores(visit) == sorted(scores(visit))
    assert f"{STREAMS} streams" in visit.page.locator(".facts").text_content()
    assert visit.page.locator("th[aria-sort=ascending]").text_content().startswith("Worst rung now")


def test_nothing_is_asked_of_others_and_nothing_is_complained_about(visit, full_stage) -> None:
    visit.open("/")
    assert visit.complaints == []
    assert [each for each in visit.requests if not each.startswith(full_stage.url)] == []


def test_a_hundred_rows_are_shown_and_more_when_they_are_scrolled_to(visit) -> None:
    visit.open("/")
    assert visit.page.locator(".fleet tbody tr").count() == 100
    visit.page.locator(".more-rows").scroll_into_view_if_needed()
    visit.page.locator(".fleet tbody tr").nth(STREAMS - 1).wait_for()
    assert visit.page.locator(".fleet tbody tr").count() == STREAMS
    assert visit.page.locator(".more-rows").is_hidden()


def test_search_finds_by_part_of_a_name_and_stands_in_the_address(visit) -> None:
    visit.open("/")
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("news")
    visit.page.wait_for_function("() => location.search === '?search=news'")
    visit.page.get_by_text("1 stream found").wait_for()
    assert names(visit) == [NEWS]


def test_a_search_that_finds_nothing_says_so_and_leads_back(visit) -> None:
    visit.open("/?search=no+such+stream")
    visit.page.get_by_role("link", name="See all streams").click()
    visit.page.locator(".fleet tbody tr").nth(99).wait_for()


def test_a_heading_sorts_and_the_address_says_how(visit) -> None:
    visit.open("/")
    visit.page.get_by_role("button", name="Findings").click()
    visit.page.wait_for_selector("th[aria-sort=descending]")
    visit.page.wait_for_function(f"() => document.querySelector('.fleet tbody th a').textContent === '{NEWS}'")
    assert visit.query() == {"sort": "findings"}
    visit.page.go_back()
    visit.page.wait_for_function("() => document.querySelector('th[aria-sort]').textContent.includes('Worst')")
    assert visit.query() == {}


def test_a_row_tells_score_word_rung_ladder_and_findings(visit) -> None:
    visit.open(f"/?search={NEWS}")
    row = visit.page.locator(".fleet tbody tr").first
    assert row.locator(".worst").text_content().endswith("240p")
    assert row.locator(".word").text_content() in {"fair", "good"}
    told = row.locator("svg.bars").get_attribute("aria-label")
    assert told.startswith("1080p ")
    assert told.count(",") == 5
    assert row.locator(".open").text_content() == "1 open"


def test_a_stream_without_new_points_is_said_to_be_silent_and_a_title_is_on_demand(visit) -> None:
    visit.open("/?search=regional-005")
    assert re.fullmatch(r"silent for \d\d min", visit.page.locator(".fleet .fresh").text_content())
    visit.open("/?search=harbour")
    row = visit.page.locator(".fleet tbody tr").filter(has_text=TITLE)
    assert row.locator(".fresh").text_content() == "on demand"


def test_a_row_leads_to_its_stream_by_keyboard(visit) -> None:
    visit.open(f"/?search={NEWS}")
    visit.page.locator(".fleet tbody th a").first.focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector(".chart .u-over")
    assert visit.page.locator("h1").text_content() == NEWS
    assert visit.query() == {"stream": NEWS}


def test_the_whole_row_can_be_clicked_and_back_returns_to_the_search(visit) -> None:
    visit.open(f"/?search={NEWS}")
    visit.page.locator(".fleet tbody td.fresh").first.click(force=True)  # the link lies over the row
    visit.page.wait_for_selector(".chart .u-over")
    visit.page.go_back()
    visit.page.wait_for_selector(".fleet tbody tr")
    assert visit.page.locator("#search").input_value() == NEWS


def test_hostile_names_are_text_and_run_nothing(visit) -> None:
    visit.open("/?sort=name")
    shown = visit.page.locator(".fleet tbody th a", has_text="onmouseover")
    text = shown.text_content()
    assert text.startswith("<b onmouseover=alert(1)>x</b></script>")
    assert "\u202e" not in text
    assert "\x07" not in text
    shown.click()
    visit.page.wait_for_selector(".chart .u-over")
    visit.settled()
    assert visit.query()["stream"] == HOSTILE
    assert visit.page.locator("[onmouseover]").count() == 0
    assert "owned" not in visit.page.title().split("·")[1]
    assert visit.complaints == []


def test_axe_finds_nothing_serious_in_light_and_dark(browser, full_stage) -> None:
    for scheme in ("light", "dark"):
        with visiting(browser, full_stage, color_scheme=scheme) as visit:
            visit.open("/")
            assert visit.barriers() == [], scheme


def test_a_phone_needs_no_sideways_scrolling(browser, full_stage) -> None:
    with visiting(browser, full_stage, viewport={"width": 360, "height": 740}) as visit:
        visit.open("/")
        assert not visit.is_too_wide()
        assert visit.page.locator(".fleet .worst b").first.is_visible()
        assert visit.page.locator(".fleet svg.bars").first.is_visible()


def test_every_module_is_asked_for_at_once(visit) -> None:
    """What is missing from the list would cost a round of waiting more."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    listed = re.findall(r'rel="modulepreload" href="/static/([a-z_]+\.js)"', page)
    others = {"app.js", "login.js", "theme_first.js"}
    modules = {path.name for folder in (STATIC, CHARTS) for path in folder.glob("*.js")}
    assert sorted(listed) == sorted(modules - others)
    visit.open("/")
    assert not [each for each in visit.requests if "/static/" in each and visit.requests.count(each) > 1]
