"""Shows a run in a terminal: a table per stream with quality over time, what was found, and what failed."""

from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.report.rendition import RenditionSummary, Severity
from pipeline.report.summary import StreamSummary, headline, overview
from pipeline.words import as_codec, as_size, as_time, printable
from schemas import DeadLetter, ModelIdentity, SamplerIdentity, quality_word

STYLES = {
    "excellent": "bright_green",
    "good": "green",
    "fair": "yellow",
    "poor": "red",
    "bad": "bold bright_red",
}
MARKS = {
    Severity.PROBLEM: Text("✗", "bold red"),
    Severity.ADVICE: Text("→", "yellow"),
    Severity.INFO: Text("·", "dim"),
}
LEVELS = "▁▂▃▄▅▆▇█"
BAR_CELLS = 6
SPARK_CELLS = (8, 48)
"""Fewest and most cells of a picture of quality over time."""
GAP = 2
"""Columns of space after each column of the table."""
RIGHT = frozenset({"Mbit/s", "Size", "p5"})
FULL_WIDTH = 96
"""Columns from which on the basis and the bar are shown."""
MOST_REJECTED = 20
FILE_WIDTH = 100


def console_for(stream: TextIO) -> Console:
    """Return a console that never fails on a character that its terminal lacks; colour only on a terminal."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    width = None if stream.isatty() else FILE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_run(console: Console, streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter] = ()) -> None:
    """Print everything that a person wants to see at the end of a run."""
    files = [stream for stream in streams if len(stream.renditions) == 1]
    together = files if len(files) > 1 else []  # a folder of files reads as one table, not as thirty
    for stream in streams:
        if stream not in together:
            console.print(Text(overview(stream), "bold"))
            _print_group(console, [stream])
    if together:
        console.print(Text(f"{len(together)} streams of one rendition", "bold"))
        _print_group(console, together)
    if rejected:
        _print_rejected(console, rejected)
    if len(streams) != 1 or rejected:
        console.print(Text(headline(streams, rejected), "bold"))
    for model, sampler in _identities(streams):
        console.print(Text(model_line(model, sampler), "dim"))


def rendition_table(summaries: Sequence[RenditionSummary], width: int) -> Table:
    """Return the table of some renditions for a terminal of `width` columns.

    Those of one stream share the time axis of their pictures; others have their own.
    """
    full = width >= FULL_WIDTH
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    headers = ["Mbit/s", "Size", "Codec", "Mean", "p5", "Worst frame", *(["Basis"] if full else [])]
    rows = [_cells(summary, full) for summary in summaries]
    taken = sum(max(len(header), *(row[index].cell_len for row in rows)) + GAP for index, header in enumerate(headers))
    least, most = SPARK_CELLS
    # Names give way first: the sentence above has them in full.
    longest = max(len("Rendition"), *(len(each.label) for each in summaries))
    names = min(longest, max(12, width - taken - GAP - least))
    cells = min(most, width - taken - GAP - names)
    drawn = cells >= least and any(len(each.segments) > 1 for each in summaries)
    table.add_column("Rendition", no_wrap=True, width=names)
    for header in headers:
        table.add_column(header, justify="right" if header in RIGHT else "left", no_wrap=True)
    if drawn:
        title = "Quality over time"
        table.add_column(title if cells >= len(title) else "Quality", no_wrap=True, width=cells)
    for summary, row in zip(summaries, rows, strict=True):
        name = Text(_shortened(summary.label, names), "bold")
        start, end = _span([each for each in summaries if each.stream_id == summary.stream_id])
        table.add_row(name, *row, *([sparkline(summary, start, end, cells)] if drawn else []))
    return table


def sparkline(summary: RenditionSummary, start_seconds: float, end_seconds: float, cells: int) -> Text:
    """Return quality over [start, end): a cell per equal part of the time, blank where nothing was scored."""
    text = Text()
    step = (end_seconds - start_seconds) / cells
    segments = summary.segments
    first = 0
    for cell in range(cells):
        left, right = start_seconds + cell * step, start_seconds + (cell + 1) * step
        while first < len(segments) - 1 and (segments[first].start_seconds + segments[first].duration_seconds <= left):
            first += 1
        # The worst of what falls into the cell: a short dip in a long programme must not be averaged away.
        scores: list[float] = []
        index = first
        while index < len(segments) and segments[index].start_seconds < right:
            each = segments[index]
            overlap = min(right, each.start_seconds + each.duration_seconds) - max(left, each.start_seconds)
            if overlap > min(step, each.duration_seconds) / 2 or (overlap > 0 and not scores):
                scores.append(each.score)
            index += 1
        if scores:
            score = min(scores)
            text.append(LEVELS[min(len(LEVELS) - 1, int(score / 100 * len(LEVELS)))], STYLES[quality_word(score)])
        else:
            text.append(" ")
    return text


def model_line(model: ModelIdentity, sampler: SamplerIdentity) -> str:
    """Return which model made the scores, and how far it can be trusted."""
    return (
        f"Model {printable(model.name)} @ {model.weights_hash[:12]}, {sampler.frames} frames a segment by "
        f"{printable(sampler.name)}. Accuracy: {printable(model.accuracy)}"
    )


def _cells(summary: RenditionSummary, full: bool) -> list[Text]:
    style = STYLES[summary.word]
    mean = Text(f"{summary.mean:3.0f} ", f"bold {style}")
    if full:
        mean.append(_bar(summary.mean), style)
        mean.append(" ")
    mean.append(summary.word, style)
    worst = Text(f"{summary.worst.score:.0f}", STYLES[quality_word(summary.worst.score)])
    if summary.duration_seconds:
        worst.append(f" at {as_time(summary.worst.time_seconds, summary.time_basis)}", "default")
    media = summary.media
    row = [
        Text("–" if summary.bitrate_bps is None else f"{summary.bitrate_bps / 1e6:.2f}"),
        Text(as_size(media.width_px, media.height_px)),
        Text(as_codec(media.codec)),
        mean,
        Text(f"{summary.fifth_percentile:.0f}", STYLES[quality_word(summary.fifth_percentile)]),
        worst,
    ]
    if full:
        row.append(Text(summary.basis, "dim"))
    return row


def _bar(score: float) -> str:
    whole, half = divmod(round(score / 100 * BAR_CELLS * 2), 2)
    return ("━" * whole + "╸" * half).ljust(BAR_CELLS)


def _span(summaries: Sequence[RenditionSummary]) -> tuple[float, float]:
    segments = [each for summary in summaries for each in summary.segments]
    start = min(each.start_seconds for each in segments)
    end = max(each.start_seconds + each.duration_seconds for each in segments)
    return start, max(end, start + 1e-3)  # a still lasts no time


def _print_group(console: Console, streams: Sequence[StreamSummary]) -> None:
    console.print(rendition_table([each for stream in streams for each in stream.renditions], console.width))
    console.print()
    notes = [note for stream in streams for note in stream.notes]
    for note in notes:
        _print_marked(console, MARKS[note.severity], note.text)
    if not notes:
        _print_marked(console, Text("✓", "green"), "No fault found.")
    console.print()


def _print_rejected(console: Console, rejected: Sequence[DeadLetter]) -> None:
    console.print(Text("Not scored", "bold"))
    for letter in rejected[:MOST_REJECTED]:
        _print_marked(console, MARKS[Severity.PROBLEM], rejected_line(letter))
    if len(rejected) > MOST_REJECTED:
        _print_marked(console, Text("…"), f"and {len(rejected) - MOST_REJECTED} more; --format json lists all.")
    console.print()


def _print_marked(console: Console, mark: Text, text: str) -> None:
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_row(mark, Text(text, overflow="fold"))
    console.print(Padding(line, (0, 0, 0, 1), expand=False))


def _shortened(name: str, cells: int) -> str:
    """Return the name in at most `cells` characters, cut in its middle: both ends of a path tell."""
    if len(name) <= cells:
        return name
    tail = (cells - 1) * 2 // 3
    return f"{name[: cells - 1 - tail]}…{name[-tail:]}"


def rejected_line(letter: DeadLetter) -> str:
    """Return where and why in one line, without naming the place twice."""
    message = printable(letter.message.replace("\n", " "))
    origin = printable(letter.origin)
    return message if message.startswith(origin) else f"{origin}: {message}"


def _identities(streams: Sequence[StreamSummary]) -> list[tuple[ModelIdentity, SamplerIdentity]]:
    """Return every pair once, in the order in which they appear."""
    found: dict[tuple[str, str, str, int], tuple[ModelIdentity, SamplerIdentity]] = {}
    for stream in streams:
        model, sampler = stream.model, stream.sampler
        found.setdefault((model.name, model.weights_hash, sampler.name, sampler.frames), (model, sampler))
    return list(found.values())
