"""`rungwatch topics`: makes the topics on Kafka, checks them, and shows what is in them."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.settings import KafkaSettings
    from pipeline.stream.topics import TopicPlan

EPILOG = """
\b
Examples:
  rungwatch topics create                       on localhost:9092 (`make up` starts a Kafka there)
  rungwatch topics create --partitions 48       for up to 48 workers that share the work
  rungwatch topics create --replication 3       on a cluster of three brokers or more
  rungwatch topics check                        what differs from the plan, and the command that mends it
  rungwatch topics list                         what is there, and how many messages

\b
Where Kafka is and how it is reached is set in the environment:
  RUNGWATCH_KAFKA_BOOTSTRAP=host:9092,host:9092
  RUNGWATCH_KAFKA_SECURITY=PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL    with RUNGWATCH_KAFKA_CA_FILE=ca.pem
  RUNGWATCH_KAFKA_SASL=PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER
  RUNGWATCH_KAFKA_USERNAME=..., RUNGWATCH_KAFKA_PASSWORD=...

\b
Exit codes:
  0  as planned
  2  the command was called wrongly, or Kafka refuses it
  3  check: something differs
  4  Kafka cannot be reached
"""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--bootstrap", metavar="HOST:PORT,...",
                         help="Brokers to ask first.  [default: RUNGWATCH_KAFKA_BOOTSTRAP, or localhost:9092]"),
            click.option("--prefix", metavar="TEXT",
                         help="Before every topic's name.  [default: RUNGWATCH_KAFKA_PREFIX, or rungwatch.]"),
            click.option("--partitions", type=click.IntRange(1, 10_000), metavar="N",
                         help="Of the topics that workers share.  [default: RUNGWATCH_KAFKA_PARTITIONS, or 12]"),
            click.option("--replication", type=click.IntRange(-1, 16), metavar="N",
                         help="Copies of every message.  [default: RUNGWATCH_KAFKA_REPLICATION, or the cluster's]"),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(epilog=EPILOG)
def topics() -> None:
    """Make, check and list the topics on Kafka.

    Segments wait in one topic, scores come out in another; each has a retention and a cleanup policy of its own.
    What is there is never changed: `check` says what differs, and how to mend it.
    """


@topics.command()
@_options
def create(**options: Any) -> None:
    """Make the topics that are missing; the others stay as they are."""
    from pipeline.stream.kafka import check as differences_of  # noqa: PLC0415 - after the options are checked
    from pipeline.stream.kafka import create as make  # noqa: PLC0415

    settings, plans = _planned(options)
    made = set(make(settings, plans))
    for plan in plans:
        click.echo(f"{plan.name}: {f'made, {_in_words(plan)}' if plan.name in made else 'there already'}")
    for difference in differences_of(settings, plans):
        click.echo(f"note: {difference}", err=True)


@topics.command()
@_options
def check(**options: Any) -> None:
    """Say what differs from the plan; exit code 3 when something does."""
    from pipeline.stream.kafka import check as differences_of  # noqa: PLC0415

    settings, plans = _planned(options)
    differences = differences_of(settings, plans)
    for difference in differences:
        click.echo(difference)
    if differences:
        sys.exit(3)
    click.echo(f"{len(plans)} topics on {settings.bootstrap} are as planned")


@topics.command(name="list")
@_options
def list_(**options: Any) -> None:
    """Show the topics, what they hold, and how many messages."""
    from pipeline.stream.kafka import describe, message_counts  # noqa: PLC0415

    settings, plans = _planned(options)
    states = describe(settings, [plan.name for plan in plans])
    counts = message_counts(settings, list(states))
    rows = [("TOPIC", "PARTITIONS", "COPIES", "KEPT", "MESSAGES", "HOLDS")]
    for plan in plans:
        if state := states.get(plan.name):
            kept = _kept(state.retention_seconds, state.cleanup)
            facts = (str(state.partitions), str(state.replication), kept, str(counts[plan.name]))
            rows.append((plan.name, *facts, plan.holds))
        else:
            rows.append((plan.name, "-", "-", "-", "-", "missing: rungwatch topics create"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _planned(options: dict[str, Any]) -> "tuple[KafkaSettings, tuple[TopicPlan, ...]]":
    """Return the settings of the environment with the options over them, and the plans that follow."""
    from pydantic import ValidationError  # noqa: PLC0415

    from pipeline.errors import UsageError  # noqa: PLC0415
    from pipeline.settings import KafkaSettings  # noqa: PLC0415
    from pipeline.stream.topics import plans  # noqa: PLC0415

    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = KafkaSettings(**given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(map(str, first["loc"])).upper()
        raise UsageError(f"RUNGWATCH_KAFKA_{name}: {first['msg']}") from None
    return settings, plans(settings.prefix, settings.partitions)


def _in_words(plan: "TopicPlan") -> str:
    return f"{plan.partitions} partitions, kept {_kept(plan.retention_seconds, plan.cleanup)}"


def _kept(retention_seconds: int | None, cleanup: str) -> str:
    from pipeline.stream.topics import DAY_SECONDS  # noqa: PLC0415

    kept = "for ever" if retention_seconds is None else f"{retention_seconds / DAY_SECONDS:g} d"
    return f"{kept}, newest of each key" if "compact" in cleanup else kept
