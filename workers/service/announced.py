"""Which events were announced before, and up to where, kept in a file: a restart goes on where it stopped."""

import hashlib
import sqlite3
import threading
import time
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.ingest import as_path
from schemas import SegmentReady

_KEPT_SECONDS = 90 * 86_400.0
_POSITION_SECONDS = 86_400.0  # an origin that was away for longer has begun anew


class Announced:
    """Implements `Known`. Local files that were written anew, by size and time, are new."""

    def __init__(self, path: Path, salt: str) -> None:
        """`salt`: what decides scores beside the segments: with another model or basis, everything is new.

        Raises:
            UsageError: The file cannot be used.
        """
        self._salt = salt
        self._lock = threading.Lock()
        try:
            self._store = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._store.execute("PRAGMA journal_mode = WAL")
            self._store.execute("PRAGMA synchronous = NORMAL")
            self._store.execute("CREATE TABLE IF NOT EXISTS announced (id BLOB PRIMARY KEY, at REAL) WITHOUT ROWID")
            self._store.execute("DELETE FROM announced WHERE at < ?", (time.time() - _KEPT_SECONDS,))
            self._store.execute(
                "CREATE TABLE IF NOT EXISTS positions (source TEXT PRIMARY KEY, at REAL, position TEXT)"
            )
        except sqlite3.Error as error:
            raise UsageError(f"{path} cannot be used ({error}); remove it, or name another folder") from error

    def __contains__(self, event: SegmentReady) -> bool:
        with self._lock:
            found = self._store.execute("SELECT 1 FROM announced WHERE id = ?", (self._id(event),)).fetchone()
        return found is not None

    def add(self, event: SegmentReady) -> None:
        """See `Known.add`."""
        with self._lock:
            self._store.execute("INSERT OR REPLACE INTO announced VALUES (?, ?)", (self._id(event), time.time()))

    def position(self, source_id: str, url: str) -> str | None:
        """Return where following a source stopped, as JSON; None: it was never followed, or too long ago."""
        with self._lock:
            found = self._store.execute(
                "SELECT position FROM positions WHERE source = ? AND at >= ?",
                (_source(source_id, url), time.time() - _POSITION_SECONDS),
            ).fetchone()
        return None if found is None else str(found[0])

    def stopped_at(self, source_id: str, url: str, position: str) -> None:
        """Keep where following a source stopped."""
        with self._lock:
            self._store.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (_source(source_id, url), time.time(), position)
            )

    def close(self) -> None:
        self._store.close()

    def _id(self, event: SegmentReady) -> bytes:
        # Not the whole event: what it is compared with may be known sooner or later when a live stream is read again.
        segment = event.segment
        what = f"{event.event_id} {segment.media.model_dump_json()} {segment.window_seconds} {event.display_height_px}"
        return hashlib.sha256(f"{self._salt}\n{what}\n{_file(event)}".encode()).digest()[:16]


def _source(source_id: str, url: str) -> str:
    # An address may carry a token, which is none of this file's business.
    return f"{source_id} {hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _file(event: SegmentReady) -> str:
    uri = event.segment.media.uri
    if not uri.startswith("file:"):
        return ""
    try:
        found = as_path(uri).stat()
    except OSError:
        return ""
    return f"{found.st_size}/{found.st_mtime_ns}"
