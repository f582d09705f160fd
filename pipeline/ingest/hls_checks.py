"""What is checked of a live HLS presentation at every look, beside what each playlist tells of itself."""

from collections import OrderedDict
from collections.abc import Callable

from pipeline.ingest.access import shown
from pipeline.ingest.hls_playlist import Entry
from pipeline.ingest.hls_rung import Rung
from pipeline.ingest.told import Told
from schemas import ManifestFindingKind, Severity, TimeBasis

# RFC 8216 6.2.1 allows 1.5 between two changes; some more, since clocks and the network are not exact.
STALE_TARGETS = 1.75
SLOW_LEAST_SECONDS, SLOW_TARGETS, SLOW_RELOADS = 1.0, 0.5, 3
NUMBERS_KEPT = 256


class Checks:
    def __init__(self, told: Told, clock: Callable[[], float], uri: str) -> None:
        """`uri`: of the presentation."""
        self._told, self._clock, self._uri = told, clock, uri
        self._numbers: OrderedDict[int, tuple[int, float, str]] = OrderedDict()
        """Number -> discontinuity sequence, start, and the rendition that was there first."""

    def stale(self, rung: Rung) -> None:
        kind, follower = ManifestFindingKind.STALE, rung.follower
        if rung.ended or rung.failures or rung.loads < 2 or not rung.unchanged:
            if not rung.unchanged or rung.ended:
                self._told.over(rung.rendition_id, kind)
            return
        if self._told.lasts(rung.rendition_id, ManifestFindingKind.SEQUENCE_WENT_BACK, key="copy"):
            # What a cache holds is no newer, and that is told.
            return
        # Up to when it was looked at: where another rung's answer takes long, nobody knows of what comes meanwhile.
        still = rung.seen_at - rung.moved_at
        # Segments that are longer than promised come less often than that.
        longest = max((entry.duration_seconds or 0.0 for entry in follower.listed), default=0.0)
        every = max(follower.target_seconds, longest)
        if still > STALE_TARGETS * every:
            self._told.begin(
                rung.rendition_id,
                kind,
                f"{shown(rung.uris[0])}: nothing new for {still:.1f} s, since segment {follower.last_number}; expected "
                f"is a segment every {every:g} s: check the encoder and the packager",
                about=str(follower.last_number),
                severity=Severity.CRITICAL,
                number=follower.last_number,
            )

    def slow(self, rung: Rung) -> None:
        if not rung.seconds:
            return
        most = max(SLOW_LEAST_SECONDS, SLOW_TARGETS * rung.follower.target_seconds)
        # One that takes longer than a segment lasts costs a player its buffer: no other is waited for.
        much = max(SLOW_LEAST_SECONDS, rung.follower.target_seconds)
        step = SLOW_RELOADS if rung.seconds > much else 1 if rung.seconds > most else -1
        rung.slow = min(max(rung.slow + step, 0), SLOW_RELOADS)
        kind = ManifestFindingKind.SLOW_ORIGIN
        if rung.slow == SLOW_RELOADS:
            self._told.begin(
                rung.rendition_id,
                kind,
                f"{shown(rung.uris[0])}: a reload of the playlist takes {rung.seconds:.1f} s; "
                f"expected is less than {most:g} s",
                cdn=rung.host[:256] or None,
            )
        elif not rung.slow:
            self._told.over(rung.rendition_id, kind)
        rung.seconds = 0.0

    def discontinuity(self, rung: Rung, entry: Entry, start: float) -> None:
        first = self._numbers.get(entry.number)
        if first is None or first[2] == rung.rendition_id:
            self._numbers[entry.number] = (entry.discontinuity_sequence, start, rung.rendition_id)
            while len(self._numbers) > NUMBERS_KEPT:
                self._numbers.popitem(last=False)
            return
        discontinuity, other_start, other = first
        # Of other content under the same number nothing can be said.
        if abs(start - other_start) > rung.follower.target_seconds / 2:
            return
        kind = ManifestFindingKind.DISCONTINUITY_MISMATCH
        if discontinuity == entry.discontinuity_sequence:
            self._told.over(rung.rendition_id, kind)
            return
        self._told.begin(
            rung.rendition_id,
            kind,
            f"segment {entry.number} has discontinuity sequence {entry.discontinuity_sequence}, and {discontinuity} in "
            f"{other}; expected is the same in all renditions: players that switch there lose their clock",
            about=str(entry.number),
            number=entry.number,
        )

    def aligned(self, aligned_by: TimeBasis | None, renditions: int) -> None:
        kind = ManifestFindingKind.NOT_ALIGNED
        if aligned_by is not None or renditions < 2:
            self._told.over(None, kind)
            return
        self._told.begin(
            None,
            kind,
            f"{shown(self._uri)}: no wall clock (EXT-X-PROGRAM-DATE-TIME) in every rendition, and no segment numbers "
            "in common: the renditions cannot be aligned, and are not compared; state the wall clock",
        )
