"""`rungwatch score`: files, folders and playlists in, per-rendition quality over time out."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.options import ladder_options, model_options, sampler_options
from workers.cli.progress import Progress

if TYPE_CHECKING:
    from pipeline.report.summary import StreamSummary
    from workers.cli.session import ModelChoice, Options, Outcome

FORMATS = ("table", "json", "jsonl", "csv", "parquet")

EPILOG = """
\b
Examples:
  rungwatch score film.mp4                          one file, cut into segments of 6 s
  rungwatch score --ladder 1080p.mp4 720p.mp4       renditions of one content
  rungwatch score vod/master.m3u8 --report r.html   a playlist is a ladder by itself
  rungwatch score shots/ --format csv --out q.csv   every media file of a folder

\b
Exit codes:
  0  everything was scored
  2  the command was called wrongly
  3  some input failed; the rest is scored
  4  nothing could be scored
"""


@click.command(epilog=EPILOG)
@click.argument("inputs", nargs=-1, required=True, metavar="PATH_OR_URL...")
@ladder_options
@sampler_options
@model_options
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="jsonl: one SegmentScored a line, as they come.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead of stdout.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Also write a page with charts and the worst frames; it works offline.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def score(
    inputs: tuple[str, ...],
    ladder: bool,
    basis: str,
    display_height: int | None,
    facts: str,
    sampler: str,
    frames: int,
    segment_seconds: float,
    model: str,
    device: str,
    decoders: int,
    allow_untrained: bool,
    format_name: str,
    out: Path | None,
    report_file: Path | None,
    quiet: bool,
) -> None:
    """Score files, folders, stills, and HLS or DASH playlists (local or http).

    Files given together are streams of their own, unless --ladder says that they are renditions of one content.
    What cannot be scored gets one line on stderr with the reason and the next step; everything else is scored.
    """  # fmt: skip
    from pipeline.report.formats import WRITERS, Target  # noqa: PLC0415 - heavy: after the options are checked

    check_report(report_file)
    writer = WRITERS[format_name](Target(out))

    from pipeline.clips import SamplerChoice  # noqa: PLC0415 - the model's libraries: after what may be refused
    from pipeline.report.summary import summarise  # noqa: PLC0415
    from workers.cli.session import ModelChoice, Options, Outcome  # noqa: PLC0415

    options = Options(
        sampler=SamplerChoice(sampler, frames),
        segment_seconds=segment_seconds,
        display_height_px=display_height,
        against_ladder=basis == "auto",
        decoders=decoders,
    )
    choice = ModelChoice(model, device, facts == "none", allow_untrained)
    outcome = Outcome()
    with Progress(quiet=quiet) as progress:
        identity = run(inputs, ladder, options, choice, outcome, progress, writer.add)
    streams = summarise(outcome.scored, outcome.ladders)
    writer.close(streams, outcome.rejected)
    if report_file:
        settings = settings_in_words(inputs, options, choice, identity)
        write_report(report_file, streams, outcome, settings)
    tell(outcome, table=format_name == "table" and out is None)
    sys.exit(outcome.exit_code)


def run(
    inputs: tuple[str, ...],
    ladder: bool,
    options: "Options",
    choice: "ModelChoice",
    outcome: "Outcome",
    progress: Progress,
    add: Callable[[Any], None],
) -> str:
    """Score the inputs into `outcome` and return the model's identity."""
    from pipeline.settings import load  # noqa: PLC0415
    from workers.cli.session import Session  # noqa: PLC0415

    settings = load()
    if options.decoders == 0 and settings.decoders:
        from dataclasses import replace  # noqa: PLC0415

        options = replace(options, decoders=settings.decoders)
    progress.say("loading the model")
    with Session(settings, choice, options) as session:
        for scored in session.run(inputs, as_ladder=ladder, outcome=outcome, report=progress.step):
            add(scored)
        return f"{session.model.name} @ {session.model.weights_hash}"


def check_report(path: Path | None) -> None:
    """Refuse a report that could not be written before hours of scoring. Raises UsageError."""
    from pipeline.errors import UsageError  # noqa: PLC0415

    if path is not None and not path.resolve().parent.is_dir():
        raise UsageError(f"--report {path}: no such folder; make it first, or name a file in one that exists.")


def write_report(
    path: Path, streams: "tuple[StreamSummary, ...]", outcome: "Outcome", settings: dict[str, str]
) -> None:
    from pipeline.report.page import render  # noqa: PLC0415

    page = render(
        streams,
        settings=settings,
        rejected=outcome.rejected,
        worst_frames=outcome.worst_frames,
        generated_at=datetime.now(UTC),
    )
    path.write_text(page, encoding="utf-8")
    click.echo(f"report: {path}", err=True)


def settings_in_words(
    inputs: tuple[str, ...], options: "Options", choice: "ModelChoice", identity: str
) -> dict[str, str]:
    return {
        "version": version("rungwatch"),
        "inputs": " ".join(inputs),
        "model": identity,
        "device": choice.device,
        "basis": "against the best rung" if options.against_ladder else "alone",
        "display height": f"{options.display_height_px} lines" if options.display_height_px else "the top rung's",
        "facts of the stream": "hidden" if choice.hide_stream else "used",
        "sampler": f"{options.sampler.name}, {options.sampler.frames} frames a segment",
        "segments of plain files": f"{options.segment_seconds:g} s",
    }


def tell(outcome: "Outcome", *, table: bool) -> None:
    """Say on stderr what was left out and what failed, one line each; the table has said the latter already."""
    for note in dict.fromkeys(outcome.notes):
        click.echo(f"note: {note}", err=True)
    if not table:
        from pipeline.report.table import rejected_line  # noqa: PLC0415

        for letter in outcome.rejected:
            click.echo(rejected_line(letter), err=True)
