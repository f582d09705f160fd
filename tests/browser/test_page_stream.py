"""The page of one stream in a real browser: every part of it, ranges and links, keys, themes, clocks, the phone."""

import re
import time
from datetime import UTC, datetime, timedelta

import page_scene
import pytest
from page_scene import HOSTILE, LADDER, NEWS, TITLE
from page_stage import visiting
from playwright.sync_api import expect

NEWS_PAGE = f"/?stream={NEWS}"
TITLE_PAGE = "/?stream=harbour+%28feature%29"


def opened(visit, address: str = NEWS_PAGE):
    visit.open(address)
    visit.settled()
    return visit.page


def span_seconds(visit) -> float:
    query = visit.query()
    return (datetime.fromisoformat(query["to"]) - datetime.fromisoformat(query["from"])).total_seconds()


def test_every_part_is_there_and_nothing_is_complained_about(visit, full_stage) -> None:
    page = opened(visit)
    assert page.locator("h1").text_content() == NEWS
    assert page.locator(".chart canvas").count() == 1
    assert page.locator(".legend button").count() == len(LADDER)
    assert page.locator(".ladder tbody tr").count() == len(LADDER)
    assert page.locator(".scatter .spot").count() == len(LADDER)
    page.locator(".frames li").first.wait_for()
    assert visit.complaints == []
    assert [each for each in visit.requests if not each.startswith(full_stage.url)] == []


def test_the_ladder_tells_score_word_interval_bitrate_and_worst_best_first(visit) -> None:
    page = opened(visit)
    rows = page.locator(".ladder tbody tr")
    assert rows.locator("th").all_text_contents() == list(LADDER)
    first = rows.first.text_content()
    assert re.search(r"9\d\s*excellent", first)
    assert re.search(r"\d+–\d+", first)
    assert "Mbit/s" in first
    assert 15 < int(rows.nth(4).locator("td b").last.text_content()) < 40  # 360p starved
    assert rows.first.locator("path.spark-line").get_attribute("d").startswith("M")


def test_what_went_wrong_is_told_with_its_time_and_leads_there(visit) -> None:
    page = opened(visit)
    causes = page.locator(".incidents .tag").all_text_contents()
    assert {"frozen", "starved", "not scored", "stale"} <= set(causes)
    page.locator(".incidents tr", has_text="frozen").locator("a").click()
    expect(page.locator(".custom summary")).to_contain_text("–")
    assert 60 < span_seconds(visit) < 600
    assert page.locator(".findings").count() == 1


def test_worst_frames_are_of_different_moments(visit) -> None:
    page = opened(visit)
    page.locator(".frames li").first.wait_for()
    told = page.locator(".frames figcaption").all_text_contents()
    assert "720p" in told[0]
    assert "frozen" in told[0]
    assert sum("720p" in each for each in told) < len(told)


def test_hovering_tells_all_rungs_at_that_instant(visit) -> None:
    page = opened(visit)
    visit.point_at(0.5)
    rows = page.locator(".readout tr")
    assert rows.locator("th").all_text_contents() == list(LADDER)
    assert re.match(r"1080p9\dexcellent\d\d–\d\d\d?.*Mbit/s", rows.first.text_content())
    assert page.locator(".dot-at:not([hidden])").count() == len(LADDER)
    page.mouse.move(5, 5)
    expect(page.locator(".readout")).to_be_hidden()


def test_dragging_zooms_the_address_says_where_and_back_returns(visit) -> None:
    page = opened(visit)
    visit.drag(0.4, 0.6)
    page.wait_for_function("() => location.search.includes('from=')")
    assert 600 < span_seconds(visit) < 840  # a fifth of an hour
    page.go_back()
    page.wait_for_function("() => !location.search.includes('from=')")
    expect(page.locator(".ranges a[aria-current]")).to_contain_text("1h")


def test_a_double_click_shows_the_range_before_the_zoom(visit) -> None:
    page = opened(visit, f"{NEWS_PAGE}&last=15m")
    visit.drag(0.2, 0.5)
    page.wait_for_function("() => location.search.includes('from=')")
    box = visit.over()
    page.mouse.dblclick(box["x"] + 200, box["y"] + 60)
    page.wait_for_function("() => location.search.includes('last=15m')")
    assert "from" not in visit.query()


def test_a_link_shows_the_same_to_others(visit, browser, full_stage) -> None:
    page = opened(visit)
    page.locator(".legend button", has_text="540p").click()
    page.get_by_role("button", name="Fit scale").click()
    visit.drag(0.3, 0.7)
    page.wait_for_function("() => location.search.includes('from=')")
    with visiting(browser, full_stage, timezone_id="Asia/Tokyo") as other:
        opened(other, page.url.removeprefix(full_stage.url))
        assert other.query() == visit.query()
        assert other.page.locator(".legend button[aria-pressed=false]").text_content().startswith("540p")
        assert other.page.get_by_role("button", name="Fit scale").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("last", ["5m", "15m", "1h", "6h", "24h", "7d", "30d"])
def test_every_range_is_drawn(visit, full_stage, last) -> None:
    now = time.time()
    full_stage.store.write(list(page_scene.instant(now // 2 * 2 - 2, now)))
    page = opened(visit)
    with page.expect_response(lambda answer: "/api/v1/series" in answer.url and f"last={last}&" in answer.url):
        page.locator(".ranges a", has_text=last).first.click()
    expect(page.locator(".ranges a[aria-current]")).to_contain_text(last)
    visit.settled()
    assert page.locator(".message").is_hidden()
    assert visit.query()["last"] == last
    assert visit.complaints == []


def test_any_range_can_be_entered(browser, full_stage) -> None:
    # Where no hour comes twice a year: of such a one nobody knows which is meant.
    with visiting(browser, full_stage, timezone_id="Asia/Kolkata") as visit:
        page = opened(visit)
        page.locator(".custom summary").click()
        begin = datetime.now(UTC) - timedelta(minutes=30)
        clock = "seconds => new Date(seconds * 1000).toLocaleString('sv-SE').replace(' ', 'T')"
        for name, moment in (("from", begin), ("to", begin + timedelta(minutes=10))):
            page.locator(f".custom input[name={name}]").fill(page.evaluate(clock, moment.timestamp()))
        page.get_by_role("button", name="Show").click()
        page.wait_for_function("() => location.search.includes('from=')")
        assert visit.query()["from"] == f"{begin:%Y-%m-%dT%H:%M:%S}.000Z"
        assert span_seconds(visit) == 600


def test_half_a_range_earlier_and_later_come_back_to_the_same(visit) -> None:
    page = opened(visit, f"{NEWS_PAGE}&last=15m")
    page.get_by_role("link", name="half a range earlier").click()
    page.wait_for_function("() => location.search.includes('from=')")
    before = visit.query()
    page.get_by_role("link", name="half a range earlier").click()
    page.wait_for_function(f"() => !location.search.includes(encodeURIComponent('{before['from']}'))")
    page.get_by_role("link", name="half a range later").click()
    page.wait_for_function(f"() => location.search.includes(encodeURIComponent('{before['from']}'))")


def test_a_hidden_rung_leaves_chart_and_readout(visit) -> None:
    page = opened(visit)
    page.locator(".legend button", has_text="720p").click()
    visit.point_at(0.5)
    assert page.locator(".readout th").all_text_contents() == [each for each in LADDER if each != "720p"]
    assert visit.query()["hide"] == "720p"


def test_the_clock_can_be_utc_with_the_other_time_in_the_tooltip(visit) -> None:
    page = opened(visit)
    cell = page.locator(".incidents time").first
    local, utc = cell.text_content(), cell.get_attribute("title")
    assert utc.endswith("(UTC)")
    page.get_by_role("button", name="Local time").click()
    cell = page.locator(".incidents time").first
    assert cell.text_content().endswith(utc[11:19])  # before it stands the day, when that is not today
    assert cell.text_content() != local
    assert cell.get_attribute("title").endswith("local time")
    page.reload()
    page.get_by_role("button", name="UTC", exact=True).wait_for()


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_kept(browser, full_stage) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with visiting(browser, full_stage, color_scheme="dark") as visit:
        page = opened(visit)
        assert page.evaluate(paper) == "rgb(16, 20, 24)"
        page.locator("#theme").click()
        assert page.evaluate(paper) == "rgb(246, 247, 249)"
        page.reload()
        page.wait_for_selector(".chart canvas")
        assert page.evaluate(paper) == "rgb(246, 247, 249)"


def test_arrow_keys_walk_along_the_segments_and_are_read_out(visit) -> None:
    page = opened(visit)
    page.locator(".chart").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")  # away from the edge, which moves with the clock
    spoken = page.locator(".chart [aria-live]")
    # Around midnight the day stands before the time.
    told = re.compile(r"(?:\d+ \w+, )?(\d\d:\d\d:\d\d): 1080p \d+ excellent, 720p")
    first = spoken.text_content()
    page.keyboard.press("ArrowRight")
    second = spoken.text_content()
    first_at, second_at = (datetime.strptime(told.match(text)[1], "%H:%M:%S") for text in (first, second))
    assert (second_at - first_at).seconds == 2
    page.keyboard.press("Shift+ArrowRight")
    assert spoken.text_content() not in {first, second}
    assert page.locator(".readout").is_visible()


def test_plus_zooms_and_escape_returns(visit) -> None:
    page = opened(visit)
    page.locator(".chart").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    page.wait_for_function("() => location.search.includes('from=')")
    assert span_seconds(visit) == pytest.approx(1800, abs=2)
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.search.includes('from=')")


def test_the_chart_is_told_in_words_too(visit) -> None:
    page = opened(visit)
    told = page.locator("#chart-told").text_content()
    assert told.startswith("Scores from 0 to 100 by rung. 1080p: mean 9")
    assert "240p: mean" in told
    assert "chart-told" in page.locator(".chart").get_attribute("aria-describedby")


def test_a_title_is_shown_from_begin_to_end_on_media_time(visit) -> None:
    page = opened(visit, TITLE_PAGE)
    assert page.locator("h1").text_content() == TITLE
    expect(page.locator(".ranges a[aria-current]")).to_contain_text("Whole title")
    assert "on demand" in page.locator(".facts").text_content()
    visit.point_at(0.5)
    assert re.match(r"(4:5\d|5:0\d)(\.\d)?$", page.locator(".readout .when").text_content())  # of ten minutes
    page.mouse.move(5, 5)
    visit.drag(0.25, 0.5)
    page.wait_for_function("() => location.search.includes('from=')")
    assert float(visit.query()["from"]) == pytest.approx(150, abs=5)
    page.get_by_role("link", name="Whole title").click()
    page.wait_for_function("() => !location.search.includes('from=')")


def test_a_range_without_points_leads_to_the_last_ones(visit) -> None:
    page = visit.page
    visit.open(f"{NEWS_PAGE}&from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z")
    page.get_by_text("No points in this range.").wait_for()
    page.get_by_role("link", name="See the hour up to the last point").click()
    expect(page.locator(".message")).to_be_hidden()
    page.wait_for_selector(".scatter .spot")


def test_an_unknown_stream_is_said_to_be_unknown(visit) -> None:
    visit.page.goto("/?stream=nobody")
    visit.page.get_by_text("No stream of this name has points.").wait_for()
    visit.page.get_by_role("link", name="See all streams").click()
    visit.page.wait_for_selector(".fleet tbody tr")


def test_the_values_can_be_taken_along_as_csv(visit) -> None:
    page = opened(visit)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("time,start_seconds")
    assert len(lines) > 6000


def test_a_hostile_rendition_is_shown_as_text_everywhere(visit) -> None:
    page = visit.page
    visit.open("/?sort=name&search=onmouseover")
    page.locator(".fleet tbody th a").click()
    visit.settled()
    visit.point_at(0.97)
    for place in (".ladder tbody th", ".legend button", ".readout th"):
        assert page.locator(place).first.text_content().startswith("<b onmous")
    assert page.locator("[onmouseover], main script").count() == 0
    assert visit.query()["stream"] == HOSTILE
    assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, full_stage, scheme) -> None:
    with visiting(browser, full_stage, color_scheme=scheme) as visit:
        page = opened(visit)
        page.locator(".frames li").first.wait_for()
        page.locator(".more summary").click()
        page.locator(".custom summary").click()
        assert visit.barriers() == []


def test_a_phone_shows_everything_without_sideways_scrolling(browser, full_stage) -> None:
    with visiting(browser, full_stage, viewport={"width": 360, "height": 740}, has_touch=True) as visit:
        page = opened(visit)
        page.locator(".frames li").first.wait_for()
        assert not visit.is_too_wide()
        box = visit.over()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 80)
        page.locator(".readout").wait_for()
        readout = page.locator(".readout").bounding_box()
        assert readout["x"] >= 0
        assert readout["x"] + readout["width"] <= 360
        assert visit.barriers() == []
