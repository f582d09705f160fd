"""Chart modules as one script for a page that is one file."""

import re
from pathlib import Path

import pytest

from pipeline.charts import inline


def _entry(folder: Path, text: str) -> Path:
    path = folder / "entry.js"
    path.write_text(text)
    return path


def test_modules_come_once_each_before_those_that_import_them(tmp_path: Path) -> None:
    text = inline.script(_entry(tmp_path, 'import { drawMarks } from "./marks.js";\nimport { h } from "./dom.js";\n'))
    assert re.findall(r"^const \$(\w+) =", text, re.M) == ["series", "lines", "marks", "dom", "entry"]


def test_names_can_be_changed_by_whom_they_are_imported(tmp_path: Path) -> None:
    text = inline.script(_entry(tmp_path, 'import { word as called, score } from "./format.js";\ncalled(81);\n'))
    assert "const { word: called, score } = $format;" in text
    assert re.search(r"^return { .*\bword, tone, score\b.* };$", text, re.M)
    assert not re.search(r"^(import|export)\b", text, re.M)


@pytest.mark.parametrize(
    "text",
    [
        'import * as format from "./format.js";',
        'import "./format.js";',
        "export default 1;",
        "export let changing = 1;",
        "const a = 1;\nexport { a };",
    ],
)
def test_what_cannot_be_put_into_one_script_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"entry\.js: .* cannot be put into one script"):
        inline.script(_entry(tmp_path, text + "\n"))


@pytest.mark.parametrize("text", ["</SCRIPT>", "<!--"])
def test_a_script_that_would_end_in_the_page_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="would end its script"):
        inline.script(_entry(tmp_path, f'console.log("{text}");\n'))


def test_the_library_has_the_pixels_that_it_is_told() -> None:
    text = inline.library()
    assert (inline.LIBRARY / "uPlot.iife.min.js").read_text() in text
    assert text.startswith("window.uPlotAt = (devicePixelRatio) =>")
