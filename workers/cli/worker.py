"""`rungwatch worker`: scores segments as they are announced on Kafka, beside any number of others."""

from pathlib import Path

import click

from workers.cli.options import access_options, kafka_option, model_options, port_option, redis_option, sampler_options

EPILOG = """
\b
A first run, each line in a terminal of its own:
  make up ONLY=services                     Kafka and Redis on this machine
  rungwatch topics create
  rungwatch worker --root media/            as many as there are devices, or cores for decoding
  rungwatch series run                      scores -> Redis
  rungwatch ingest media/master.m3u8
  rungwatch series query master

\b
Exit codes:
  0  stopped by SIGTERM or Ctrl-C; what was at work is finished and committed
  2  Kafka, the topics, the model or the port are not as the settings say
  4  most of what came could not be scored, or a partition stood still: the message says what to do
"""


@click.command(epilog=EPILOG)
@access_options
@click.option("--group", default="workers", show_default=True, help="Workers of one group share the segments.")
@click.option(
    "--instance",
    metavar="ID",
    help="A name that stays over restarts: then a restart moves no partition.  [RUNGWATCH_KAFKA_INSTANCE_ID]",
)
@model_options
@sampler_options
@kafka_option
@redis_option
@port_option
def worker(
    roots: tuple[Path, ...],
    hosts: tuple[str, ...],
    group: str,
    instance: str | None,
    model: str,
    device: str,
    decoders: int,
    allow_untrained: bool,
    facts: str,
    sampler: str,
    frames: int,
    kafka: str | None,
    redis: str | None,
    port: int | None,
) -> None:
    """Score the segments that `rungwatch ingest` announces on Kafka, and publish the scores there.

    Start as many as you like: they share the work, and take over what another leaves when it is stopped or dies.
    What cannot be scored goes to the dead letters with the reason (`rungwatch replay --list`); everything beside it
    is scored. Kafka may come and go.

    Small pictures of the worst frames go straight to Redis, which scores never wait for (RUNGWATCH_PICTURE_EACH_HOUR=0:
    none).
    """  # fmt: skip
    from workers.cli.logs import log_to_stderr  # noqa: PLC0415 - heavy: after the options are checked
    from workers.cli.options import scoring_options, settings_with  # noqa: PLC0415
    from workers.service.worker import run_worker  # noqa: PLC0415

    log_to_stderr()
    settings = settings_with(kafka=kafka, redis=redis, port=port, instance=instance, roots=roots, hosts=hosts)
    options = scoring_options(model, device, decoders, allow_untrained, facts, sampler, frames)
    run_worker(settings, options, group=group)
