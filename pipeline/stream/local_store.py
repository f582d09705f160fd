"""Topics, messages and committed offsets of the in-process bus, in SQLite: in memory or in a file."""

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.stream.protocol import Headers, Message, Partition, Publication

log = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS partition (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL, UNIQUE (topic, number));
CREATE TABLE IF NOT EXISTS message (
    partition_id INTEGER NOT NULL, offset INTEGER NOT NULL, key TEXT, value BLOB NOT NULL, headers TEXT NOT NULL,
    timestamp_ms INTEGER NOT NULL, PRIMARY KEY (partition_id, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed (
    reader TEXT NOT NULL, partition_id INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (reader, partition_id)) WITHOUT ROWID;
"""
_APPENDS_PER_LOOK = 1000
"""Messages between two looks for those that are too old: seldom enough to cost nothing."""


@dataclass(slots=True)
class _Log:
    identifier: int
    first: int
    """Oldest offset that is kept."""
    end: int
    """Offset of the next message."""
    size_bytes: int
    """Values and headers of what is kept."""


class Store:
    """Not thread-safe: the bus holds its lock around every call.

    A message goes when every group that reads its topic has committed it, when it is older than `retention_seconds`,
    or, in a topic that nobody reads, when the partition holds more than `partition_bytes`. The newest message of a
    partition always stays, because the next offset is counted from it.
    """

    def __init__(self, path: Path | None, retention_seconds: float, partition_bytes: int) -> None:
        """
        Raises:
            UsageError: The file is no such store, or another process has it open.
        """
        self._retention_seconds = retention_seconds
        self._partition_bytes = partition_bytes
        self._logs: dict[Partition, _Log] = {}
        self._topics: dict[str, tuple[Partition, ...]] = {}
        self._floors: dict[Partition, int | None] = {}
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            # Statements commit themselves; a group of them is put between BEGIN and COMMIT.
            self._db = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)
            # One process owns the file, because it keeps the next offsets in memory. In WAL mode with NORMAL a message
            # survives the end of the process as soon as it is sent; a power cut may take the last ones.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute("COMMIT")
            self._load()
        except (sqlite3.Error, OSError) as error:
            raise UsageError(
                f"the bus cannot be kept in {path}: {error}; end the other process that uses the file, or give another"
            ) from error

    def _load(self) -> None:
        rows = self._db.execute(
            "SELECT topic, number, id, coalesce(min(offset), 0), coalesce(max(offset) + 1, 0),"
            " coalesce(sum(length(value) + length(headers)), 0)"
            " FROM partition LEFT JOIN message ON partition_id = id GROUP BY id ORDER BY topic, number"
        ).fetchall()
        for topic, number, identifier, first, end, size_bytes in rows:
            partition = Partition(topic, number)
            self._logs[partition] = _Log(identifier, first, end, size_bytes)
            self._topics[topic] = (*self._topics.get(topic, ()), partition)
        for partition in self._logs:
            self._drop_old(partition)

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic; one that is there stays as it is."""
        if topic in self._topics:
            return
        made = tuple(Partition(topic, number) for number in range(partitions))
        for partition in made:
            cursor = self._db.execute("INSERT INTO partition (topic, number) VALUES (?, ?)", (topic, partition.number))
            assert cursor.lastrowid is not None
            self._logs[partition] = _Log(cursor.lastrowid, 0, 0, 0)
        self._topics[topic] = made

    def partitions(self, topic: str) -> tuple[Partition, ...]:
        """
        Raises:
            UsageError: There is no such topic.
        """
        if topic not in self._topics:
            raise UsageError(f"there is no topic {topic!r} on this bus: create it first; there are {[*self._topics]}")
        return self._topics[topic]

    def append(self, partition: Partition, publication: Publication) -> None:
        kept = self._logs[partition]
        headers = _packed(publication.headers)
        self._db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)",
            (kept.identifier, kept.end, publication.key, publication.value, headers, time.time_ns() // 1_000_000),
        )
        kept.end += 1
        kept.size_bytes += len(publication.value) + len(headers)
        if kept.end % _APPENDS_PER_LOOK == 0:
            self._drop_old(partition)
        if kept.size_bytes > self._partition_bytes and self._floor(partition) is None:
            # A tenth of them at once, so that not every further message drops one.
            self._drop_before(partition, kept.first + max(1, (kept.end - kept.first) // 10))

    def is_full(self, partition: Partition) -> bool:
        """Whether a group that reads it must first commit some of what is there."""
        kept, floor = self._logs[partition], self._floor(partition)
        return kept.size_bytes >= self._partition_bytes and floor is not None and floor < kept.end

    def read(self, partition: Partition, offset: int, most: int) -> list[Message]:
        """Return up to `most` messages from an offset on, or from the oldest that is kept."""
        rows = self._db.execute(
            "SELECT offset, key, value, headers, timestamp_ms FROM message"
            " WHERE partition_id = ? AND offset >= ? ORDER BY offset LIMIT ?",
            (self._logs[partition].identifier, offset, most),
        )
        return [
            Message(partition, offset, key, value, _unpacked(headers), timestamp_ms)
            for offset, key, value, headers, timestamp_ms in rows
        ]

    def end(self, partition: Partition) -> int:
        return self._logs[partition].end

    def enter(self, group: str, topic: str) -> None:
        """Note that a group reads a topic: from now on nothing is dropped that it has not committed."""
        for partition in self.partitions(topic):
            kept = self._logs[partition]
            self._db.execute("INSERT OR IGNORE INTO committed VALUES (?, ?, ?)", (group, kept.identifier, kept.first))
            self._floors.pop(partition, None)

    def committed(self, group: str, partition: Partition) -> int:
        """Return the offset to read next; for a group that never read it, the oldest that is kept."""
        kept = self._logs[partition]
        row = self._db.execute(
            "SELECT offset FROM committed WHERE reader = ? AND partition_id = ?", (group, kept.identifier)
        ).fetchone()
        return kept.first if row is None else max(int(row[0]), kept.first)

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.executemany(
                "INSERT OR REPLACE INTO committed VALUES (?, ?, ?)",
                [(group, self._logs[partition].identifier, offset) for partition, offset in offsets.items()],
            )
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._drop_committed(offsets)

    def close(self) -> None:
        self._db.close()

    def _floor(self, partition: Partition) -> int | None:
        """The least offset that any group has still to read. None: no group reads it."""
        if partition not in self._floors:
            row = self._db.execute(
                "SELECT min(offset) FROM committed WHERE partition_id = ?", (self._logs[partition].identifier,)
            ).fetchone()
            self._floors[partition] = row[0]
        return self._floors[partition]

    def _drop_committed(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._floors.pop(partition, None)
            floor = self._floor(partition)
            if floor is not None:
                self._drop_before(partition, floor)

    def _drop_old(self, partition: Partition) -> None:
        oldest_ms = int((time.time() - self._retention_seconds) * 1000)
        kept = self._logs[partition]
        row = self._db.execute(
            "SELECT offset FROM message WHERE partition_id = ? AND timestamp_ms >= ? ORDER BY offset LIMIT 1",
            (kept.identifier, oldest_ms),
        ).fetchone()
        before = min(kept.end - 1 if row is None else int(row[0]), kept.end - 1)
        floor = self._floor(partition)
        unread = 0 if floor is None else before - max(floor, kept.first)
        if unread > 0:
            log.warning(
                "Dropped %d messages of %s that no one had read for %.1f days: is there a group that is no longer run?",
                unread,
                partition,
                self._retention_seconds / 86_400,
            )
        self._drop_before(partition, before)

    def _drop_before(self, partition: Partition, offset: int) -> None:
        kept = self._logs[partition]
        offset = min(offset, kept.end - 1)
        if offset <= kept.first:
            return
        gone = self._db.execute(
            "DELETE FROM message WHERE partition_id = ? AND offset < ? RETURNING length(value) + length(headers)",
            (kept.identifier, offset),
        ).fetchall()
        kept.size_bytes -= sum(row[0] for row in gone)
        kept.first = offset


def _packed(headers: Headers) -> str:
    return json.dumps([(name, value.decode("latin-1")) for name, value in headers]) if headers else ""


def _unpacked(text: str) -> Headers:
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(text)) if text else ()
