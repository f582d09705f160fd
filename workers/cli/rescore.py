"""`rungwatch rescore`: scores what was announced before once more, with another model."""

import sys
from datetime import datetime
from pathlib import Path

import click

from workers.cli.moments import Moment
from workers.cli.options import kafka_option, model_options, sampler_options

EPILOG = """
\b
Examples:
  rungwatch rescore --model mine.safetensors --since 2d --root media/
  rungwatch rescore --model mine.safetensors --stream film --root media/
  rungwatch series query film --model mine

\b
Exit codes:
  0  everything in the span was scored, or is in the dead letters
  2  Kafka, the topics or the model are not as the settings say
  4  nothing was announced in the span
"""


@click.command(epilog=EPILOG)
@click.option("--since", type=Moment(), help="From when on: a time, or an age such as 2h.  [default: all that is kept]")
@click.option("--until", type=Moment(), help="Up to when.  [default: now]")
@click.option("--stream", metavar="ID", help="Of one stream only.")
@click.option(
    "--root", "roots", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="Read local files below this folder, and nothing else from disk; may be repeated.  [default: the current one]",
)  # fmt: skip
@click.option(
    "--host", "hosts", multiple=True, metavar="NAME",
    help="Read http(s) from this host; may be repeated; '*': any.  [default: RUNGWATCH_FETCH_HOSTS; none]",
)  # fmt: skip
@model_options
@sampler_options
@kafka_option
def rescore(
    since: datetime | None,
    until: datetime | None,
    stream: str | None,
    roots: tuple[Path, ...],
    hosts: tuple[str, ...],
    model: str,
    device: str,
    decoders: int,
    allow_untrained: bool,
    facts: str,
    sampler: str,
    frames: int,
    kafka: str | None,
) -> None:
    """Score what was announced in a span of time with another model, beside the points that are there.

    The media must still be where the events say. Points of another model, sampler or display height are series of
    their own (`rungwatch series query --model`); newer weights of the same model take the place of the older ones.
    """  # fmt: skip
    from workers.cli.logs import log_to_stderr  # noqa: PLC0415 - heavy: after the options are checked
    from workers.cli.options import scoring_options, settings_with  # noqa: PLC0415
    from workers.service.rerun import rescore as run  # noqa: PLC0415

    log_to_stderr()
    settings = settings_with(kafka=kafka, roots=roots, hosts=hosts)
    options = scoring_options(model, device, decoders, allow_untrained, facts, sampler, frames)
    count = run(
        settings, options, since=since, until=until, stream_id=stream, say=lambda text: click.echo(text, err=True)
    )
    click.echo(f"read {count} segments", err=True)
    sys.exit(0 if count else 4)


def _say(text: str) -> None:
    click.echo(text, err=True)
