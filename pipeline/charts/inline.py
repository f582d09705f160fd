"""Puts the charts into a page that must work as one file: modules cannot be loaded from there, so they become a script.

Every module becomes a function that is called once, in the order of the imports, and returns what it exports.
"""

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
LIBRARY = STATIC / "vendor" / "uplot-1.6.32"
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z_]+)\.js";$', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.M)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.M)
_ENDS_SCRIPT = re.compile(r"</script|<!--", re.I)


def style() -> str:
    """Return the style sheets of the charts; their colours are variables of the page."""
    return _text(LIBRARY / "uPlot.min.css") + _text(STATIC / "charts.css")


def library() -> str:
    """Return uPlot as a script: `uPlot` for the screen, `uPlotAt(ratio)` for paper, which wants more pixels.

    The library takes the ratio of pixels of the whole browser, so the browser's is covered by a variable of that name.
    """
    text = _text(LIBRARY / "uPlot.iife.min.js")
    script = f"window.uPlotAt = (devicePixelRatio) => {{\n{text}\nreturn uPlot;\n}};\n"
    return _checked(script + "window.uPlot = window.uPlotAt(window.devicePixelRatio);\n", "the library")


def script(entry: Path) -> str:
    """Return a module, and all that it imports of the charts, as one script.

    Raises:
        ValueError: A module imports or exports in a way that cannot be put into one script, or imports itself.
    """
    done: dict[str, str] = {}
    last = _as_function(entry, done, ())
    functions = "\n".join(done.values())
    return _checked(f'(() => {{\n"use strict";\n{functions}\n{last}\n}})();\n', entry.name)


def _as_function(path: Path, done: dict[str, str], above: tuple[str, ...]) -> str:
    """Return one module as a function; those it imports come before it, in `done`."""
    if path.stem in above:
        raise ValueError(f"{path.name}: imports itself by way of {', '.join(above)}; take the common part out of both")
    text = _text(path)
    for _, name in _IMPORT.findall(text):
        if name not in done:
            done[name] = _as_function(STATIC / f"{name}.js", done, (*above, path.stem))
    exported = _EXPORT.findall(text)
    body = _EXPORT.sub("", _IMPORT.sub(_bound, text))
    if left := _LEFT_OVER.search(body):
        raise ValueError(
            f"{path.name}: {left[0]!r} cannot be put into one script; import by name from a file beside it "
            "('import { a } from \"./b.js\";'), and export functions, classes and constants where they are made"
        )
    return f"const ${path.stem} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();"


def _bound(statement: re.Match[str]) -> str:
    names, module = statement.groups()
    return f"const {{{names.replace(' as ', ': ')}}} = ${module};"


def _checked(text: str, name: str) -> str:
    """Return a script that does not end before its end: a page has no way to quote one."""
    if found := _ENDS_SCRIPT.search(text):
        raise ValueError(f"{name}: {found[0]!r} would end its script in a page; write it in two parts")
    return text


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
