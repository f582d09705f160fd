"""Series in a terminal: a row for every rendition, with its quality over time in small."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.history import SeriesPoint, StreamEntry, worst
from pipeline.report.table import LEVELS, STYLES, console_for
from pipeline.words import WALL_CLOCK, as_duration, as_time, count, listed, printable
from schemas import ManifestFinding, QualityPoint, Severity, TimeBasis, quality_word
from workers.cli.series_lines import Answer, Line

SPARK_CELLS = (8, 48)
"""Fewest and most cells of quality over time."""
GAP = 2
"""Columns of space after each column of the table."""
NAME_WIDTH = 24
FINDING_STYLES = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
DAY_SECONDS = 86_400


def print_lines(found: Answer, stream: TextIO) -> None:
    console = console_for(stream)
    for each in renderables(found, console.width):
        console.print(each)


def renderables(found: Answer, width: int) -> Iterator[Text | Table]:
    """Yield what shows an answer with something in it on a terminal of `width` columns, from the headline down."""
    yield Text(_headline(found), "bold")
    names = min(NAME_WIDTH, max(len("Rendition"), *(len(line.name) for line in found.lines)))
    headers = ("Points>", "Mean", "Worst", "Last", "Mbit/s>")
    rows = [_cells(line, found.time_basis) for line in found.lines]
    taken = sum(
        max(len(header.rstrip(">")), *(row[index].cell_len for row in rows)) + GAP
        for index, header in enumerate(headers)
    )
    least, most = SPARK_CELLS
    cells = max(least, min(most, width - taken - names - 2 * GAP))
    title = "Quality over time" if cells >= len("Quality over time") else "Quality"
    rows_of = table("Rendition", *headers, title)
    # A part of an hour may be shown by its roll-up, which begins before the range: what is drawn begins there too.
    first = min(point.start_seconds for line in found.lines for point in line.points)
    past = max(_past(point) for line in found.lines for point in line.points)
    for line, row in zip(found.lines, rows, strict=True):
        rows_of.add_row(Text(_shortened(line.name, names), "bold"), *row, sparkline(line.points, first, past, cells))
    yield rows_of
    for line in found.lines:
        for text in _seen(line):
            yield Text(f"{line.name}: {text}")
    for text in _notes(found):
        yield Text(text, "dim")


def print_streams(found: Sequence[StreamEntry], renditions: Sequence[Sequence[str]], stream: TextIO) -> None:
    console = console_for(stream)
    rows = table("Stream", "Written", "Renditions, best first")
    for entry, names in zip(found, renditions, strict=True):
        rows.add_row(
            Text(printable(entry.stream_id), "bold"),
            f"{_age(entry.written_seconds)} ago",
            Text(", ".join(printable(name) for name in names) or "–"),
        )
    console.print(rows)


def print_latest(found: Sequence[QualityPoint], stream: TextIO) -> None:
    console = console_for(stream)
    starts = "Starts (UTC)" if any(point.time_basis in WALL_CLOCK for point in found) else "Starts"
    rows = table("Rendition", "Score", "90 %", "Segment>", starts, "Basis", "Seen", "Model")
    for point in found:
        rows.add_row(
            Text(printable(point.rendition_id), "bold"),
            _scored(point.score, with_word=True),
            f"{point.low:.0f}–{point.high:.0f}",
            f"{point.segment_number}",
            _when(point),
            point.basis.value,
            ", ".join(kind.value.replace("_", " ") for kind in point.findings) or "–",
            Text(f"{printable(point.model_name)} @ {point.weights_hash[:12]}"),
        )
    console.print(rows)


def print_findings(found: Sequence[ManifestFinding], stream: TextIO) -> None:
    console = console_for(stream)
    for each in found:
        lasted = "still" if each.over_at is None else as_duration(round((each.over_at - each.found_at).total_seconds()))
        line = Text(f"{each.found_at:%Y-%m-%d %H:%M:%S} UTC  ")
        line.append(f"{each.kind.value.replace('_', ' ')} ({lasted})", FINDING_STYLES[each.severity])
        line.append(f"  {printable(f'{each.rendition_id}: ' if each.rendition_id else '')}{printable(each.text)}")
        console.print(line, soft_wrap=True)


def sparkline(points: Sequence[SeriesPoint], first_seconds: float, past_seconds: float, cells: int) -> Text:
    """Return the least score of every cell of [first, past), blank where nothing was scored."""
    step = max(1e-3, past_seconds - first_seconds) / cells
    least: dict[int, float] = {}
    for point in points:
        begin = int((point.start_seconds - first_seconds) / step)
        end = max(begin + 1, round((_past(point) - first_seconds) / step))
        # A dip stands where it is; what surrounds it in its hour has the mean.
        dip = int((point.least_seconds - first_seconds) / step)
        for cell in range(max(0, begin), min(cells, end)):
            score = point.least_score if cell == dip or end == begin + 1 else point.score
            least[cell] = min(score, least.get(cell, 100.0))
    text = Text(no_wrap=True)
    for cell in range(cells):
        if cell in least:
            level = min(len(LEVELS) - 1, int(least[cell] / 100 * len(LEVELS)))
            text.append(LEVELS[level], STYLES[quality_word(least[cell])])
        else:
            text.append(" ")
    return text


def _cells(line: Line, basis: TimeBasis) -> list[Text]:
    return [
        Text(f"{sum(point.count for point in line.points)}"),
        _scored(_mean(line.points), with_word=True),
        _worst(line, basis),
        _last(line.entry.latest),
        Text(_bitrate(line.points)),
    ]


def _headline(found: Answer) -> str:
    kinds = Counter(point.resolution.value for line in found.lines for point in line.points)
    of = {"raw": "segment", "minute": "minute", "hour": "hour"}
    shown = listed([count(number, of[kind]) for kind, number in kinds.items()])
    return f"{printable(found.stream_id)}: {count(len(found.lines), 'rendition')} {_range(found)}, {shown} shown"


def _range(found: Answer) -> str:
    start, end = found.start_seconds, found.end_seconds
    if not found.is_clock:
        return f"from {as_time(start)} to {as_time(end)}"
    try:
        begin, past = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    except (OverflowError, ValueError, OSError):
        return f"from {start:g} to {end:g} s"
    same_day = begin.date() == past.date()
    return f"from {begin:%Y-%m-%d %H:%M:%S} to {past:{'%H:%M:%S' if same_day else '%Y-%m-%d %H:%M:%S'}} UTC"


def _mean(points: Sequence[SeriesPoint]) -> float:
    weights = [max(0.001, point.duration_seconds) for point in points]
    return sum(point.score * weight for point, weight in zip(points, weights, strict=True)) / sum(weights)


def _scored(score: float, *, with_word: bool = False) -> Text:
    word = quality_word(score)
    return Text(f"{score:3.0f} {word}" if with_word else f"{score:.0f}", STYLES[word])


def _worst(line: Line, basis: TimeBasis) -> Text:
    [point] = worst(line.points, 1)
    text = _scored(point.least_score)
    return text.append(f" at {_moment(point.least_seconds, basis)}", "default")


def _last(point: QualityPoint) -> Text:
    text = _scored(point.score)
    if point.time_basis in WALL_CLOCK:
        return text.append(f", {_age(point.start_seconds + point.duration_seconds)} ago", "default")
    return text.append(f" at {as_time(point.start_seconds)}", "default")


def _when(point: QualityPoint) -> str:
    if point.time_basis in WALL_CLOCK:
        return f"{_moment(point.start_seconds, point.time_basis)}, {_age(point.start_seconds)} ago"
    return as_time(point.start_seconds)


def _moment(seconds: float, basis: TimeBasis) -> str:
    if basis not in WALL_CLOCK:
        return as_time(seconds)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"
    near = abs(time.time() - seconds) < DAY_SECONDS / 2
    return f"{moment:%H:%M:%S}" if near else f"{moment:%Y-%m-%d %H:%M:%S}"


def _age(seconds: float) -> str:
    age = max(0.0, time.time() - seconds)
    if age < 3600:
        return as_duration(round(age))
    return f"{age / 3600:.0f} h" if age < 2 * DAY_SECONDS else f"{age / DAY_SECONDS:.0f} days"


def _bitrate(points: Sequence[SeriesPoint]) -> str:
    known = [point for point in points if point.bitrate_bps is not None]
    weights = [max(0.001, point.duration_seconds) for point in known]
    if not known:
        return "–"
    return f"{sum((p.bitrate_bps or 0) * w for p, w in zip(known, weights, strict=True)) / sum(weights) / 1e6:.2f}"


def _seen(line: Line) -> list[str]:
    kinds: Counter[str] = Counter()
    for point in line.points:
        for kind, number in point.findings:
            kinds[kind.value.replace("_", " ")] += number
    sentences = []
    if kinds:
        sentences.append(listed([f"{kind} in {count(number, 'segment')}" for kind, number in kinds.most_common()]))
    if line.skipped:
        late = max(each.late_seconds for each in line.skipped)
        sentences.append(f"{count(len(line.skipped), 'segment')} skipped, up to {as_duration(round(late))} too late")
    return sentences


def _notes(found: Answer) -> list[str]:
    models: dict[str, list[str]] = {}
    for line in found.lines:
        models.setdefault(line.model, []).append(line.name)
    if len(models) == 1:
        return [f"Scores of {next(iter(models))}."]
    return [
        "Renditions below have scores of different models, displays or samplers: do not compare them.",
        *(f"{listed(names)}: {model}." for model, names in models.items()),
    ]


def _past(point: SeriesPoint) -> float:
    length = {"minute": 60.0, "hour": 3600.0}.get(point.resolution.value, point.duration_seconds)
    return point.start_seconds + length


def table(*headers: str) -> Table:
    """Return a table without rows; the columns of headers that end in ``>`` are aligned to the right."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for header in headers:
        made.add_column(header.rstrip(">"), justify="right" if header.endswith(">") else "left", no_wrap=True)
    return made


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"
