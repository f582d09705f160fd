"""A report in a real browser with the network off, and what its chart shows: texts and pixels of the canvas."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path

from canvas_pixels import COLUMN
from playwright.sync_api import Browser, FloatRect, Locator, Page

RECORD_TEXTS = """
  window.texts = [];
  const fillText = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...more) {
    window.texts.push(text);
    return fillText.call(this, text, ...more);
  };
"""


class Opened:
    """A report with everything that it complained about or asked for."""

    def __init__(self, browser: Browser, path: Path, *, today: datetime | None = None, **context: object) -> None:
        """`today`: when it is read; of that day a time has no date."""
        self.context = browser.new_context(offline=True, **context)  # type: ignore[arg-type]
        if today is not None:
            self.context.clock.set_fixed_time(today)
        self.page: Page = self.context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(RECORD_TEXTS)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(".chart .u-over")
        self.page.wait_for_selector(".scatter .spot")
        self.settled()

    @property
    def chart(self) -> Locator:
        """The first of quality over time."""
        return self.page.locator("[data-chart=time]").first

    def settled(self) -> None:
        """Wait until what was asked for is on the canvas."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def over(self) -> FloatRect:
        """Where the plot is, scrolled to."""
        plot = self.chart.locator(".u-over")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box is not None
        return box

    def point_at(self, part: float) -> str:
        """Put the mouse at a part of the width, and return what the readout says."""
        box = self.over()
        self.page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2, steps=3)
        self.chart.locator(".readout").wait_for()
        return self.chart.locator(".readout").inner_text()

    def drag(self, first: float, last: float) -> None:
        box = self.over()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + box["width"] * first, y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] * last, y, steps=4)
        self.page.mouse.up()
        self.settled()

    def texts(self) -> list[str]:
        """What stands on the canvases."""
        found: list[str] = self.page.evaluate("window.texts")
        return found

    def forget_texts(self) -> None:
        self.page.evaluate("() => { window.texts = []; }")

    def runs(self, part: float, first: float = 0.0, last: float = 1.0) -> int:
        """How many lines or marks a column of the plot goes through: runs of pixels that have a colour."""
        pixels = self.chart.evaluate(COLUMN, [part, first, last])
        has_colour = [alpha > 128 and max(rgb) - min(rgb) > 60 for *rgb, alpha in pixels]
        return sum(not before and now for before, now in pairwise([False, *has_colour]))
