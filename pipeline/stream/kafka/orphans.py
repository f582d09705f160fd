"""Looks now and then whether a group has left partitions to nobody, so that a member can ask for a rebalance.

A cooperative rebalance has two rounds: the old owner of a partition lets go of it and joins again, and only then is it
given to the new one. A static member that dies in between, and is back before its session is over, gets what is left
of its share without a rebalance. It does not know that it had to join again, nobody else has a reason to, and the
partition belongs to nobody until the group changes for another reason, which may take days.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from pipeline.errors import Unavailable, UsageError
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka.connection import connected
from pipeline.stream.protocol import Partition

logger = logging.getLogger(__name__)

FIRST_SECONDS = 5.0
"""After the start: a restart is when it happens. And after a look at a group that was rebalancing."""
AGAIN_SECONDS = 60.0
SURE_SECONDS = 2.0
"""Between two rounds a partition may belong to nobody for a moment: it is looked twice, so long apart."""
_CLOSE_SECONDS = 5.0


class OrphanWatch:
    """Looks on a thread of its own, with a client of its own: a look takes a connection and 50 ms."""

    def __init__(self, settings: KafkaSettings, group: str, partitions: Callable[[], set[Partition]]) -> None:
        """`partitions`: all that the group reads, as far as they are known."""
        self._settings, self._group, self._partitions = settings, group, partitions
        self._due = time.monotonic() + FIRST_SECONDS
        self._found: frozenset[Partition] = frozenset()
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()

    def found(self) -> frozenset[Partition]:
        """Return partitions that belong to nobody, each find once. To be asked often; it never waits."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
            found, self._found = self._found, frozenset()
            return found
        if self._thread is None and time.monotonic() >= self._due:
            # Half of it by chance: members that started together need not look together.
            self._due = time.monotonic() + AGAIN_SECONDS * random.uniform(0.5, 1.0)
            self._thread = threading.Thread(target=self._look, name=f"orphans-{self._group}", daemon=True)
            self._thread.start()
        return frozenset()

    def close(self) -> None:
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _look(self) -> None:
        try:
            client, _ = connected(KafkaAdminClient, self._settings)
        except (Unavailable, UsageError) as error:
            logger.debug("Who owns what in group %s is not known now: %s", self._group, error)
            return
        try:
            found = self._unowned(client)
            if found and not self._is_closed.wait(SURE_SECONDS):
                self._found = frozenset(found & self._unowned(client))
        except KafkaError as error:
            logger.debug("Who owns what in group %s is not known now: %s", self._group, error)
        finally:
            client.close()

    def _unowned(self, client: Any) -> set[Partition]:
        group = client.describe_groups([self._group])[self._group]
        if group["error"] is not None or group["group_state"] != "Stable":
            self._due = min(self._due, time.monotonic() + FIRST_SECONDS)
            return set()
        owned = {
            Partition(share["topic"], number)
            for member in group["members"]
            for share in (member["member_assignment"] or {}).get("assigned_partitions", ())
            for number in share["partitions"]
        }
        return self._partitions() - owned
