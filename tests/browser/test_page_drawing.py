"""What the chart draws, read back from its pixels, and the series behind it: gaps, ads, skipped segments, findings."""

from datetime import UTC, datetime
from itertools import pairwise

import page_scene
import pytest
from canvas_pixels import COLUMN
from page_scene import NEWS


class Drawn:
    """The chart of a fixed range."""

    def __init__(self, visit, first_before: float, last_before: float, more: str = "") -> None:
        now = scene_now(visit)
        self._visit, self._now = visit, now
        self._from, self._to = now - first_before, now - last_before
        visit.open(f"/?stream={NEWS}&from={_time(self._from)}&to={_time(self._to)}{more}")
        visit.settled()
        visit.page.wait_for_timeout(200)

    def column(self, before: float, first: float = 0.0, last: float = 1.0) -> list[list[int]]:
        part = (self._now - before - self._from) / (self._to - self._from)
        found: list[list[int]] = self._visit.page.locator(".chart").first.evaluate(COLUMN, [part, first, last])
        return found

    def coloured(self, before: float, **part: float) -> int:
        """How many pixels of a column have a colour, as lines do and grid and hatching do not."""
        return sum(alpha > 128 and max(rgb) - min(rgb) > 60 for *rgb, alpha in self.column(before, **part))

    def red(self, before: float, **part: float) -> int:
        return sum(
            alpha > 128 and red > 130 and green < 110 and blue < 110 and red - green > 80
            for red, green, blue, alpha in self.column(before, **part)
        )

    def grey(self, before: float, **part: float) -> int:
        """How many pixels of a column are shaded."""
        return sum(alpha > 10 and max(rgb) - min(rgb) < 30 for *rgb, alpha in self.column(before, **part))


def scene_now(visit) -> float:
    """When the scene was made: its newest point ends within two seconds of it."""
    ladder = visit.page.request.get(f"/api/v1/ladder?stream={NEWS}").json()
    return float(max(rung["start_seconds"] + rung["duration_seconds"] for rung in ladder["rungs"]))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_line_breaks_where_segments_are_missing(visit) -> None:
    drawn = Drawn(visit, 1500, 1100)
    middle = sum(page_scene.MISSING) / 2
    assert drawn.coloured(middle) == 0
    assert drawn.coloured(page_scene.MISSING[0] + 40) > 6
    assert drawn.coloured(page_scene.MISSING[1] - 40) > 6


def test_ads_are_shaded_and_what_is_around_them_is_not(visit) -> None:
    drawn = Drawn(visit, 2600, 2100)
    middle = sum(page_scene.AD) / 2
    # At one of these places a line of the grid may stand, as it does at full minutes.
    outside = min(drawn.grey(page_scene.AD[0] + away, first=0.7, last=0.95) for away in (50, 57, 64))
    assert drawn.grey(middle, first=0.7, last=0.95) > 3 * outside


def test_a_rung_that_stands_still_is_red(visit) -> None:
    drawn = Drawn(visit, 950, 700)
    middle = sum(page_scene.FROZEN[1:]) / 2
    assert drawn.red(middle, first=0.6, last=0.9) >= 2
    assert drawn.red(page_scene.FROZEN[1] + 30, first=0.6, last=0.9) == 0


def test_skipped_segments_are_marked_at_the_foot(visit) -> None:
    drawn = Drawn(visit, 460, 360)
    middle = sum(page_scene.SKIPPED[1:]) / 2
    assert drawn.column(middle, first=0.985, last=0.999) != drawn.column(middle + 30, first=0.985, last=0.999)
    visit.page.mouse.move(0, 0)
    visit.point_at((460 - middle) / 100)
    assert "skipped, too late to score: 240p" in visit.page.locator(".readout").text_content()


def test_a_readout_tells_ads_findings_and_incidents(visit) -> None:
    Drawn(visit, 950, 700)
    visit.point_at((950 - sum(page_scene.FROZEN[1:]) / 2) / 250)
    told = visit.page.locator(".readout").text_content()
    assert "720p: frozen" in told
    assert "stands still" in told
    Drawn(visit, 2600, 2100)
    visit.point_at((2600 - sum(page_scene.AD) / 2) / 500)
    assert "ad" in visit.page.locator(".readout .note").all_text_contents()


def test_rungs_have_colours_of_their_own_and_none_is_red(visit) -> None:
    visit.open(f"/?stream={NEWS}")
    for dark in (False, True):
        colours = visit.page.evaluate(
            "async (dark) => { document.documentElement.dataset.theme = dark ? 'dark' : 'light';"
            "const { ramp } = await import('/static/ramp.js');"
            "return ramp(6).map((each) => each.match(/\\d+/g).map(Number)); }",
            dark,
        )
        lightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in colours]
        assert len({tuple(each) for each in colours}) == 6
        # In grey, too, the best and the worst rung are far apart and neighbours never change places by much.
        assert lightness[-1] - lightness[0] > 40
        assert all(later > earlier - 12 for earlier, later in pairwise(lightness))
        assert not any(red > 1.6 * green and red > 1.6 * blue for red, green, blue in colours)


SERIES = """async () => {
  const { Series } = await import("/static/series.js");
  const scores = ["score", "low", "high", "least", "greatest"];
  const line = (start, duration) => ({
    rendition_id: "720p", model: "nano", display_height_px: 1080, start, duration,
    ...Object.fromEntries(scores.map((name) => [name, start.map((seconds) => 50 + seconds)])),
    bitrate_bps: start.map(() => 1000), findings: [[1, ["frozen"]]], ads: [[0, 2], [2, 4]], skipped: [],
  });
  const series = (start, more = {}) => new Series(
    { live: false, resolution: "raw", step_seconds: 2, thinned: false, start_seconds: 0, end_seconds: 100, ...more,
      renditions: [line(start, start.map(() => 2))] }, ["720p"]);
  const rung = (...given) => series(...given).rungs[0];
  const point = (start) => ({
    rendition_id: "720p", start_seconds: start, duration_seconds: 2, score: 7, low: 6, high: 8,
    bitrate_bps: null, findings: [], label: "program" });
  %s
}"""
GAPS = "const r = rung([0, 2.9, 6]); return [1, 2].map((index) => Series.breaks(r, index));"
INSTANTS = "const r = rung([0, 2, 10]); return [0, 3.9, 4.5, 9.9, 11].map((seconds) => Series.at(r, seconds));"
MINUTES = "return rung([0, 60], { resolution: 'minute', step_seconds: 60 }).end;"
ADS = "return rung([0, 2]).ads;"
FINDINGS = "return rung([0, 2]).found;"
ADDED = """const s = series([0, 4]);
  [6, 2, 2].forEach((start) => s.add(point(start)));
  return [s.rungs[0].start, s.rungs[0].score];"""
UNKNOWN = "return series([0]).add({ ...point(2), rendition_id: 'new' });"
NEIGHBOURS = "const s = series([0, 2, 4, 6]); return [s.neighbour(4, -1), s.neighbour(4, 1), s.neighbour(0, 10)];"
TOLD = """const r = rung([0, 2, 4]), told = Series.told(r, 2, 6);
  return [told.mean, told.least, told.leastSeconds, Series.told(r, 50, 60)];"""
TRIMMED = """const s = series(Array.from({ length: 100 }, (_, index) => 2 * index));
  s.trim(150);
  const r = s.rungs[0];
  return [r.start[0], r.start.length, r.score.length, r.found.length];"""


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        pytest.param(GAPS, [False, True], id="2.9 s apart is no gap of 2 s segments, 3.1 s is"),
        pytest.param(INSTANTS, [0, 1, -1, -1, 2], id="in a gap nothing holds"),
        pytest.param(MINUTES, [60, 100], id="a minute holds until it, or the range, is over"),
        pytest.param(ADS, [[0, 4]], id="ads that touch are one"),
        pytest.param(FINDINGS, [None, ["frozen"]], id="findings stand at their segment"),
        pytest.param(ADDED, [[0, 2, 4, 6], [50, 7, 54, 7]], id="points come late and twice"),
        pytest.param(UNKNOWN, False, id="a rung that is not there takes nothing"),
        pytest.param(NEIGHBOURS, [2, 6, 6], id="steps end at the last segment"),
        pytest.param(TOLD, [53, 52, 2, None], id="mean and least of a part"),
        pytest.param(TRIMMED, [150, 25, 25, 25], id="what left the window is forgotten"),
    ],
)
def test_a_series_keeps_its_order_its_gaps_and_its_place(visit, script, answer) -> None:
    visit.page.goto("/login")
    assert visit.page.evaluate(SERIES % script) == answer


@pytest.mark.parametrize(
    ("search", "back"),
    [
        ("?stream=a%26b&last=6h", "/?stream=a%26b&last=6h"),
        ("?stream=a&from=2026-03-01T20:00:00Z&to=2026-03-01T21:00:00Z&hide=x&hide=y&scale=fit",
         "/?stream=a&from=2026-03-01T20%3A00%3A00.000Z&to=2026-03-01T21%3A00%3A00.000Z&hide=x&hide=y&scale=fit"),
        ("?stream=a&from=9&to=3", "/?stream=a"),  # turned round: no range
        ("?stream=a&last=for+ever", "/?stream=a"),
        ("?search=x&sort=name", "/?search=x&sort=name"),
        ("", "/"),
    ],
)  # fmt: skip
def test_an_address_says_the_view_and_the_view_says_the_address(visit, search, back) -> None:
    visit.page.goto("/login")
    script = "async (search) => { const view = await import('/static/view.js');"
    script += " return view.href(view.parsed(search), true); }"
    assert visit.page.evaluate(script, search) == back


def test_a_score_never_rounds_into_a_better_word(visit) -> None:
    visit.page.goto("/login")
    script = """async (scores) => {
      const { score, word } = await import("/static/format.js");
      return scores.map((value) => `${score(value)} ${word(value)}`);
    }"""
    assert visit.page.evaluate(script, [79.6, 80, 59.9, 20.2, 0.4]) == [
        "79 good",
        "80 excellent",
        "59 fair",
        "20 poor",
        "0 bad",
    ]
