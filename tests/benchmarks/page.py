"""The page in headless Chromium over a real server and a real Redis: prints value, goal, and whether it is met.

    first paint   of a stream's page, and until its chart is drawn, the browser and its cache fresh each time
    update        script that a live instant costs: six rungs with 1,800 points each, tables and drawing included
    fleet         a list of 1,000 streams, all rows of it shown
    weight        what the page is made of, as it travels

Run: PYTHONPATH=tests:tests/benchmarks python tests/benchmarks/page.py [--times 10]

Redis, server and browser share this machine: say what else ran.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import page_scene
from page_stage import Stage, Visit, chromium, visiting
from playwright.sync_api import Browser, sync_playwright
from service import Figure

PAGE = f"/?stream={page_scene.NEWS}"
STREAMS = 1000
INSTANTS = 15
ENTRIES = """() => {
  const first = (name) => performance.getEntriesByName(name)[0]?.startTime;
  const files = performance.getEntriesByType("resource").filter((each) => !each.name.includes("/api/"));
  const page = performance.getEntriesByType("navigation")[0];
  return {
    painted: first("first-contentful-paint"),
    drawn: first("rungwatch:drawn"),
    files: files.length + 1,
    bytes: files.reduce((sum, each) => sum + each.encodedBodySize, page.encodedBodySize),
    plain: files.reduce((sum, each) => sum + each.decodedBodySize, page.decodedBodySize),
    asked: performance.getEntriesByType("resource").filter((each) => each.name.includes("/api/"))
      .reduce((sum, each) => sum + each.encodedBodySize, 0),
  };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder)) as stage, sync_playwright() as playwright:
        page_scene.fill(stage.store, stage.pictures, time.time(), streams=STREAMS - 2)
        browser = chromium(playwright)
        figures = [*first_paint(browser, stage, times), *updates(browser, stage), *fleet(browser, stage, times)]
        browser.close()
    for figure in figures:
        print(figure.line())


def first_paint(browser: Browser, stage: Stage, times: int) -> list[Figure]:
    found = []
    for _ in range(times):
        with visiting(browser, stage) as visit:
            visit.open(PAGE)
            visit.settled()
            visit.page.locator(".frames img").first.wait_for()
            found.append(visit.page.evaluate(ENTRIES))
    last = found[-1]
    return [
        Figure(
            "stream: first contentful paint, median",
            statistics.median(each["painted"] for each in found),
            "ms",
            "<= 1000",
        ),
        Figure("stream: chart drawn, median", statistics.median(each["drawn"] for each in found), "ms", "<= 1000"),
        Figure("stream: chart drawn, worst", max(each["drawn"] for each in found), "ms"),
        Figure(f"weight: {last['files']} files, gzipped", last["bytes"] / 1000, "KB"),
        Figure("weight: the same, plain", last["plain"] / 1000, "KB"),
        Figure("weight: answers for an hour of six rungs and pictures", last["asked"] / 1000, "KB"),
    ]


def updates(browser: Browser, stage: Stage) -> list[Figure]:
    with visiting(browser, stage) as visit:
        visit.open(PAGE)
        visit.settled()
        for _ in range(INSTANTS):
            now = time.time()
            stage.store.write(list(page_scene.instant(now // 2 * 2, now)))
            time.sleep(2)
        took = visit.page.evaluate("performance.getEntriesByName('rungwatch:update').map((each) => each.duration)")
        return [
            Figure(f"update: median of {len(took)}", statistics.median(took), "ms", "<= 50"),
            Figure("update: worst", max(took), "ms", "<= 50"),
        ]


def fleet(browser: Browser, stage: Stage, times: int) -> list[Figure]:
    painted, listed = [], []
    for _ in range(times):
        with visiting(browser, stage) as visit:
            visit.open("/")
            painted.append(visit.page.evaluate(ENTRIES)["drawn"])
    with visiting(browser, stage) as visit:
        visit.open("/")
        begun = time.monotonic()
        _scroll_through(visit)
        listed.append((time.monotonic() - begun) * 1000)
    return [
        Figure(f"fleet: first rows of {STREAMS}, median", statistics.median(painted), "ms", "<= 1000"),
        Figure("fleet: until all rows were scrolled to", listed[0], "ms"),
    ]


def _scroll_through(visit: Visit) -> None:
    while visit.page.locator(".fleet tbody tr").count() < STREAMS:
        visit.page.mouse.wheel(0, 5000)
        visit.page.wait_for_timeout(50)


if __name__ == "__main__":
    main()
