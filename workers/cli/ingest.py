"""`rungwatch ingest`: announces the segments of files, folders and playlists on Kafka, live ones as they appear."""

import sys
from pathlib import Path

import click

from workers.cli.options import kafka_option, ladder_options, live_options, port_option

EXIT_SOME_FAILED, EXIT_NOTHING = 3, 4

EPILOG = """
\b
Examples:
  rungwatch ingest vod/master.m3u8                 an HLS or DASH presentation is one stream
  rungwatch ingest films/                          every presentation and media file of a folder
  rungwatch ingest --ladder 1080p.mp4 720p.mp4     renditions of one content
  rungwatch ingest https://host/live/master.m3u8   follow a live stream
  rungwatch ingest --config sources.yaml           follow many: sources: [{id: news, url: https://...}]
  rungwatch ingest vod/master.m3u8 --dry-run       print the events instead of publishing them

\b
Exit codes:
  0  everything was announced
  2  the command was called wrongly, or Kafka is not as the settings say
  3  some input could not be read; it is in the dead letters, the rest is announced
  4  nothing could be announced
"""


@click.command(epilog=EPILOG)
@click.argument("inputs", nargs=-1, metavar="[PATH_OR_URL...]")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Follow the sources that this YAML file lists; it is read again when it changes.",
)
@live_options
@ladder_options
@click.option("--dry-run", is_flag=True, help="Print the events as JSON lines; publish nothing, needs no Kafka.")
@kafka_option
@port_option
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
def ingest(
    inputs: tuple[str, ...],
    config: Path | None,
    once: bool,
    late_seconds: float,
    state: Path | None,
    ladder: bool,
    basis: str,
    display_height: int | None,
    segment_seconds: float,
    dry_run: bool,
    kafka: str | None,
    port: int | None,
    quiet: bool,
) -> None:
    """Announce every segment of files, folders and playlists, so that workers score them.

    Live HLS and DASH are followed until they end or Ctrl-C comes; `rungwatch sources` shows how they stand.
    Only pointers travel: workers read the media themselves, from the same paths and addresses (`rungwatch worker
    --root`, `--host`). Announcing the same twice is harmless: the same points are written again.
    """  # fmt: skip
    from pipeline.report.table import rejected_line  # noqa: PLC0415
    from workers.cli.logs import log_to_stderr  # noqa: PLC0415
    from workers.cli.options import settings_with, state_folder  # noqa: PLC0415
    from workers.failed import dead_letter  # noqa: PLC0415
    from workers.service.announce import Tally, announce  # noqa: PLC0415
    from workers.service.feed import FeedOptions  # noqa: PLC0415

    if bool(inputs) == (config is not None):
        raise click.UsageError("Give either PATH_OR_URL... or --config FILE.")
    say = _nothing if quiet else _say
    settings = settings_with(kafka=kafka, port=port)
    options = FeedOptions(ladder, basis == "auto", display_height, segment_seconds, not once, late_seconds)
    folder = state or state_folder("ingest")
    tally = Tally()
    if inputs:
        tally = announce(settings, inputs, options, say=say, show=click.echo if dry_run else None)
    for failed in tally.failed:
        click.echo(rejected_line(dead_letter(failed)), err=True)
    if tally.live and dry_run:
        click.echo("live streams are not followed in a dry run; --once shows what they list now", err=True)
    elif tally.live or config is not None:
        from workers.service.ingesting import run_ingest  # noqa: PLC0415

        log_to_stderr()
        run_ingest(settings, streams=tally.live, options=options, config=config, state=folder, say=say)
    if tally.announced and not dry_run:
        say(f"announced {tally.announced} segments of {len(tally.streams)} stream(s)")
    if not (tally.announced or tally.live or config):
        sys.exit(EXIT_NOTHING)
    sys.exit(EXIT_SOME_FAILED if tally.failed else 0)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _nothing(text: str) -> None: ...
