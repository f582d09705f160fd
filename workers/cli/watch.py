"""`rungwatch watch`: the whole service in one process, for one terminal."""

import sys
from pathlib import Path

import click

from workers.cli.options import ladder_options, live_options, model_options, port_option, sampler_options

EXIT_SOME_FAILED, EXIT_NOTHING = 3, 4

EPILOG = """
\b
Examples:
  rungwatch watch https://host/live/master.m3u8    follow a live stream until Ctrl-C
  rungwatch watch --page 8090 URL                  the same, with the page at http://127.0.0.1:8090/
  rungwatch watch vod/master.m3u8                  score it all, then show the table
  rungwatch series query master --state DIR        ask again, while it runs or later

\b
Exit codes:
  0  everything was scored, or it was stopped while all was well
  2  the command was called wrongly, or the folder or Redis cannot be used
  3  some input failed; the rest is scored
  4  nothing could be scored
"""


@click.command(epilog=EPILOG)
@click.argument("inputs", nargs=-1, required=True, metavar="PATH_OR_URL...")
@click.option("--again", is_flag=True, help="Score also what was scored before.")
@click.option("--redis", metavar="URL", help="Write to this Redis.  [default: one of our own, in DIR]")
@live_options
@ladder_options
@sampler_options
@model_options
@click.option("--page", type=click.IntRange(0, 65535), metavar="PORT",
              help="Serve the page and the API there meanwhile, for this machine.  [0: any free port]")  # fmt: skip
@port_option
@click.option("-q", "--quiet", is_flag=True, help="No table while it works.")
def watch(
    inputs: tuple[str, ...],
    state: Path | None,
    again: bool,
    once: bool,
    late_seconds: float,
    redis: str | None,
    ladder: bool,
    basis: str,
    display_height: int | None,
    segment_seconds: float,
    facts: str,
    sampler: str,
    frames: int,
    model: str,
    device: str,
    decoders: int,
    allow_untrained: bool,
    page: int | None,
    port: int | None,
    quiet: bool,
) -> None:
    """Score files, folders and playlists into a series of points, in one process, with nothing to set up.

    Live streams are followed until Ctrl-C. Stopped or killed, the same command goes on where it was; what was
    scored stays. The same code runs distributed: see `rungwatch worker`.
    """  # fmt: skip
    from workers.cli.options import scoring_options, settings_with, state_folder  # noqa: PLC0415 - heavy: later
    from workers.cli.watch_display import Screen  # noqa: PLC0415
    from workers.service.feed import FeedOptions  # noqa: PLC0415
    from workers.service.watch import run_watch  # noqa: PLC0415

    settings = settings_with(port=port)
    if page is not None:
        settings = settings.model_copy(update={"api": settings.api.model_copy(update={"port": page})})
    options = scoring_options(model, device, decoders, allow_untrained, facts, sampler, frames)
    feed = FeedOptions(ladder, basis == "auto", display_height, segment_seconds, not once, late_seconds)
    folder = state or state_folder("watch")
    with Screen(quiet=quiet) as screen:
        watched = run_watch(
            settings,
            inputs,
            feed,
            options,
            state=folder,
            redis_url=redis,
            again=again,
            display=screen,
            page=page is not None,
        )
    if not watched.is_complete:
        click.echo("stopped; the same command goes on from here", err=True)
    if watched.is_complete and not screen.shown:
        sys.exit(EXIT_NOTHING)
    sys.exit(EXIT_SOME_FAILED if watched.letters else 0)
