"""Notices partitions that stand still although messages wait in them, and gives up when a fresh start does not help."""

from collections.abc import Iterable, Mapping

from pipeline.errors import StandsStill
from pipeline.stream.protocol import Partition

FRESH_STARTS = 2
"""The third stand in a row stops the process."""


class Watchdog:
    """Moments are seconds on one clock."""

    def __init__(self, still_seconds: float) -> None:
        self._still_seconds = still_seconds
        self._moved: dict[Partition, float] = {}
        self._starts: dict[Partition, int] = {}
        """Fresh consumers since the partition last moved."""

    def watch(self, partitions: Iterable[Partition], now: float) -> None:
        self._moved |= dict.fromkeys(partitions, now)

    def forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._moved.pop(partition, None)

    def moved(self, partition: Partition, now: float) -> None:
        self._moved[partition] = now
        self._starts.pop(partition, None)

    def excuse(self, now: float) -> None:
        """Begin to count anew: all are paused, or the bus is away."""
        self._moved = dict.fromkeys(self._moved, now)

    def still(self, lag: Mapping[Partition, int], at_work: Mapping[Partition, int], now: float) -> list[Partition]:
        """Return partitions that need a fresh consumer.

        Raises:
            StandsStill: A fresh consumer has been tried, and tried again.
        """
        still = []
        for partition, since in self._moved.items():
            if lag.get(partition, 0) <= 0 or at_work.get(partition, 0) > 0:
                self._moved[partition] = now
            elif now - since >= self._still_seconds:
                still.append(partition)
        for partition in still:
            self._moved[partition] = now
            self._starts[partition] = self._starts.get(partition, 0) + 1
            if self._starts[partition] > FRESH_STARTS:
                raise StandsStill(
                    f"{partition} has {lag[partition]} messages waiting and has given none for "
                    f"{self._still_seconds:.0f} s, now for the third time, although the consumer was made anew: look "
                    "at the leader of that partition, then start this process again"
                )
        return still
