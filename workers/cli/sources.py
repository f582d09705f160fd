"""`rungwatch sources`: how the streams stand that an ingest process follows."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from workers.service.sources import SourceState

EPILOG = """
\b
Exit codes:
  0  every source is followed, or has ended
  2  no ingest process has used this folder
  3  a source backs off or has failed
"""


@click.command(epilog=EPILOG)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The --state of the ingest process.  [default: RUNGWATCH_STATE_FOLDER, ~/.local/state/rungwatch]",
)
@click.option("--format", "format_name", type=click.Choice(["table", "json"]), default="table", show_default=True)
def sources(state: Path | None, format_name: str) -> None:
    """List the sources of `rungwatch ingest` with their state, worst first."""  # fmt: skip
    from workers.cli.options import state_folder  # noqa: PLC0415 - heavy: after the options are checked
    from workers.service.ingesting import STATES  # noqa: PLC0415
    from workers.service.sources import read_states  # noqa: PLC0415

    found = read_states((state or state_folder("ingest")) / STATES)
    found.sort(key=lambda each: (each.state in ("following", "ended"), not each.findings, each.id))
    if format_name == "json":
        click.echo(json.dumps([each.model_dump() for each in found], indent=2))
    else:
        _print(found)
    sys.exit(3 if any(each.state in ("backing off", "failed") for each in found) else 0)


def _print(found: "list[SourceState]") -> None:
    from rich.text import Text  # noqa: PLC0415

    from pipeline.report.table import console_for  # noqa: PLC0415
    from pipeline.words import as_duration, printable  # noqa: PLC0415
    from workers.cli.series_table import table  # noqa: PLC0415

    console = console_for(sys.stdout)
    rows = table("Source", "State", "Rungs>", "Segments>", "Newest")
    for each in found:
        age = "–" if each.seen_seconds is None else f"{as_duration(round(time.time() - each.seen_seconds))} ago"
        style = "green" if each.state in ("following", "ended") else "bold red"
        name = Text(printable(each.id), "bold")
        rows.add_row(name, Text(each.state, style), f"{each.renditions}", f"{each.announced}", age)
    console.print(rows)
    for each in found:
        for wrong in ([each.error] if each.error else []) + list(each.findings):
            console.print(Text(f"{printable(each.id)}: {printable(wrong)}"), soft_wrap=True)
