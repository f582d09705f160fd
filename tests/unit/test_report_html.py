"""The page as text: whole, offline, and safe from the names in it."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from score_factory import dead_letter, demo_scores, scored, series

from pipeline.report.chart_data import MOST_STEPS
from pipeline.report.page import render
from pipeline.report.summary import summarise
from schemas import Finding, FindingKind

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
JPEG = b"\xff\xd8\xff\xe0 not a whole picture"


def _page(scores, **more):
    return render(summarise(scores), settings={"version": "0.1.0"}, generated_at=NOW, **more)


def _data(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))


def _tags(page):
    parser = _Tags()
    parser.feed(page)
    return parser.found


def test_the_page_says_the_verdict_the_findings_and_how_it_was_measured() -> None:
    page = _page(demo_scores(), rejected=[dead_letter()])
    for text in (
        "2 of 4 renditions have problems: 540p and 360p.",
        "540p stands still from 6 s to 12 s while the others move",
        "films/song.mp3: only audio is in it",
        "0123456789abcdef",
        "SROCC 0.96 and 5.1 points of error",
        "frame_difference, 8 frames a segment",
        "1 March 2026, 12:30 UTC",
        "720 lines",
    ):
        assert text in page


def test_nothing_in_the_page_is_loaded_from_elsewhere() -> None:
    page = _page(demo_scores(), worst_frames={("demo", "360p"): JPEG})
    for tag, attributes in _tags(page):
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    assert "default-src 'none'" in page


def test_hostile_names_stay_text() -> None:
    name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    page = _page(
        [scored(80, 0, stream=name, rendition=name), scored(80, 0, stream="b", rendition='" onload="alert(3)')],
        rejected=[dead_letter(name, message=name)],
    )
    assert "<script>alert(1)" not in page
    assert "<img" not in page
    assert not [tag for tag, attributes in _tags(page) if any(each.startswith("on") for each in attributes)]
    assert _data(page)["streams"][0]["rungs"][0]["label"] == name


def test_the_worst_frames_are_in_the_page() -> None:
    page = _page(demo_scores(), worst_frames={("demo", "360p"): JPEG})
    (image,) = (attributes for tag, attributes in _tags(page) if tag == "img")
    assert image["src"].startswith("data:image/jpeg;base64,/9j/")
    assert image["alt"] == "Worst frame of 360p"


def test_a_page_of_nothing_scored_says_so() -> None:
    page = _page([], rejected=[dead_letter()])
    assert "Nothing could be scored." in page
    assert "only audio is in it" in page


def test_a_still_has_a_page() -> None:
    assert "80 of 100" in _page([scored(80, 0, seconds=0, bitrate_bps=None, stream="photo.png")])


def test_a_very_long_line_is_thinned_to_the_means_of_neighbours() -> None:
    line = _data(_page(series([90.0] * (MOST_STEPS * 3 + 1))))["streams"][0]["rungs"][0]["line"]
    assert {len(values) for name, values in line.items() if name not in ("findings", "gaps")} == {len(line["start"])}
    assert len(line["start"]) <= MOST_STEPS
    assert line["duration"][0] == 16.0
    assert line["start"][-1] + line["duration"][-1] == 4.0 * (MOST_STEPS * 3 + 1)
    assert line["gaps"] == []


def test_a_missing_segment_is_a_gap_even_where_steps_are_longer() -> None:
    whole = series([90.0] * (MOST_STEPS * 3))
    line = _data(_page([*whole[:700], *whole[701:]]))["streams"][0]["rungs"][0]["line"]
    (gap,) = line["gaps"]
    assert line["start"][gap] == 4.0 * 701
    assert line["start"][gap - 1] + line["duration"][gap - 1] == 4.0 * 700


def test_only_what_is_wrong_with_pictures_makes_a_line_red() -> None:
    finding = Finding(kind=FindingKind.INTERLACED, text="interlaced", start_seconds=None, duration_seconds=None)
    rungs = _data(_page([*demo_scores(), *series([80, 81], stream="b", findings=[finding])]))["streams"]
    by_label = {rung["label"]: rung["line"]["findings"] for rung in rungs[0]["rungs"]}
    assert by_label == {"720p": [], "540p": [[1, ["frozen"]], [2, ["frozen"]]], "360p": [], "216p": []}
    assert rungs[1]["rungs"][0]["line"]["findings"] == []


def test_a_page_weighs_less_than_200_kb_before_its_pictures() -> None:
    assert len(_page(demo_scores(), rejected=[dead_letter()]).encode()) < 200_000


def test_a_page_needs_no_plotly() -> None:
    script = (
        "import sys; sys.modules['plotly'] = None; sys.path.insert(0, sys.argv[1]); "
        "from datetime import UTC, datetime; from score_factory import demo_scores; "
        "from pipeline.report.page import render; from pipeline.report.summary import summarise; "
        "page = render(summarise(demo_scores()), settings={}, generated_at=datetime(2026, 3, 1, tzinfo=UTC)); "
        "assert 'uPlot' in page"
    )
    subprocess.run([sys.executable, "-c", script, str(Path(__file__).parents[1])], check=True, cwd=ROOT)


def test_colours_run_from_best_to_worst_without_repeating() -> None:
    scores = [each for n in range(12) for each in series([80], rendition=f"{n}", height_px=1200 - 90 * n)]
    colours = [rung["light"] for rung in _data(_page(scores))["streams"][0]["rungs"]]
    assert len(set(colours)) == 12
