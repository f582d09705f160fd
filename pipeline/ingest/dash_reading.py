"""Reads a live manifest again and again; when that fails, the last one that could be read goes on being followed."""

from collections.abc import Callable

from pipeline.errors import NotAllowed, Rejected, Transient
from pipeline.ingest.access import Scope, shown
from pipeline.ingest.dash_manifest import Manifest, parse
from pipeline.ingest.fetch import Fetched, Fetcher
from pipeline.ingest.names import host_of
from pipeline.ingest.source import Source
from pipeline.ingest.told import Told
from pipeline.settings import FetchLimits
from schemas import ManifestFindingKind, Resource, Severity

# In a row; after that the feed is told, so that it can say so and come back later and later.
MOST_FAILURES = 5
SLOW_READINGS = 3
SLOW_LEAST_SECONDS, SLOW_SHARE = 1.0, 0.5
MOST_PATIENCE = 8.0


class Reading:
    """The manifest of one presentation as it was read last."""

    def __init__(
        self,
        uri: str,
        scope: Scope,
        fetcher: Fetcher,
        limits: FetchLimits,
        told: Told,
        clock: Callable[[], float],
    ) -> None:
        self._uri, self._scope, self._fetcher, self._limits = uri, scope, fetcher, limits
        self._told, self._clock = told, clock
        self._read: tuple[Fetched, Manifest] | None = None
        self._failures = 0
        self._slow = 0
        self.read_at = 0.0
        """On the local clock."""
        self.was_read = False
        """Whether the last call read it, changed or not."""
        self.was_older = False
        """Whether the last one read was older than the one before, and passed over."""

    @property
    def is_first(self) -> bool:
        return self._read is None

    @property
    def fetched(self) -> Fetched:
        assert self._read is not None
        return self._read[0]

    @property
    def manifest(self) -> Manifest:
        assert self._read is not None
        return self._read[1]

    @property
    def source(self) -> Source:
        return self._source(self.fetched)

    @property
    def patience(self) -> float:
        """By how much to wait longer than usual."""
        return min(MOST_PATIENCE, 2.0**self._failures)

    def read(self, is_due: bool) -> bool:
        """Read the manifest where that is due; return whether it is another one than before.

        Raises Rejected, Transient where there is none to go on with, or too often in a row.
        """
        self.was_read = False
        if not is_due:
            return False
        self.read_at = self._clock()
        known = None if self._read is None else self._read[0]
        try:
            found = self._fetcher.fetch_if_changed(Resource(uri=self._uri), known)
            manifest = None if found is None else parse(found.data, found.uri)
        except (Rejected, Transient) as exc:
            if self._read is None:
                raise
            self._failed(exc)
            return False
        self._succeeded(found)
        self.was_read = True
        self.was_older = manifest is not None and self._read is not None and _is_older(manifest, self._read[1])
        self._tell_older()
        if found is None or manifest is None or self.was_older:
            return False
        self._read = found, manifest
        return True

    def _source(self, fetched: Fetched) -> Source:
        return Source(fetched.data, fetched.uri, self._scope, self._fetcher, self._limits)

    def _tell_older(self) -> None:
        kind = ManifestFindingKind.SEQUENCE_WENT_BACK
        if self.was_older:
            self._told.begin(
                None,
                kind,
                f"{shown(self._uri)}: a manifest that was published before the one that was read last (publishTime), "
                "passed over; does a cache lag behind?",
                key="copy",
                about=f"copy-{self.manifest.timing.published_seconds or 0:.0f}",
                severity=Severity.INFO,
            )
        else:
            self._told.over(None, kind, key="copy")

    def _failed(self, error: Rejected | Transient) -> None:
        self._failures += 1
        is_bad = isinstance(error, Rejected) and error.reason in ("bad_playlist", "empty")
        kind = ManifestFindingKind.BAD_PLAYLIST if is_bad else ManifestFindingKind.FAILING_ORIGIN
        self._told.begin(
            None,
            kind,
            f"the manifest cannot be read: {error}",
            about=f"{self.read_at:.0f}",
            severity=Severity.CRITICAL,
            cdn=host_of(self._uri) or None,
        )
        if isinstance(error, NotAllowed) or self._failures >= MOST_FAILURES:
            raise Transient(f"{error} (readings in a row: {self._failures})") from error

    def _succeeded(self, found: Fetched | None) -> None:
        self._failures = 0
        self._told.over(None, ManifestFindingKind.BAD_PLAYLIST)
        self._told.over(None, ManifestFindingKind.FAILING_ORIGIN)
        if found is None or self._read is None:
            return
        segment_seconds = self._read[1].timing.segment_seconds or 0.0
        # One that takes longer than a segment lasts costs a player its buffer: no other is waited for.
        if found.seconds > max(SLOW_LEAST_SECONDS, segment_seconds):
            self._slow = SLOW_READINGS
        elif found.seconds > max(SLOW_LEAST_SECONDS, SLOW_SHARE * segment_seconds):
            self._slow += 1
        else:
            self._slow = 0
        if self._slow >= SLOW_READINGS:
            self._told.begin(
                None,
                ManifestFindingKind.SLOW_ORIGIN,
                f"{shown(self._uri)}: {found.seconds:.1f} s for the manifest; expected is less than half a segment",
                about=f"{self.read_at:.0f}",
                cdn=host_of(self._uri) or None,
            )
        elif self._slow == 0:
            self._told.over(None, ManifestFindingKind.SLOW_ORIGIN)


def _is_older(manifest: Manifest, than: Manifest) -> bool:
    """Whether a manifest was published before another, and not by a packager that started anew."""
    ours, theirs = manifest.timing.published_seconds, than.timing.published_seconds
    same_start = manifest.availability_start_seconds == than.availability_start_seconds
    return ours is not None and theirs is not None and same_start and manifest.dynamic and 0 < theirs - ours < 60
