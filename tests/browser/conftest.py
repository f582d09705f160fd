"""What the page's tests share: a stage that is full and only read, and a browser in front of it."""

import time
from collections.abc import Iterator

import page_scene
import pytest
from page_stage import Stage, Visit, chromium, visiting
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Of a module: two Playwrights in one thread do not bear each other, and other tests have their own.
    with sync_playwright() as playwright:
        launched = chromium(playwright)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def full_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A live ladder with everything that happens, a title, many streams. Of a module: what is live grows old."""
    with Stage(tmp_path_factory.mktemp("page")) as stage:
        now = time.time()
        page_scene.fill(stage.store, stage.pictures, now)
        hostile = page_scene.live_points(
            now, 60, stream=page_scene.HOSTILE, ladder={page_scene.HOSTILE: (900_000, 75.0)}
        )
        stage.store.write(list(hostile))
        yield stage


@pytest.fixture
def visit(browser: Browser, full_stage: Stage) -> Iterator[Visit]:
    with visiting(browser, full_stage) as visit:
        yield visit
