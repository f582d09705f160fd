"""Times of incidents on the page: all on the clock that the reader chose, and the heading says which that is."""

import re

from page_scene import NEWS
from playwright.sync_api import expect


def test_an_incident_is_told_on_one_clock(visit) -> None:
    visit.open(f"/?stream={NEWS}")  # in Berlin
    visit.settled()
    row = visit.page.locator(".incidents tbody tr", has_text="frozen")
    heading = visit.page.locator(".incidents thead th").first
    expect(heading).to_have_text("When (local time)")
    local = row.locator(".when").text_content()
    assert f"from {local} to" in row.locator(".text").text_content()
    assert "UTC" not in row.locator(".text").text_content()
    visit.page.locator("#clock").click()
    expect(heading).to_have_text("When (UTC)")
    utc = row.locator(".when").text_content()
    assert utc != local
    # Soon after midnight the day stands before the time, in the column only.
    assert re.search(rf"from {utc[-8:]} UTC to \d\d:\d\d:\d\d UTC", row.locator(".text").text_content())


def test_a_late_answer_is_no_wrong_clock(visit) -> None:
    visit.open(f"/?stream={NEWS}")
    late, wrong = visit.page.evaluate(
        """async () => {
            const { now, serverSays } = await import("/static/format.js");
            const here = Date.now() / 1000, said = new Date(Date.now() - 8000).toUTCString();
            const ahead = (asked) => { serverSays(said, asked); return now() - Date.now() / 1000; };
            return [ahead(here - 9), ahead(here)];
        }"""
    )
    assert abs(late) < 0.1
    assert -10 < wrong < -7
