"""The page while things happen: points arrive, Redis and the server go away and come back."""

import time
from collections.abc import Iterator

import page_scene
import pytest
from page_scene import LADDER, NEWS
from page_stage import PATIENCE_MS, Stage, Visit, visiting
from playwright.sync_api import Browser, Route, expect

from schemas import FindingKind

PAGE = f"/?stream={NEWS}"
LAST_SCORE = ".ladder tbody tr:first-child .latest b"


@pytest.fixture(scope="module")
def own_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("live")) as stage:
        yield stage


@pytest.fixture
def stage(own_stage: Stage) -> Stage:
    """Empty; a test may break it, and mends it."""
    own_stage.redis.ask("FLUSHALL")
    return own_stage


@pytest.fixture
def live_stage(stage: Stage) -> Stage:
    stage.store.write(list(page_scene.live_points(time.time(), 600)))
    return stage


@pytest.fixture
def live_visit(browser: Browser, live_stage: Stage) -> Iterator[Visit]:
    with visiting(browser, live_stage) as visit:
        visit.open(PAGE)
        visit.settled()
        visit.listening()
        yield visit


def write_now(stage: Stage, score: float, **changes: object) -> None:
    """Write one more instant of the ladder, the best rung of which has this score."""
    now = time.time()
    points = list(page_scene.instant(now // 2 * 2 - 2, now))
    first = points[0].model_copy(
        update={"score": score, "low": max(0, score - 3), "high": score + 3, "worst_score": score, **changes}
    )
    stage.store.write([first, *points[1:]])


def test_points_appear_in_table_legend_and_chart_without_asking(live_stage, live_visit) -> None:
    page = live_visit.page
    live_visit.requests.clear()
    write_now(live_stage, 33.3)
    expect(page.locator(LAST_SCORE)).to_have_text("33")
    assert page.locator(".ladder tbody tr:first-child .word").text_content() == "poor"
    assert page.locator(".legend button b").first.text_content() == "33"
    page.wait_for_function("() => performance.getEntriesByName('rungwatch:update').length > 0")
    assert not [each for each in live_visit.requests if "/series" in each]
    page.locator(".chart").focus()
    page.keyboard.press("End")
    expect(page.locator(".chart [aria-live]")).to_contain_text("1080p 33 poor")


def test_what_is_written_before_the_page_listens_is_not_missed(browser, live_stage) -> None:
    def write_first(route: Route) -> None:
        write_now(live_stage, 33.3)
        route.continue_()

    with visiting(browser, live_stage) as visit:
        visit.page.route("**/api/v1/events*", write_first)
        visit.open(PAGE)
        expect(visit.page.locator(LAST_SCORE)).to_have_text("33")


def test_an_update_takes_a_fraction_of_a_second_of_script(browser, live_stage) -> None:
    """The bar is 50 ms, as the benchmark measures it; a test on a busy machine asks for less."""
    live_stage.store.write(list(page_scene.live_points(time.time(), 3600)))
    with visiting(browser, live_stage) as visit:
        visit.open(PAGE)
        visit.settled()
        visit.listening()
        for score in (91, 92, 93):
            write_now(live_stage, score)
            expect(visit.page.locator(LAST_SCORE)).to_have_text(str(score))
        took = visit.page.evaluate("performance.getEntriesByName('rungwatch:update').map((each) => each.duration)")
        assert took
        assert min(took) < 200


def test_a_finding_becomes_an_incident_on_the_page(live_stage, live_visit) -> None:
    page = live_visit.page
    assert page.get_by_text("Nothing went wrong in this range.").is_visible()
    live_stage.store.find([page_scene.manifest_finding("slow_origin", time.time() - 1, None, text="edge-2 is slow")])
    page.locator(".incidents tr", has_text="edge-2 is slow").wait_for()
    assert page.locator(".incidents .long .wrong").text_content() == "open"


def test_what_a_picture_shows_is_marked_as_it_comes(live_stage, live_visit) -> None:
    write_now(live_stage, 21.0, findings=(FindingKind.FROZEN,))
    expect(live_visit.page.locator(".ladder tbody tr:first-child .tag")).to_have_text("frozen")


def test_a_rung_that_is_new_joins_the_ladder(live_stage, live_visit) -> None:
    now = time.time()
    fresh = {"2160p": (14_000_000, 97.0)}
    live_stage.store.write(list(page_scene.instant(now // 2 * 2 - 2, now, ladder=fresh)))
    expect(live_visit.page.locator(".ladder tbody tr")).to_have_count(len(LADDER) + 1)
    assert live_visit.page.locator(".ladder tbody th").first.text_content() == "2160p"


def test_another_model_does_not_mix_into_the_line(live_stage, live_visit) -> None:
    page = live_visit.page
    write_now(live_stage, 12.0, model_name="other", model_revision=0)
    write_now(live_stage, 88.0)
    expect(page.locator(LAST_SCORE)).to_have_text("88")
    page.reload()
    live_visit.settled()
    chooser = page.get_by_label("Model and display height")
    expect(chooser.locator("option")).to_have_count(2)
    chooser.select_option(label="other at 1080 px")
    expect(page.locator(LAST_SCORE)).to_have_text("12")
    assert live_visit.query()["model"] == "other"


def test_redis_away_is_said_and_the_page_heals(live_stage, live_visit) -> None:
    page = live_visit.page
    live_stage.redis.stop()
    page.locator(".banner[data-away=redis]").wait_for(timeout=2 * PATIENCE_MS)
    assert "Redis is away since" in page.locator("#status").text_content()
    assert page.locator(".chart canvas").is_visible()  # what was known stays
    live_stage.redis.start()
    write_now(live_stage, 44.0)
    expect(page.locator(".banner")).to_have_count(0, timeout=2 * PATIENCE_MS)
    expect(page.locator(LAST_SCORE)).to_have_text("44", timeout=2 * PATIENCE_MS)


def test_a_page_that_is_opened_while_redis_is_away_waits_for_it(browser, live_stage) -> None:
    live_stage.redis.stop()
    with visiting(browser, live_stage) as visit, visiting(browser, live_stage) as fleet:
        visit.page.goto(PAGE)
        fleet.page.goto("/")
        for page in (visit.page, fleet.page):
            page.locator(".banner[data-away=redis]").wait_for(timeout=2 * PATIENCE_MS)
        assert fleet.barriers() == []
        live_stage.redis.start()
        for page in (visit.page, fleet.page):
            expect(page.locator(".banner")).to_have_count(0, timeout=2 * PATIENCE_MS)
        visit.page.wait_for_selector(".scatter .spot")
        fleet.page.get_by_role("link", name=NEWS).wait_for()


def test_the_server_away_is_said_and_the_page_heals(browser, live_stage, live_visit) -> None:
    with visiting(browser, live_stage) as fleet:
        fleet.open("/")
        live_stage.stop_serving()
        for page in (live_visit.page, fleet.page):
            page.locator(".banner[data-away=server]").wait_for(timeout=2 * PATIENCE_MS)
        live_stage.serve()
        write_now(live_stage, 57.0)
        for page in (live_visit.page, fleet.page):
            expect(page.locator(".banner")).to_have_count(0, timeout=2 * PATIENCE_MS)
        expect(live_visit.page.locator(LAST_SCORE)).to_have_text("57", timeout=2 * PATIENCE_MS)


def test_an_empty_fleet_teaches_and_its_first_stream_appears_by_itself(browser, stage) -> None:
    with visiting(browser, stage, color_scheme="dark") as visit:
        visit.open("/")
        taught = visit.page.locator(".teach")
        # A moment later: the server may still know the streams of the test before.
        visit.page.get_by_text("No stream has points yet").wait_for()
        assert "rungwatch watch PATH" in taught.text_content()
        assert visit.page.locator(".fleet").is_hidden()
        assert visit.barriers() == []
        stage.store.write(list(page_scene.live_points(time.time(), 20)))
        visit.page.get_by_role("link", name=NEWS).wait_for()
        assert taught.is_hidden()
