"""`rungwatch demo`: builds a ladder with two faults, scores it, and says whether they were found."""

import sys
import time
from pathlib import Path

import click

from workers.cli.options import model_options
from workers.cli.progress import Progress
from workers.cli.score import run, settings_in_words, tell, write_report


@click.command()
@click.option(
    "--video",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Make the ladder of your own video.  [default: photographs in motion]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the ladder and the report.",
)
@click.option("--live", is_flag=True, help="A live stream instead, watched for three minutes while things go wrong.")
@model_options
def demo(
    video: Path | None, out: Path, live: bool, model: str, device: str, decoders: int, allow_untrained: bool
) -> None:
    """Show what Rungwatch does: encode a four-rung ladder, starve one rung, freeze another, and find both.

    Takes about a minute; --live three. Leaves an HLS ladder and report.html in the folder; score the ladder again with
    `rungwatch score demo-out/master.m3u8`.
    """  # fmt: skip
    if live:
        from workers.cli.demo_live import run_live  # noqa: PLC0415

        sys.exit(run_live(out, video, model, device, decoders, allow_untrained))
    from pipeline.report.formats import TableWriter, Target  # noqa: PLC0415 - heavy: after the options are checked
    from pipeline.report.summary import summarise  # noqa: PLC0415
    from workers.cli.demo_programme import build_programme  # noqa: PLC0415
    from workers.cli.session import ModelChoice, Options, Outcome  # noqa: PLC0415

    started = time.monotonic()
    click.echo("1. Encoding a ladder of four rungs" + (f" from {video}" if video else " from photographs in motion"))
    with Progress() as progress:
        programme = build_programme(
            out, video=video, report=lambda share, text: progress.say(f"   {share:4.0%}  {text}")
        )
    click.echo(f"   {programme.master}: {programme.seconds:g} s, done in {time.monotonic() - started:.0f} s")
    click.echo("2. Two faults are built in:")
    for fault in programme.faults:
        click.echo(f"   - {fault.told()}")
    click.echo("3. Scoring it, without a pristine source: the best rung is what the others are measured against\n")
    options, choice, outcome = Options(decoders=decoders), ModelChoice(model, device, False, allow_untrained), Outcome()
    inputs = (str(programme.master),)
    with Progress() as progress:
        identity = run(inputs, False, options, choice, outcome, progress, lambda scored: None)
    streams = summarise(outcome.scored, outcome.ladders)
    TableWriter(Target()).close(streams, outcome.rejected)
    click.echo("\n4. What was built in, and what was found:")
    missed = 0
    for fault in programme.faults:
        note = next((found for stream in streams if (found := fault.found_in(stream))), None)
        missed += note is None
        mark = click.style("found ", fg="green") if note else click.style("MISSED", fg="red")
        click.echo(f"   {mark}  {fault.told()}" + (f"\n           said: {note.text}" if note else ""))
    report = out / "report.html"
    write_report(report, streams, outcome, settings_in_words(inputs, options, choice, identity))
    click.echo(f"\nDone in {time.monotonic() - started:.0f} s. Open {report} in a browser; it works offline.")
    tell(outcome, table=True)
    sys.exit(outcome.exit_code or (1 if missed else 0))
