"""Series as pictures: characters in a terminal, and a PNG with a line and its 90 % interval for every rendition."""

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipeline.errors import UsageError
from pipeline.history import SeriesPoint
from pipeline.words import printable
from workers.cli.series_lines import Answer, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D00")
"""Of Okabe and Ito, told apart with any colour vision, dark ones first; yellow is replaced, as it fades on white."""
STYLES = ("-", "--", "-.", ":")
"""With more renditions than colours the next style begins."""
TERMINAL_COLOURS = ("blue+", "orange+", "cyan", "magenta+", "white", "red+", "green", "orange")
TERMINAL_MARKS = "o+x*#%@&"
"""Lines are told apart by these where there is no colour."""
MOST_COLUMNS = 120
FILE_COLUMNS = 100
ROWS = 22
GAP = 1.5
"""A line is broken where the next value starts later than so many usual distances."""
MOST_BANDS = 6
TICKS = 6
MEDIA_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
MOST_MEDIA_TICKS = 10


def runs(points: Sequence[SeriesPoint]) -> list[list[SeriesPoint]]:
    """Return the stretches without a gap: where something is missing, nothing may be drawn."""
    steps = [_length(point) for point in points]
    usual = sorted(steps)[len(steps) // 2] if steps else 0.0
    found: list[list[SeriesPoint]] = []
    for index, point in enumerate(points):
        previous = points[index - 1] if index else None
        reach = max(_length(previous), usual) * GAP if previous else 0.0
        if previous is None or point.start_seconds - previous.start_seconds > reach:
            found.append([])
        found[-1].append(point)
    return found


def png(found: Answer, path: Path) -> None:
    """Draw the picture. Raises UsageError where the file cannot be written."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(11, 5.2), dpi=150, layout="constrained")
    for place, line in enumerate(found.lines):
        _draw(axes, found, line, place)
    axes.set_ylim(0, 101)
    axes.set_xlim(_x(found, found.start_seconds), _x(found, found.end_seconds))  # type: ignore[arg-type]
    axes.set_ylabel("Quality (0–100, scale of VMAF)")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if found.is_clock:
        from matplotlib import dates  # noqa: PLC0415

        locator = dates.AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
        axes.set_xlabel("Time (UTC)")
    else:
        axes.xaxis.set_major_locator(_media_ticks(found.end_seconds - found.start_seconds))
        axes.xaxis.set_major_formatter(lambda value, _: _clock(value))
        axes.set_xlabel("Media time (h:mm:ss)")
    band = "the band is the 90 % interval" if len(found.lines) <= MOST_BANDS else ""
    models = {line.model for line in found.lines}
    of = next(iter(models)) if len(models) == 1 else "scores of different models, displays or samplers"
    figure.suptitle(f"Quality of {_safe(found.stream_id)}", x=0.01, ha="left", fontsize=13, fontweight="bold")
    axes.set_title(_safe("; ".join(part for part in (of, band) if part)), loc="left", fontsize=8.5, color="#555555")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, title="Rendition")
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise UsageError(f"--png {path}: {error.strerror}; name a file in a folder that can be written") from error
    finally:
        plt.close(figure)


def plot(found: Answer, stream: TextIO) -> None:
    """Draw into a terminal or a file; without colours where there are none."""
    import plotext  # noqa: PLC0415

    coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    columns = min(MOST_COLUMNS, shutil.get_terminal_size().columns) if stream.isatty() else FILE_COLUMNS
    figure = plotext.figure
    figure.clear()
    figure.plot_size(columns, ROWS)
    figure.theme("simple" if coloured else "colorless")
    least = min(point.score for line in found.lines for point in line.points)
    legend: list[str] = []
    for place, line in enumerate(found.lines):
        mark = TERMINAL_MARKS[place % len(TERMINAL_MARKS)]
        marker = plotext.marker("hd", TERMINAL_COLOURS[place % len(TERMINAL_COLOURS)]) if coloured else mark
        signal = figure.signal(
            [point.start_seconds for point in line.points], [point.score for point in line.points], marker=marker
        )
        signal.lines()
        begin = 0
        for run in runs(line.points):
            signal.line(begin, False)
            begin += len(run)
        figure.draw(signal)
        key = f"{'' if coloured else mark}{'━━' if coloured else ''} {line.name}"
        legend.append(
            plotext.colorize(key, TERMINAL_COLOURS[place % len(TERMINAL_COLOURS)]).string() if coloured else key
        )
    first = min(line.points[0].start_seconds for line in found.lines)
    past = max(line.points[-1].start_seconds for line in found.lines)
    past = past if past > first else first + 1
    bottom = max(0, int(least // 10) * 10 - 10)
    figure.ruler("y").lim(bottom, 100)
    marks = [score for score in range(0, 101, 10 if bottom >= 50 else 20) if score >= bottom]
    figure.ruler("y").ticks(marks, [str(score) for score in marks])
    figure.ruler("x").lim(first, past)
    at = [first + (past - first) * step / (TICKS - 1) for step in range(TICKS)]
    figure.ruler("x").ticks(at, [_tick(each, past - first, clock=found.is_clock) for each in at])
    figure.title(f"Quality of {printable(found.stream_id)} (0–100)")
    figure.label("Time (UTC)" if found.is_clock else "Media time", "x")
    text = figure.build().string()
    stream.write((text if coloured else plotext.uncolorize(text)).rstrip("\n") + "\n")
    stream.write("   " + "   ".join(legend) + "\n")
    figure.clear()


def _draw(axes: "Axes", found: Answer, line: Line, place: int) -> None:
    colour, style = COLOURS[place % len(COLOURS)], STYLES[place // len(COLOURS) % len(STYLES)]
    for number, run in enumerate(runs(line.points)):
        times = [_x(found, _middle(point)) for point in run]
        scores = [point.score for point in run]
        label = _safe(line.name) if not number else None
        # A value alone between two gaps is a dot: a line of one point cannot be seen.
        mark = "o" if len(run) == 1 else None
        axes.plot(times, scores, color=colour, linestyle=style, linewidth=1.4, marker=mark, markersize=3, label=label)  # type: ignore[arg-type]
        if len(found.lines) <= MOST_BANDS:
            lows, highs = [point.low for point in run], [point.high for point in run]
            axes.fill_between(times, lows, highs, color=colour, alpha=0.13, linewidth=0)  # type: ignore[arg-type]


def _media_ticks(length_seconds: float) -> "Locator":
    from matplotlib.ticker import MaxNLocator, MultipleLocator  # noqa: PLC0415

    for step in MEDIA_STEPS:
        if length_seconds / step <= MOST_MEDIA_TICKS:
            return MultipleLocator(step)
    return MaxNLocator(MOST_MEDIA_TICKS)


def _x(found: Answer, seconds: float) -> float | datetime:
    return datetime.fromtimestamp(seconds, UTC) if found.is_clock else seconds


def _middle(point: SeriesPoint) -> float:
    return point.start_seconds + _length(point) / 2


def _length(point: SeriesPoint) -> float:
    return {"minute": 60.0, "hour": 3600.0}.get(point.resolution.value, max(point.duration_seconds, 0.001))


def _clock(seconds: float) -> str:
    whole = round(abs(seconds))
    sign = "-" if seconds <= -0.5 else ""
    if whole >= 3600:
        return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{sign}{whole // 60}:{whole % 60:02d}"


def _tick(seconds: float, length_seconds: float, *, clock: bool) -> str:
    if not clock:
        return _clock(seconds)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%m-%d %H:%M}" if length_seconds > 86_400 else f"{moment:%H:%M:%S}"


def _safe(text: str) -> str:
    """Return the text without what matplotlib takes for mathematics."""
    return printable(text).replace("$", r"\$")
