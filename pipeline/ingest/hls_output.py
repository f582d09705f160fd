"""From new entries with a place in time to segments: labelled, with what is passed over told."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pipeline.errors import BadPlaylist, NotAllowed
from pipeline.ingest.access import Access, Scope
from pipeline.ingest.decrypt import can_clear
from pipeline.ingest.hls_ads import AdBreaks
from pipeline.ingest.hls_axis import Axis
from pipeline.ingest.hls_checks import Checks
from pipeline.ingest.hls_playlist import Entry
from pipeline.ingest.hls_rung import Loaded, Rung
from pipeline.ingest.hls_segment import Addresses
from pipeline.ingest.hls_tags import wall_clock
from pipeline.ingest.names import host_of
from pipeline.ingest.source import Refusals
from pipeline.ingest.told import Told
from schemas import ManifestFindingKind, Segment, Severity, TimeBasis


class Output:
    """Makes the segments of one presentation."""

    def __init__(
        self, access: Access, scope: Scope, axis: Axis, told: Told, checks: Checks, clock: Callable[[], float]
    ) -> None:
        self._access, self._scope = access, scope
        self._axis, self._told, self._checks, self._clock = axis, told, checks, clock
        self._ads = AdBreaks()

    def segments(self, rung: Rung, found: Loaded, starts: Sequence[float | None], basis: TimeBasis) -> list[Segment]:
        """Return the segments of what a reload brought. `starts`: of its fresh entries; None: not to be given out."""
        media_time = basis is TimeBasis.MEDIA_TIME
        self._take_ads(rung, found, starts, media_time=media_time)
        addresses, refusals = Addresses(self._access, self._scope, found.uri), Refusals(found.uri)
        track = None if media_time else self._axis.tracks.get(rung.rendition_id)
        listed_seconds = _Listed(found, rung.follower.target_seconds)
        segments: list[Segment] = []
        for entry, start in zip(found.step.fresh, starts, strict=True):
            if start is None or not self._is_scored(rung, entry):
                continue
            if track is not None and track.numbered:
                self._checks.discontinuity(rung, entry, start)
            try:
                segment = addresses.segment(
                    entry,
                    rung.rendition_id,
                    start,
                    basis,
                    label=self._ads.label(start, entry.duration_seconds or rung.follower.target_seconds),
                    cdn=_cdn(rung, found.uri, entry.uri),
                    expires_at=self._leaves_at(listed_seconds, entry),
                )
            except NotAllowed as exc:
                refusals.add(exc)
                continue
            except BadPlaylist as exc:
                self._told.begin(rung.rendition_id, ManifestFindingKind.BAD_PLAYLIST, f"{exc}", key="segment")
                continue
            segments.append(segment)
        for _, error in refusals.problems():
            self._told.begin(rung.rendition_id, ManifestFindingKind.BAD_PLAYLIST, f"{error}", key="refused")
        return segments

    def _leaves_at(self, listed: "_Listed", entry: Entry) -> datetime | None:
        """Return when a segment leaves the list, where new ones push it out at the pace at which they are played."""
        seconds = listed.until(entry.number)
        return None if seconds is None else datetime.fromtimestamp(self._clock() + seconds, UTC)

    def _is_scored(self, rung: Rung, entry: Entry) -> bool:
        if entry.gap:
            self._told.begin(
                rung.rendition_id,
                ManifestFindingKind.MISSING_SEGMENT,
                f"segment {entry.number} is marked as a gap (EXT-X-GAP): passed over; the packager has nothing there",
                key="gap",
                about=f"gap-{entry.number}",
                number=entry.number,
            )
            return False
        self._told.over(rung.rendition_id, ManifestFindingKind.MISSING_SEGMENT, key="gap")
        hidden = next((key for key in (entry.key, entry.init_key) if key is not None and not can_clear(key)), None)
        if hidden is not None:
            self._told.begin(
                rung.rendition_id,
                ManifestFindingKind.ENCRYPTED,
                f"encrypted ({hidden.method}): not scored, from segment {entry.number} on; "
                "score the clear output of the encoder, before it is encrypted",
                about=str(entry.number),
                severity=Severity.INFO,
                number=entry.number,
            )
            return False
        self._told.over(rung.rendition_id, ManifestFindingKind.ENCRYPTED)
        return True

    def _take_ads(self, rung: Rung, found: Loaded, starts: Sequence[float | None], *, media_time: bool) -> None:
        fresh = found.step.fresh
        known = {entry.number: start for entry, start in zip(fresh, starts, strict=True) if start is not None}
        for entry in fresh:
            if entry.cues and (at := known.get(entry.number)) is not None:
                self._ads.cues(entry.cues, at, entry.duration_seconds or rung.follower.target_seconds)
        track = self._axis.tracks.get(rung.rendition_id)
        end = track.end_seconds if track is not None and track.end_seconds is not None else 0.0
        for date_range in found.media.date_ranges:
            stated, _ = wall_clock(date_range.attributes.get("START-DATE", ""))
            here = known.get(date_range.number, end)
            start = None
            if stated is not None and media_time:
                start = _in_media_time(stated, fresh)
            elif stated is not None and track is not None:
                start = self._axis.wall_clock(rung.rendition_id, stated)
            self._ads.date_range(dict(date_range.attributes), here if start is None else start, here)


class _Listed:
    """How long the segments of a listing last, summed up on first use."""

    def __init__(self, found: Loaded, target_seconds: float) -> None:
        self._found, self._target_seconds = found, target_seconds
        self._sums: dict[int, float] = {}

    def until(self, number: int) -> float | None:
        """Return the seconds from the start of the list to the end of a segment; None: the list keeps everything."""
        media = self._found.media
        if media.ended or media.playlist_type == "EVENT":
            return None
        if not self._sums:
            total = 0.0
            for entry in media.listed:
                total += entry.duration_seconds or self._target_seconds
                self._sums[entry.number] = total
        return self._sums.get(number)


def _cdn(rung: Rung, base: str, reference: str) -> str | None:
    if not rung.has_other_hosts:
        return None
    try:
        return (host_of(reference) or host_of(base))[:256] or None
    except ValueError:
        return None


def _in_media_time(stated: float, entries: Sequence[Entry]) -> float | None:
    anchor = next((entry for entry in entries if entry.date_time_seconds is not None), None)
    if anchor is None or anchor.date_time_seconds is None:
        return None
    return stated - anchor.date_time_seconds + anchor.offset_seconds
