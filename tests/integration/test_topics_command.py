"""`rungwatch topics` on a real Kafka: what it makes, what it says, and its exit codes."""

import os
import socket
import subprocess
import sys

from bus_factory import fresh_name
from services.kafka import Broker


def rungwatch(*words: str, bootstrap: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.cli.main", "topics", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "RUNGWATCH_KAFKA_BOOTSTRAP": bootstrap},
    )


def test_topics_are_made_checked_and_listed(broker: Broker) -> None:
    ours = ("--prefix", f"{fresh_name()}.", "--partitions", "3")

    before = rungwatch("check", *ours, bootstrap=broker.bootstrap)
    made = rungwatch("create", *ours, bootstrap=broker.bootstrap)
    after = rungwatch("check", *ours, bootstrap=broker.bootstrap)
    listed = rungwatch("list", *ours, bootstrap=broker.bootstrap)

    assert (before.returncode, made.returncode, after.returncode, listed.returncode) == (3, 0, 0, 0), made.stderr
    assert before.stdout.count("is missing") == 6
    assert made.stdout.count("made, ") == 6
    assert "as planned" in after.stdout
    (segments,) = [line.split() for line in listed.stdout.splitlines() if line.startswith(f"{ours[1]}segments")]
    assert segments[1:3] == ["3", "1"]


def test_more_partitions_than_there_are_is_a_difference(broker: Broker) -> None:
    prefix = ("--prefix", f"{fresh_name()}.")
    rungwatch("create", *prefix, "--partitions", "4", bootstrap=broker.bootstrap)

    checked = rungwatch("check", *prefix, "--partitions", "8", bootstrap=broker.bootstrap)

    assert checked.returncode == 3
    assert "has 4 partitions, 8 are planned" in checked.stdout


def test_a_kafka_that_is_away_is_exit_code_4_and_one_line() -> None:
    with socket.socket() as nobody:  # bound, and not listening: it refuses, and nobody else is given the port
        nobody.bind(("127.0.0.1", 0))
        checked = rungwatch("check", bootstrap=f"127.0.0.1:{nobody.getsockname()[1]}")

    assert checked.returncode == 4
    assert checked.stderr.startswith("rungwatch: Kafka at")
    assert checked.stderr.count("\n") == 1


def test_a_prefix_that_no_topic_may_have_is_exit_code_2() -> None:
    checked = rungwatch("check", "--prefix", "a/b", bootstrap="localhost:1")

    assert checked.returncode == 2
    assert "RUNGWATCH_KAFKA_PREFIX" in checked.stderr
