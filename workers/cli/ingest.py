"""`rungwatch ingest`: announces the segments of files, folders and VOD playlists on Kafka."""

import sys

import click

from workers.cli.options import kafka_option, ladder_options

EXIT_SOME_FAILED, EXIT_NOTHING = 3, 4

EPILOG = """
\b
Examples:
  rungwatch ingest vod/master.m3u8                 an HLS or DASH presentation is one stream
  rungwatch ingest films/                          every presentation and media file of a folder
  rungwatch ingest --ladder 1080p.mp4 720p.mp4     renditions of one content
  rungwatch ingest vod/master.m3u8 --dry-run       print the events instead of publishing them

\b
Exit codes:
  0  everything was announced
  2  the command was called wrongly, or Kafka is not as the settings say
  3  some input could not be read; it is in the dead letters, the rest is announced
  4  nothing could be announced
"""


@click.command(epilog=EPILOG)
@click.argument("inputs", nargs=-1, required=True, metavar="PATH_OR_URL...")
@ladder_options
@click.option("--dry-run", is_flag=True, help="Print the events as JSON lines; publish nothing, needs no Kafka.")
@kafka_option
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
def ingest(
    inputs: tuple[str, ...],
    ladder: bool,
    basis: str,
    display_height: int | None,
    segment_seconds: float,
    dry_run: bool,
    kafka: str | None,
    quiet: bool,
) -> None:
    """Announce every segment of files, folders and VOD playlists, so that workers score them.

    Only pointers travel: workers read the media themselves, from the same paths and addresses (`rungwatch worker
    --root`, `--host`). Announcing the same twice is harmless: the same points are written again.
    """
    from pipeline.report.table import rejected_line  # noqa: PLC0415
    from workers.cli.options import settings_with  # noqa: PLC0415 - heavy: after the options are checked
    from workers.failed import dead_letter  # noqa: PLC0415
    from workers.service.announce import announce  # noqa: PLC0415
    from workers.service.feed import FeedOptions  # noqa: PLC0415

    settings = settings_with(kafka=kafka)
    options = FeedOptions(ladder, basis == "auto", display_height, segment_seconds)
    tally = announce(settings, inputs, options, say=_nothing if quiet else _say, show=click.echo if dry_run else None)
    for failed in tally.failed:
        click.echo(rejected_line(dead_letter(failed)), err=True)
    if not quiet and not dry_run:
        click.echo(f"announced {tally.announced} segments of {len(tally.streams)} stream(s)", err=True)
    if not tally.announced:
        sys.exit(EXIT_NOTHING)
    sys.exit(EXIT_SOME_FAILED if tally.failed else 0)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _nothing(text: str) -> None: ...
