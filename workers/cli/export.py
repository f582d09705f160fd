"""`rungwatch export`: points into a store of others."""

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from workers.cli.moments import Moment
from workers.cli.options import kafka_option, port_option, redis_option

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from workers.service.exporting import Backfilled, Span

EPILOG = """
\b
Metrics, each with the labels stream, rendition, model and display_height:
  rungwatch_quality_score, rungwatch_quality_low, rungwatch_quality_high   0 to 100
  rungwatch_quality_bitrate_bps                                            bits per second of the segment's video
Every sample lies where its segment starts on the wall clock. On-demand streams have no wall clock and are left out.

\b
What a store does with what comes late or twice:
  Prometheus       needs --web.enable-remote-write-receiver, and takes nothing older than a series' newest sample unless
                   storage.tsdb.out_of_order_time_window is as long as scores may be late (or --from goes back);
                   set RUNGWATCH_EXPORT_PAST_SECONDS (3600) to as long: older scores are left out, and counted
  Mimir, Cortex    the same, by the limit out_of_order_time_window of the tenant
  VictoriaMetrics  takes everything
A re-score cannot overwrite. Without a window Prometheus and Mimir refuse it (counted as duplicate or out_of_order);
inside of a window Prometheus takes it without a word and shows the one or the other. A re-score by a model of another
name has a series of its own. Redis, the API and the page always show the newer score.

\b
Examples:
  rungwatch export prometheus --url http://localhost:9090/api/v1/write
  rungwatch export prometheus --url http://localhost:9090/api/v1/write --from 2h
  RUNGWATCH_EXPORT_HEADERS='{"X-Scope-OrgID": "video"}' rungwatch export prometheus --url https://mimir/api/v1/push
Logins and certificates: RUNGWATCH_EXPORT_... in pipeline/settings.py.

\b
Exit codes:
  0  stopped by SIGTERM; or, with --from or --to, everything was written
  2  Kafka, Redis, the store or the port are not as the settings say, or the store does not let us in
  3  with --from or --to: the store refused some of it; the rest is written
  4  with --from or --to: there is nothing in that span, or Redis is away
"""
REFUSED, NOTHING = 3, 4
SHOWN = 5  # names of streams


@click.group()
def export() -> None:
    """Write points to a store of others."""


@export.command(epilog=EPILOG)
@click.option("--url", metavar="URL", help="Where remote write 1.0 is taken.  [default: RUNGWATCH_EXPORT_URL]")
@click.option("--from", "start", type=Moment(), metavar="TIME",
              help="Write what Redis holds from there on, and end: a time, or an age such as 2h.")  # fmt: skip
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Write what Redis holds up to there, and end.")
@click.option("--stream", "streams", multiple=True, metavar="ID",
              help="With --from or --to: of this stream only; may be repeated.")  # fmt: skip
@click.option("--resolution", type=click.Choice(["raw", "minute", "hour"]), default="raw", show_default=True,
              help="With --from or --to; where single points have expired, minutes or hours are.")  # fmt: skip
@click.option("--group", default="export", show_default=True,
              help="Without --from and --to: processes of one group share the work.")  # fmt: skip
@kafka_option
@redis_option
@port_option
def prometheus(
    url: str | None,
    start: datetime | None,
    end: datetime | None,
    streams: tuple[str, ...],
    resolution: str,
    group: str,
    kafka: str | None,
    redis: str | None,
    port: int | None,
) -> None:
    """Write points by Prometheus' remote write, with the segments' own time.

    Without --from and --to: what is scored from now on, from Kafka, until SIGTERM; a store that is away is waited for,
    and nothing is lost. With them: what Redis holds already.
    """
    from pydantic import SecretStr  # noqa: PLC0415 - heavy: after the options are checked

    from workers.cli.logs import log_to_stderr  # noqa: PLC0415
    from workers.cli.options import settings_with  # noqa: PLC0415
    from workers.service.exporting import Span, run_export  # noqa: PLC0415

    is_past = start is not None or end is not None
    if streams and not is_past:
        raise click.UsageError("--stream goes with --from or --to; without them every stream is written.")
    log_to_stderr()
    settings = settings_with(kafka=kafka, redis=redis, port=port)
    if url:
        settings = settings.model_copy(
            update={"export": settings.export.model_copy(update={"url": SecretStr(url)})},
        )
    if not is_past:
        run_export(settings, group=group)
        return
    span = Span(
        None if start is None else start.timestamp(),
        None if end is None else end.timestamp(),
        streams,
        resolution,  # type: ignore[arg-type]  # click checked it
    )
    sys.exit(_tell(_backfill(settings, span)))


def _backfill(settings: "Settings", span: "Span") -> "Backfilled":
    from contextlib import closing  # noqa: PLC0415

    from pipeline.export import LeftOut  # noqa: PLC0415
    from pipeline.observe.exports import ExportMetrics  # noqa: PLC0415
    from pipeline.series import SeriesQueries, connect  # noqa: PLC0415
    from workers.service.exporting import backfill, remote_write  # noqa: PLC0415
    from workers.service.process import Process  # noqa: PLC0415

    with (
        Process(settings.service) as process,
        remote_write(settings, ExportMetrics(process.metrics, LeftOut)) as store,
        closing(connect(settings.redis)) as link,
    ):
        return backfill(SeriesQueries(link, settings.redis), store, settings.export, span, process.stop, click.echo)


def _tell(done: "Backfilled") -> int:
    from pipeline.words import printable  # noqa: PLC0415

    if done.no_clock:
        few = ", ".join(printable(stream) for stream in done.no_clock[:SHOWN])
        rest = f" and {len(done.no_clock) - SHOWN} more" if len(done.no_clock) > SHOWN else ""
        click.echo(f"left out, being on media time, which has no place on the clock: {few}{rest}", err=True)
    for reason, samples in done.refused.items():
        click.echo(f"not in the store: {samples} samples ({reason.value}); see --help", err=True)
    if not done.points:
        click.echo("nothing was there to be written", err=True)
        return NOTHING
    rollups = f", {done.rollups} of them minutes or hours" if done.rollups else ""
    click.echo(f"{done.points} points of {done.streams} stream{'s' * (done.streams != 1)}{rollups}")
    return REFUSED if done.refused else 0
