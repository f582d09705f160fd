"""The page on a stage of its own: a real Redis, `rungwatch serve` in a process, and Chromium in front of it."""

import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from axe_playwright_python.sync_playwright import Axe
from command_line import Commands
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Response, expect
from pydantic import SecretStr
from services.ports import free_port
from services.redis_server import RedisServer

from pipeline.series import Link, PictureStore, SeriesStore, connect
from pipeline.settings import RedisSettings

START_SECONDS = 120.0
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
PATIENCE_MS = 30_000
"""For what comes over Redis, the server and the browser, on a machine that does other things too."""
expect.set_options(timeout=PATIENCE_MS)


def chromium(playwright: Playwright) -> Browser:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.fail("no Chromium is installed: apt-get install chromium, or run make setup")
    return playwright.chromium.launch(executable_path=found, args=ARGUMENTS, timeout=1000 * START_SECONDS)


class Stage:
    """One Redis and one server; both can be stopped and started again at the same address."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._environment = environment
        self._stack = ExitStack()
        self._serving = ExitStack()
        self.port = free_port()

    def __enter__(self) -> Self:
        self.redis = self._stack.enter_context(RedisServer(folder=self._folder / "redis"))
        self.settings = RedisSettings(url=SecretStr(self.redis.url))
        self.link: Link = connect(self.settings)
        self._stack.callback(self.link.close)
        self.store = SeriesStore(self.link, self.settings)
        self.pictures = PictureStore(self.link, self.settings)
        self.serve()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_serving()
        self._stack.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self) -> None:
        """Return when it answers."""
        commands = Commands(
            self._folder,
            RUNGWATCH_REDIS_URL=self.redis.url,
            RUNGWATCH_API_REQUESTS_PER_SECOND="500",  # all tests come from one address
            RUNGWATCH_API_REQUESTS_AT_ONCE="2000",
            **self._environment,
        )
        self._serving.enter_context(commands.running("serve", "--port", str(self.port)))
        wait(self._answers, "rungwatch serve does not answer")

    def stop_serving(self) -> None:
        self._serving.close()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Visit:
    """One reader: a page with everything that it complained about."""

    def __init__(self, browser: Browser, stage: Stage, **context: Any) -> None:
        settings = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "Europe/Berlin", **context}
        self.context: BrowserContext = browser.new_context(base_url=stage.url, **settings)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.answers: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda response: self.answers.append(response.url))

    def open(self, address: str) -> Response | None:
        """Return when a chart, or the list, is drawn."""
        answer = self.page.goto(address)
        self.page.wait_for_function("() => performance.getEntriesByName('rungwatch:drawn').length > 0")
        return answer

    def query(self) -> dict[str, str]:
        """What stands in the address bar."""
        found: dict[str, str] = self.page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")
        return found

    def settled(self) -> None:
        """Wait until all points of the range are drawn, not only the first look."""
        self.page.wait_for_selector(".trouble-panel table, .trouble-panel .empty")

    def listening(self) -> None:
        """Wait until the page hears of what is written: points of before it were answered, or are missed."""
        until = time.monotonic() + START_SECONDS
        while not any("/api/v1/events" in each for each in self.answers):
            assert time.monotonic() < until, "the page does not listen"
            self.page.wait_for_timeout(20)

    def over(self) -> dict[str, float]:
        """Where the plot itself lies, in CSS pixels."""
        box = self.page.locator(".chart .u-over").bounding_box()
        assert box is not None
        return dict(box)

    def drag(self, first: float, last: float) -> None:
        """Draw the mouse over the chart between two parts of its width."""
        box = self.over()
        middle = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + box["width"] * first, middle)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] * last, middle, steps=5)
        self.page.mouse.up()

    def point_at(self, part: float) -> None:
        box = self.over()
        self.page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2, steps=2)

    def barriers(self) -> list[str]:
        """What axe finds that is serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {node['html'][:160]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]

    def is_too_wide(self) -> bool:
        """Whether a reader must scroll sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@contextmanager
def visiting(browser: Browser, stage: Stage, **context: Any) -> Iterator[Visit]:
    visit = Visit(browser, stage, **context)
    try:
        yield visit
    finally:
        visit.context.close()


def wait(condition: Callable[[], bool], complaint: str, seconds: float = START_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, complaint
        time.sleep(0.1)
