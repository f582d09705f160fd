"""The clock that a live DASH manifest is read by: its own (UTCTiming), else its server's, else the local one."""

import re
from collections.abc import Callable

from pipeline.errors import Rejected, Transient
from pipeline.ingest.access import shown
from pipeline.ingest.dash_manifest import Manifest, date_time
from pipeline.ingest.fetch import Fetched
from pipeline.ingest.source import Source
from schemas import Resource

SCHEME = re.compile(r"urn:mpeg:dash:utc:([a-z-]+):20\d\d")
MOST_CLOCKS = 4
MOST_CLOCK_BYTES = 1024
# Clocks of computers drift by seconds a day.
SYNC_SECONDS = 600.0
# A clock that states whole seconds agrees with one that lies within its second, give or take the way.
SLACK_SECONDS = 0.25


class ServerClock:
    """Tells the time as the packager sees it."""

    def __init__(self, local: Callable[[], float]) -> None:
        """`local`: seconds since the epoch on this machine."""
        self._local = local
        self._synced_at: float | None = None
        self._direct: str | None = None
        self.ahead_seconds = 0.0
        """Of the local clock."""
        self.source = "the local clock"
        self.notes: list[str] = []

    def now(self) -> float:
        return self._local() + self.ahead_seconds

    def sync(self, manifest: Manifest, source: Source, fetched: Fetched) -> None:
        """Compare clocks, every few minutes and with every new manifest that states the time itself."""
        is_due = self._synced_at is None or self._local() - self._synced_at >= SYNC_SECONDS
        direct = next((value for scheme, value in manifest.timing.clocks if _kind(scheme) == "direct"), None)
        if not is_due:
            if self.source.startswith("UTCTiming direct") and direct != self._direct:
                self._take_direct(direct or "", is_first=False)
            return
        self.notes = []
        self._synced_at = self._local()
        if not any(self._ask(_kind(scheme), value, source) for scheme, value in manifest.timing.clocks[:MOST_CLOCKS]):
            self._take_date(fetched)

    def _ask(self, kind: str, value: str, source: Source) -> bool:
        """Take the time from one UTCTiming; False: it has none."""
        if kind == "direct":
            return self._take_direct(value, is_first=value != self._direct)
        if kind not in ("http-head", "http-xsdate", "http-iso"):
            self.notes.append(f"passed over: UTCTiming {kind or 'of an unknown kind'}")
            return False
        for address in value.split()[:MOST_CLOCKS]:
            try:
                uri = source.follow(address)
                asked_at = self._local()
                if kind == "http-head":
                    told, is_whole = source.fetcher.server_seconds(uri), True
                else:
                    data = source.fetcher.read(Resource(uri=uri), max_bytes=MOST_CLOCK_BYTES)
                    text = data.decode("latin-1").strip()
                    told, is_whole = date_time(text), "." not in text
            except (Rejected, Transient) as exc:
                self.notes.append(f"passed over: UTCTiming {kind} ({exc})")
                continue
            if told is not None:
                self._take(told, asked_at, is_whole, f"UTCTiming {kind} of {shown(uri)}")
                return True
            self.notes.append(f"passed over: UTCTiming {kind} of {shown(uri)}, which tells no time")
        return False

    def _take_direct(self, value: str, *, is_first: bool) -> bool:
        told = date_time(value)
        if told is None:
            return False
        ahead = told - self._local()
        # Caches make it late, never early.
        if is_first or not self.source.startswith("UTCTiming direct"):
            self.ahead_seconds = ahead
        else:
            self.ahead_seconds = max(self.ahead_seconds, ahead)
        self._direct, self.source = value, "UTCTiming direct"
        return True

    def _take_date(self, fetched: Fetched) -> None:
        if fetched.server_seconds is None:
            self.ahead_seconds, self.source = 0.0, "the local clock"
        else:
            asked_at = self._local() - fetched.seconds
            self._take(fetched.server_seconds, asked_at, True, f"the HTTP Date of {shown(fetched.uri)}")

    def _take(self, told: float, asked_at: float, is_whole: bool, source: str) -> None:
        answered_at = self._local()
        if is_whole and asked_at - 1 - SLACK_SECONDS <= told <= answered_at + SLACK_SECONDS:
            # Agreeing within that second, the local clock is the finer one.
            self.ahead_seconds, self.source = 0.0, f"the local clock, which agrees with {source}"
        else:
            self.ahead_seconds = told + (0.5 if is_whole else 0.0) - (asked_at + answered_at) / 2
            self.source = source


def _kind(scheme: str) -> str:
    match = SCHEME.fullmatch(scheme)
    return match[1] if match else ""
