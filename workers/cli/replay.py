"""`rungwatch replay`: brings dead letters, or a span of time, back to the workers."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import click

from workers.cli.moments import Moment
from workers.cli.options import kafka_option

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.stream.protocol import Message, Publication

EPILOG = """
\b
Examples:
  rungwatch replay --list                          what could not be scored, and why
  rungwatch replay --reason not_found --since 2h   try those again, now that the origin is back
  rungwatch replay --segments --since 1d           have everything of the last day scored again

\b
Exit codes:
  0  done
  2  Kafka or its topics are not as the settings say
  4  there is nothing of that kind
"""


@click.command(epilog=EPILOG)
@click.option("--list", "only_list", is_flag=True, help="Print the dead letters, one line each; publish nothing.")
@click.option("--segments", is_flag=True, help="Not the dead letters but all segments of the span; with --since.")
@click.option("--reason", metavar="REASON", help="Dead letters of this reason only, such as not_found or gave_up.")
@click.option("--stream", metavar="ID", help="Of one stream only.")
@click.option("--since", type=Moment(), help="From when on: a time, or an age such as 2h.  [default: all that is kept]")
@click.option("--until", type=Moment(), help="Up to when.  [default: now]")
@kafka_option
def replay(
    only_list: bool,
    segments: bool,
    reason: str | None,
    stream: str | None,
    since: datetime | None,
    until: datetime | None,
    kafka: str | None,
) -> None:
    """Publish again what went to the dead letters, byte for byte, once its cause is gone.

    Nothing counts twice: a segment that is scored again overwrites its own point. The letters stay where they are
    until the topic lets go of them.
    """
    from workers.cli.options import settings_with  # noqa: PLC0415 - heavy: after the options are checked

    if segments and (since is None or reason or only_list):
        raise click.UsageError("--segments needs --since, and goes with neither --reason nor --list.")
    settings = settings_with(kafka=kafka)
    if only_list:
        sys.exit(0 if _list(settings, reason, stream, since, until) else 4)
    source = f"rungwatch/replay/{socket.gethostname()}/{os.getpid()}"
    if segments:
        found = _segments(settings, stream, since, until)
    else:
        found = _letters(settings, source, reason, stream, since, until)
    count = _publish(settings, found)
    click.echo(f"published {count} events again", err=True)
    sys.exit(0 if count else 4)


def _list(
    settings: "Settings", reason: str | None, stream: str | None, since: datetime | None, until: datetime | None
) -> int:
    from workers.service.letters import Wanted, letters  # noqa: PLC0415

    found = letters(_read(settings), Wanted(reason, stream, since, until))
    for letter in found:
        where = letter.origin if letter.stream_id is None else f"{letter.stream_id}/{letter.rendition_id}"
        number = "" if letter.segment_number is None else f"/{letter.segment_number}"
        at = letter.rejected_at.isoformat(timespec="seconds")
        click.echo(f"{at}  {letter.reason:<16} {where}{number}  {letter.message}")
    return len(found)


def _letters(
    settings: "Settings",
    source: str,
    reason: str | None,
    stream: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Iterator["Publication"]:
    from workers.service.letters import Wanted, letters, publications  # noqa: PLC0415

    for letter, again in publications(letters(_read(settings), Wanted(reason, stream, since, until)), source):
        if again is None:
            click.echo(f"{letter.origin}: there is no event to bring back; name it to `rungwatch ingest`", err=True)
        else:
            yield again


def _segments(
    settings: "Settings", stream: str | None, since: datetime | None, until: datetime | None
) -> Iterator["Publication"]:
    from pipeline.stream.kafka import read_range  # noqa: PLC0415
    from pipeline.stream.protocol import Publication  # noqa: PLC0415
    from pipeline.stream.topics import Topics  # noqa: PLC0415

    topic = Topics(settings.kafka.prefix).segments
    for message in read_range(settings.kafka, topic, since, until):
        if stream in (None, message.key):
            yield Publication(topic, message.key, message.value, message.headers)


def _read(settings: "Settings") -> Iterator["Message"]:
    from pipeline.stream.kafka import read_range  # noqa: PLC0415
    from pipeline.stream.topics import Topics  # noqa: PLC0415

    return read_range(settings.kafka, Topics(settings.kafka.prefix).dead_letters)


def _publish(settings: "Settings", found: Iterator["Publication"]) -> int:
    from pipeline.stream.kafka import KafkaBusProducer  # noqa: PLC0415
    from workers.service.outbox import publish_all  # noqa: PLC0415

    with closing(KafkaBusProducer(settings.kafka)) as producer:
        return publish_all(producer, found)
