"""The way in where a token is set, in a real browser."""

import time
from collections.abc import Iterator

import page_scene
import pytest
from page_scene import NEWS
from page_stage import Stage, Visit, visiting
from playwright.sync_api import Browser, expect

TOKEN = "a-token-of-some-length"
PAGE = f"/?stream={NEWS}&last=15m"


@pytest.fixture(scope="module")
def guarded_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("guarded"), RUNGWATCH_API_TOKEN=TOKEN) as stage:
        stage.store.write(list(page_scene.live_points(time.time(), 60)))
        yield stage


@pytest.fixture
def stranger(browser: Browser, guarded_stage: Stage) -> Iterator[Visit]:
    with visiting(browser, guarded_stage) as visit:
        yield visit


def sign_in(visit: Visit, token: str) -> None:
    visit.page.get_by_label("Token").fill(token)
    visit.page.get_by_role("button", name="Sign in").click()


def test_the_token_leads_to_what_was_wanted_live_points_included(stranger, guarded_stage) -> None:
    page = stranger.page
    page.goto(PAGE)
    assert page.locator("#wrong").is_hidden()
    sign_in(stranger, TOKEN)
    page.wait_for_selector(".chart canvas")
    assert stranger.query() == {"stream": NEWS, "last": "15m"}
    stranger.listening()
    now = time.time()
    guarded_stage.store.write(
        [each.model_copy(update={"score": 12.0, "low": 10.0}) for each in page_scene.instant(now // 2 * 2, now)]
    )
    expect(page.locator(".ladder .latest b").first).to_have_text("12")


def test_a_wrong_token_is_said_to_be_wrong_and_the_wish_is_kept(stranger) -> None:
    page = stranger.page
    page.goto(PAGE)
    sign_in(stranger, "not-the-token-at-all")
    page.locator("#wrong").wait_for()
    sign_in(stranger, TOKEN)
    page.wait_for_selector(".chart canvas")
    assert stranger.query() == {"stream": NEWS, "last": "15m"}


def test_a_reader_whose_session_is_over_is_asked_again(stranger) -> None:
    stranger.page.goto("/?sort=name")
    sign_in(stranger, TOKEN)
    stranger.page.get_by_role("link", name=NEWS).wait_for()
    stranger.context.clear_cookies()
    stranger.page.get_by_label("Token").wait_for()  # the next time that the list is asked for
    assert stranger.page.locator("#next").get_attribute("value") == "/?sort=name"


def test_the_form_leads_to_no_other_site(stranger) -> None:
    for elsewhere in ("//example.org/", "https://example.org/", "/\\example.org"):
        stranger.page.goto(f"/login?next={elsewhere}")
        assert stranger.page.locator("#next").get_attribute("value") == "/"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, guarded_stage, scheme) -> None:
    with visiting(browser, guarded_stage, color_scheme=scheme, viewport={"width": 360, "height": 640}) as visit:
        visit.page.goto("/login?wrong=1")
        visit.page.locator("#wrong").wait_for()
        assert visit.barriers() == []
        assert not visit.is_too_wide()
