"""Takes the pictures of the page that the documentation shows; with RUNGWATCH_TAKE_PICTURES=1 they go to docs/."""

import os
from pathlib import Path

import pytest
from page_scene import FROZEN, NEWS
from page_stage import Visit, visiting

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def album(tmp_path: Path) -> Path:
    return DOCS if os.environ.get("RUNGWATCH_TAKE_PICTURES") == "1" else tmp_path


def show_stream(visit: Visit) -> None:
    visit.open(f"/?stream={NEWS}")
    visit.settled()
    visit.page.locator(".frames img").first.wait_for()
    # What is to be seen has come; what lies below is asked for when it is scrolled to.
    visit.page.wait_for_function(
        "() => [...document.images].every((each) => each.complete || each.getBoundingClientRect().top > innerHeight)"
    )


def taken(path: Path) -> bool:
    return path.stat().st_size > 10_000


def test_the_fleet_is_pictured(browser, full_stage, album) -> None:
    with visiting(browser, full_stage, viewport={"width": 1440, "height": 900}) as visit:
        visit.open("/")
        visit.page.screenshot(path=album / "page-fleet.png")
        assert taken(album / "page-fleet.png")


def test_a_stream_is_pictured_with_what_a_reader_points_at(browser, full_stage, album) -> None:
    with visiting(browser, full_stage, viewport={"width": 1440, "height": 1720}) as visit:
        show_stream(visit)
        newest = visit.page.request.get(f"/api/v1/ladder?stream={NEWS}").json()["rungs"][0]["age_seconds"]
        visit.point_at(1 - (newest + sum(FROZEN[1:]) / 2) / 3600)
        visit.page.screenshot(path=album / "page-stream.png")
        assert taken(album / "page-stream.png")


def test_the_dark_page_is_pictured(browser, full_stage, album) -> None:
    with visiting(browser, full_stage, viewport={"width": 1440, "height": 900}, color_scheme="dark") as visit:
        show_stream(visit)
        visit.page.screenshot(path=album / "page-dark.png")
        assert taken(album / "page-dark.png")


def test_a_phone_is_pictured(browser, full_stage, album) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}
    with visiting(browser, full_stage, **phone) as visit:
        show_stream(visit)
        visit.page.screenshot(path=album / "page-phone.png")
        assert taken(album / "page-phone.png")
