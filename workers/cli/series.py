"""`rungwatch series`: points into Redis, and out of it as a table, a plot, a picture or data."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli.axis_time import AXIS_TIME, AxisTime, length_seconds
from workers.cli.options import kafka_option, port_option, redis_option

if TYPE_CHECKING:
    from pipeline.history import Wanted
    from pipeline.series import SeriesQueries
    from pipeline.settings import RedisSettings

FORMATS = ("table", "json", "csv", "plot")
EPILOG = """
\b
Examples:
  rungwatch series streams                          what is there
  rungwatch series findings news --last 1h          what its playlists did that they should not
  rungwatch series query news                       everything of the stream news
  rungwatch series query news --last 1h --format plot
  rungwatch series query news --from 2026-03-01T20:00Z --to 2026-03-01T21:00Z --png evening.png
  rungwatch series query film --from 1:02:00 --to 1:05:30 --rendition 720p --format csv
"""
QUERY_EPILOG = """
\b
Exit codes:
  0  something was found
  2  the command was called wrongly, or Redis does not let us in
  3  the stream is there, and nothing of it lies in the range
  4  there is no such stream, or Redis is away
"""
NOTHING = 3


def state_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--state",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        metavar="DIR",
        help="Read what `rungwatch watch --state DIR` stored, while it runs or afterwards.",
    )(command)


@click.group(epilog=EPILOG)
def series() -> None:
    """Quality over time: write it to Redis, and read it back."""


@series.command()
@click.option("--group", default="series", show_default=True, help="Processes of one group share the work.")
@kafka_option
@redis_option
@port_option
def run(group: str, kafka: str | None, redis: str | None, port: int | None) -> None:
    """Write the scores that come from Kafka to Redis, until SIGTERM.

    A score that comes twice is written once. While Redis is away it is waited for, and nothing is lost.
    """
    from workers.cli.logs import log_to_stderr  # noqa: PLC0415 - heavy: after the options are checked
    from workers.cli.options import settings_with  # noqa: PLC0415
    from workers.service.series import run_series  # noqa: PLC0415

    log_to_stderr()
    run_series(settings_with(kafka=kafka, redis=redis, port=port), group=group)


@series.command(epilog=QUERY_EPILOG)
@click.argument("stream")
@click.option("--rendition", metavar="ID", help="This rendition only.  [default: all]")
@click.option("--from", "start", type=AXIS_TIME, metavar="TIME", help="From there on.  [default: the first point]")
@click.option("--to", "end", type=AXIS_TIME, metavar="TIME",
              help="Up to there. TIME: 2026-03-01T20:00Z for live; seconds or 1:02:03 for media time.")  # fmt: skip
@click.option("--last", type=str, callback=lambda _c, _p, value: None if value is None else length_seconds(value),
              metavar="LENGTH", help="So much before --to, or before now: 90s, 30m, 1h, 7d.")  # fmt: skip
@click.option("--resolution", type=click.Choice(["auto", "raw", "minute", "hour"]), default="auto", show_default=True,
              help="auto: single points up to 6 hours, minutes up to 7 days, then hours.")  # fmt: skip
@click.option("--model", metavar="NAME", help="Scores of this model.  [default: of the newest weights]")
@click.option("--format", "format_name", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Also draw a picture: a line and its 90 % interval for every rendition.")  # fmt: skip
@redis_option
@state_option
def query(
    stream: str,
    rendition: str | None,
    start: AxisTime | None,
    end: AxisTime | None,
    last: float | None,
    resolution: "Wanted",
    model: str | None,
    format_name: str,
    png: Path | None,
    redis: str | None,
    state: Path | None,
) -> None:
    """Show the quality of STREAM over time: how good every rendition was, when it was worst, what was seen.

    Where single points have expired, their minutes and hours are shown.
    """
    from workers.cli import series_formats, series_pictures, series_table  # noqa: PLC0415
    from workers.cli.series_lines import Asked, answer  # noqa: PLC0415

    if last is not None and start is not None:
        raise click.UsageError("give --from or --last, not both")
    with _queries(redis, state) as queries:
        found = answer(queries, Asked(stream, rendition, start, end, last, resolution, model))
    if not found.lines:
        click.echo(f"rungwatch: {found.nothing()}", err=True)
        sys.exit(NOTHING)
    if png is not None:
        series_pictures.png(found, png)
    if format_name == "table":
        series_table.print_lines(found, sys.stdout)
    elif format_name == "json":
        series_formats.write_json(found, sys.stdout)
    elif format_name == "csv":
        series_formats.write_csv(found, sys.stdout)
    else:
        series_pictures.plot(found, sys.stdout)
    if png is not None:
        click.echo(f"picture: {png}", err=True)


@series.command()
@click.option("--format", "format_name", type=click.Choice(["table", "json"]), default="table", show_default=True)
@redis_option
@state_option
def streams(format_name: str, redis: str | None, state: Path | None) -> None:
    """List the streams that have points, the one that was written last first."""
    from workers.cli import series_formats, series_table  # noqa: PLC0415

    with _queries(redis, state) as queries:
        found = queries.streams()
        renditions = [queries.renditions(entry.stream_id) for entry in found]
    if format_name == "json":
        series_formats.write_streams(found, renditions, sys.stdout)
    elif found:
        series_table.print_streams(found, renditions, sys.stdout)
    else:
        click.echo("no stream has points yet: rungwatch watch PATH, or worker, series run and ingest", err=True)


@series.command()
@click.argument("stream")
@click.option("--model", metavar="NAME", help="Scores of this model.  [default: of the newest weights]")
@click.option("--format", "format_name", type=click.Choice(["table", "json"]), default="table", show_default=True)
@redis_option
@state_option
def latest(stream: str, model: str | None, format_name: str, redis: str | None, state: Path | None) -> None:
    """Show the latest score of every rendition of STREAM."""
    from workers.cli import series_formats, series_table  # noqa: PLC0415
    from workers.cli.series_lines import entries_of  # noqa: PLC0415

    with _queries(redis, state) as queries:
        entries_of(queries, stream, None, model)
        found = list(queries.latest(stream, model).values())
    if format_name == "json":
        series_formats.write_latest(found, sys.stdout)
    else:
        series_table.print_latest(found, sys.stdout)


@series.command()
@click.argument("stream")
@click.option("--last", type=str, callback=lambda _c, _p, value: None if value is None else length_seconds(value),
              metavar="LENGTH", help="Found in the last 30m, 1h, 7d.  [default: all that is kept]")  # fmt: skip
@click.option("--open", "only_open", is_flag=True, help="Only what is not over.")
@click.option("--format", "format_name", type=click.Choice(["table", "json"]), default="table", show_default=True)
@redis_option
@state_option
def findings(
    stream: str, last: float | None, only_open: bool, format_name: str, redis: str | None, state: Path | None
) -> None:
    """Show what playlists, manifests and origins of STREAM did that they should not.

    What was seen in the pictures (frozen, black, damaged) stands in `rungwatch series query`.
    """
    from workers.cli import series_formats, series_table  # noqa: PLC0415

    with _queries(redis, state) as queries:
        found = queries.findings(stream, None if last is None else time.time() - last)
    found = [each for each in found if each.over_at is None or not only_open]
    if format_name == "json":
        series_formats.write_findings(found, sys.stdout)
    elif found:
        series_table.print_findings(found, sys.stdout)
    else:
        click.echo(f"nothing was found of {stream}", err=True)


def settings_of(redis: str | None, state: Path | None, stack: ExitStack) -> "RedisSettings":
    """Return where points are read: a Redis, or what `rungwatch watch` stored, whose server runs until `stack` ends."""
    from pydantic import SecretStr  # noqa: PLC0415

    from pipeline.errors import Unavailable  # noqa: PLC0415
    from pipeline.series import EmbeddedRedis, connect  # noqa: PLC0415
    from workers.cli.options import settings_with  # noqa: PLC0415

    if redis is not None and state is not None:
        raise click.UsageError("give --redis or --state, not both")
    settings = settings_with(redis=redis).redis
    if state is None:
        return settings
    folder = state / "redis"
    if not folder.is_dir():
        raise click.UsageError(f"{state} holds nothing that `rungwatch watch` stored")
    settings = settings.model_copy(update={"url": SecretStr(EmbeddedRedis.url_of(folder))})
    with closing(connect(settings)) as running:
        try:
            running.ping()
        except Unavailable:  # nobody watches now: its server is started for the question
            stack.enter_context(EmbeddedRedis(folder))
    return settings


@contextmanager
def _queries(redis: str | None, state: Path | None) -> Iterator["SeriesQueries"]:
    from pipeline.series import SeriesQueries, connect  # noqa: PLC0415

    with ExitStack() as stack:
        settings = settings_of(redis, state, stack)
        yield SeriesQueries(stack.enter_context(closing(connect(settings))), settings)
