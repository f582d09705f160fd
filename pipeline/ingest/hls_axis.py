"""Where the segments of a live HLS presentation lie in time, whatever its playlists say of the clock."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.ingest.hls_playlist import Entry
from pipeline.ingest.hls_skew import Place, compare, declared_starts, newest_end, place_of
from pipeline.ingest.told import Told
from schemas import ManifestFindingKind, Severity, TimeBasis

DAY_SECONDS = 86_400.0
# Without a time zone: local time, which is off by half-hours.
ZONE_STEP_SECONDS, ZONE_SLACK_SECONDS = 1800.0, 600.0
# Media cannot be from the future; clocks that are kept at all agree to this.
FUTURE_SECONDS = 60.0
# Below this a wall clock and the durations agree: rounding, and encoders that count in whole pictures.
LEAST_TOLERANCE_SECONDS, TOLERANCE_TARGETS = 0.5, 0.5
# Without a wall clock: how far the sum of durations may fall behind the time that passes, or run ahead of it.
LEAST_LAG_SECONDS, LAG_TARGETS = 10.0, 2.0
SHORTEST_STEP_SHARE = 0.5
# A packager that began anew lists what it still has: so far back it is a repeat, further back another clock.
REPEAT_SECONDS = 60.0
QUIET_SEGMENTS = 30
CORRECTIONS_KEPT = 16
SPARE_PLACES = 256


@dataclass(slots=True)
class Track:
    """One rendition on the axis."""

    rendition_id: str
    end_seconds: float | None = None
    """Of the last segment that has a place; the next one is expected there. None: none has."""
    start_seconds: float = 0.0
    duration_seconds: float = 0.0
    discontinuity: int = 0
    correction_seconds: float | None = None
    """What is added to its wall clock; None: as for all."""
    has_clock: bool = False
    numbered: bool = True
    """False: its numbers are not those of the other renditions."""
    lag_seconds: float | None = None
    """From the end of the newest segment to the moment at which it was seen, at first."""
    drift_from: tuple[float, float] | None = None
    """(wall clock, sum of durations) from which drift is measured."""
    durations_seconds: float = 0.0
    quiet: int = 0
    """Segments since a drift was told."""


class Axis:
    """The time axis that all renditions share. What has a place is never moved."""

    def __init__(self, told: Told, clock: Callable[[], float]) -> None:
        self.basis = TimeBasis.SEQUENCE
        self.base_seconds: float | None = None
        """What is added to every wall clock: 0 where it can be believed. None: not looked at yet."""
        self.tracks: dict[str, Track] = {}
        self._told = told
        self._clock = clock
        self._away: dict[str, Track] = {}
        self._places: OrderedDict[Place, tuple[float, str]] = OrderedDict()
        """Start, and the rendition that was there first."""
        self._most_places = SPARE_PLACES
        self._corrections: list[float] = []
        self._lag_seconds: float | None = None

    @property
    def aligned_by(self) -> TimeBasis | None:
        """How the renditions find each other; None: they cannot."""
        if self.basis is TimeBasis.SEQUENCE and not all(track.numbered for track in self.tracks.values()):
            return None
        return self.basis

    def begin(self, listings: Mapping[str, Sequence[Entry]], *, zoneless: bool) -> None:
        """Take in renditions with all that they list. Later ones join by a call of their own."""
        is_first = not self.tracks and not self._away
        for rendition_id, entries in listings.items():
            track = self.tracks[rendition_id] = self._away.pop(rendition_id, Track(rendition_id))
            track.has_clock = any(entry.date_time_seconds is not None for entry in entries)
            if not is_first:
                track.numbered = any(place_of(entry) in self._places for entry in entries) or not self._places
        if self.base_seconds is None:
            ends = [end for entries in listings.values() if (end := newest_end(entries)) is not None]
            if ends:
                self.base_seconds = self._base(max(ends), zoneless)
        if self.base_seconds is not None and not self._corrections:
            self._corrections.append(self.base_seconds)
        if is_first:
            clocks = compare(listings)
            for rendition_id in clocks.numbered_otherwise:
                self.tracks[rendition_id].numbered = False
            for rendition_id, skew in clocks.skews_seconds.items():
                self._set_right(self.tracks[rendition_id], skew)
        for track in self.tracks.values():
            if track.correction_seconds is None:
                track.correction_seconds = self.base_seconds
        every = all(track.has_clock for track in self.tracks.values())
        self.basis = TimeBasis.PROGRAM_DATE_TIME if every else TimeBasis.SEQUENCE

    def go_on(self, tracks: Mapping[str, Track], base_seconds: float | None) -> None:
        """Take over from an earlier process."""
        self.base_seconds = base_seconds
        for rendition_id, track in tracks.items():
            self._away[rendition_id] = track

    def leave(self, rendition_id: str) -> None:
        """Leave a rendition out until it is back."""
        track = self.tracks.pop(rendition_id, None)
        if track is not None:
            self._away[rendition_id] = track

    def place(
        self,
        rendition_id: str,
        fresh: Sequence[Entry],
        target_seconds: float,
        *,
        missed: int = 0,
        restarted: bool = False,
    ) -> list[float | None]:
        """Return the start of every new segment of a rendition, in order; None: it repeats what was there.

        `missed`: segments that came and went unseen before the first. `restarted`: the first follows
        whatever was before.
        """
        track, now = self.tracks[rendition_id], self._clock()
        rest = sum(entry.duration_seconds or target_seconds for entry in fresh)
        repeats_until = track.end_seconds if restarted and track.has_clock else None
        if track.end_seconds is None:
            track.end_seconds = self._anchor(track, fresh, now - rest)
        else:
            track.end_seconds += missed * (track.duration_seconds or target_seconds)
        starts: list[float | None] = []
        # The first follows something unknown.
        free = restarted or missed > 0 or not track.duration_seconds
        for entry in fresh:
            duration = entry.duration_seconds or target_seconds
            if repeats_until is not None and _repeats(track, entry, duration, repeats_until, rest):
                starts.append(None)
                rest -= duration
                continue
            free = free or entry.discontinuity_sequence != track.discontinuity
            if free:
                # How long what is not known lasted is not known either: drift is measured from here on.
                track.drift_from = None
            start = self._step(track, entry, _Moment(rest, now, target_seconds, free))
            free = False
            rest -= duration
            track.discontinuity = entry.discontinuity_sequence
            track.durations_seconds += duration
            track.start_seconds, track.duration_seconds, track.end_seconds = start, duration, start + duration
            starts.append(start)
        self._look_back(track, len(fresh), now)
        return starts

    def wall_clock(self, rendition_id: str, seconds: float) -> float | None:
        """Return where on the axis a date of a rendition's playlist lies; None: it has no clock."""
        track = self.tracks[rendition_id]
        return seconds + (track.correction_seconds or 0.0) if track.has_clock else None

    def _look_back(self, track: Track, count: int, now: float) -> None:
        if count and track.end_seconds is not None:
            lag = now - track.end_seconds
            track.lag_seconds = lag if track.lag_seconds is None else track.lag_seconds
            self._lag_seconds = lag if self._lag_seconds is None else 0.8 * self._lag_seconds + 0.2 * lag
        self._most_places = max(self._most_places, 2 * count + SPARE_PLACES)
        while len(self._places) > self._most_places:
            self._places.popitem(last=False)

    def _base(self, end: float, zoneless: bool) -> float:
        off = self._clock() - end
        steps = round(off / ZONE_STEP_SECONDS)
        if zoneless and steps and abs(off - steps * ZONE_STEP_SECONDS) <= ZONE_SLACK_SECONDS:
            return steps * ZONE_STEP_SECONDS
        if -FUTURE_SECONDS <= off <= DAY_SECONDS:
            return 0.0
        far = abs(off) > DAY_SECONDS
        amount = f"{abs(off) / DAY_SECONDS:.1f} days" if far else f"{abs(off):.0f} s"
        self._told.begin(
            None,
            ManifestFindingKind.CLOCK_SKEW,
            f"EXT-X-PROGRAM-DATE-TIME of the newest segment is {amount} {'behind' if off > 0 else 'ahead of'} the "
            f"clock of this machine{'; it is not believed, and the newest segment taken for now' if far else ''}; "
            "check the clock of the encoder",
            key="wall",
        )
        return off if far else 0.0

    def _set_right(self, track: Track, skew: float) -> None:
        if track.end_seconds is None:
            track.correction_seconds = (self.base_seconds or 0.0) - skew
        self._tell_skew(track, skew, "; corrected for comparing")

    def _anchor(self, track: Track, fresh: Sequence[Entry], otherwise: float) -> float:
        """Return where the first segment of a rendition is expected."""
        starts = declared_starts(fresh) if track.has_clock else None
        if starts is not None:
            return starts[0] + (track.correction_seconds or 0.0)
        ahead = 0.0
        for entry in fresh:
            if track.numbered and (known := self._places.get(place_of(entry))) is not None:
                return known[0] - ahead
            ahead += entry.duration_seconds or 0.0
        # Nobody says when it was: the newest segment has just been finished.
        return otherwise

    def _step(self, track: Track, entry: Entry, moment: "_Moment") -> float:
        expected = track.end_seconds if track.end_seconds is not None else moment.now - moment.rest
        first = self._places.get(place_of(entry)) if track.numbered else None
        if track.has_clock:
            stated = entry.date_time_seconds
            start = expected if stated is None else self._by_clock(track, entry, stated, expected, moment)
        elif first is not None:
            start = first[0]
        else:
            start = _kept_to_now(track, expected, moment)
        # In order of time within a rendition, whatever is declared.
        if track.duration_seconds:
            start = max(start, track.start_seconds + min(0.001, track.duration_seconds))
        if first is None:
            if track.numbered:
                self._places[place_of(entry)] = (start, track.rendition_id)
        elif first[1] != track.rendition_id:
            self._check_skew(track, entry, start - first[0], moment.tolerance)
        return start

    def _by_clock(self, track: Track, entry: Entry, stated: float, expected: float, moment: "_Moment") -> float:
        correction = track.correction_seconds or 0.0
        candidate = stated + correction
        gap = candidate - expected
        if abs(gap) <= moment.tolerance:
            self._check_drift(track, entry, stated, moment.tolerance)
            return candidate
        track.drift_from = None
        for known in self._corrections:
            if known != correction and abs(stated + known - expected) <= moment.tolerance:
                # What jumped comes back, or another rendition has jumped alike.
                track.correction_seconds = known
                if known == self.base_seconds:
                    self._told.over(track.rendition_id, ManifestFindingKind.TIME_JUMP, key="jump")
                    self._told.over(track.rendition_id, ManifestFindingKind.CLOCK_SKEW, key="skew")
                else:
                    self._tell_jump(track, entry, gap)
                return stated + known
        if 0 < gap <= DAY_SECONDS and (moment.free or self._has_passed(candidate, expected, moment)):
            if not moment.free:
                self._told.once(
                    track.rendition_id,
                    ManifestFindingKind.TIME_JUMP,
                    f"EXT-X-PROGRAM-DATE-TIME jumps ahead by {gap:.1f} s at segment {entry.number}, and so much time "
                    "has passed: nothing was published meanwhile; expected is EXT-X-DISCONTINUITY there",
                    about=f"gap-{entry.number}",
                    number=entry.number,
                )
            return candidate
        # The media goes on, its clock does not: what is published stays, and the clock is corrected from here on.
        track.correction_seconds = expected - stated
        self._corrections = [*self._corrections[:1], *self._corrections[1:][-CORRECTIONS_KEPT:], expected - stated]
        self._tell_jump(track, entry, gap)
        return expected

    def _has_passed(self, candidate: float, expected: float, moment: "_Moment") -> bool:
        """Return whether the time that a clock jumped ahead has really passed, by our own clock."""
        if self._lag_seconds is None:
            return True
        usual_end = moment.now - self._lag_seconds - moment.rest
        return abs(usual_end - candidate) < abs(usual_end - expected)

    def _tell_jump(self, track: Track, entry: Entry, gap: float) -> None:
        kind = ManifestFindingKind.TIME_JUMP
        self._told.over(track.rendition_id, kind, key="jump")
        self._told.begin(
            track.rendition_id,
            kind,
            f"EXT-X-PROGRAM-DATE-TIME jumps by {gap:+.1f} s at segment {entry.number}, while the segments go on; "
            "points stay on the clock of before; expected is that the wall clock and the durations agree",
            key="jump",
            about=str(entry.number),
            number=entry.number,
        )

    def _check_drift(self, track: Track, entry: Entry, stated: float, tolerance: float) -> None:
        kind = ManifestFindingKind.TIME_JUMP
        if track.drift_from is None:
            track.drift_from = (stated, track.durations_seconds)
            return
        passed, lasted = stated - track.drift_from[0], track.durations_seconds - track.drift_from[1]
        if abs(passed - lasted) > tolerance:
            self._told.begin(
                track.rendition_id,
                kind,
                f"EXT-X-PROGRAM-DATE-TIME drifts against the durations: {passed - lasted:+.2f} s over {lasted:.0f} s, "
                f"up to segment {entry.number}; expected is that EXTINF states what a segment really lasts",
                key="drift",
                about=f"drift-{entry.number}",
                severity=Severity.INFO,
                number=entry.number,
            )
            track.drift_from, track.quiet = (stated, track.durations_seconds), 0
            return
        track.quiet += 1
        if track.quiet >= QUIET_SEGMENTS and abs(passed - lasted) < tolerance / 4:
            self._told.over(track.rendition_id, kind, key="drift")

    def _check_skew(self, track: Track, entry: Entry, difference: float, tolerance: float) -> None:
        if abs(difference) > tolerance:
            self._tell_skew(track, difference, f" at segment {entry.number}")
        elif abs(difference) < tolerance / 2 and track.correction_seconds in self._corrections:
            self._told.over(track.rendition_id, ManifestFindingKind.CLOCK_SKEW, key="skew")

    def _tell_skew(self, track: Track, skew: float, more: str) -> None:
        self._told.begin(
            track.rendition_id,
            ManifestFindingKind.CLOCK_SKEW,
            f"EXT-X-PROGRAM-DATE-TIME is {skew:+.2f} s off from the other renditions for the same segments{more}; "
            "expected is that all state the same time for the same content",
            key="skew",
        )


@dataclass(frozen=True, slots=True)
class _Moment:
    """When a segment is given its place."""

    rest: float
    """Seconds of media from its start to the end of the playlist."""
    now: float
    target: float
    free: bool
    """It follows something unknown: time may have passed."""

    @property
    def tolerance(self) -> float:
        return max(LEAST_TOLERANCE_SECONDS, TOLERANCE_TARGETS * self.target)


def _repeats(track: Track, entry: Entry, duration: float, end: float, listed: float) -> bool:
    if entry.date_time_seconds is None:
        return False
    start = entry.date_time_seconds + (track.correction_seconds or 0.0)
    return end - listed - REPEAT_SECONDS < start < end - duration / 2


def _kept_to_now(track: Track, expected: float, moment: _Moment) -> float:
    """Return a start where no clock is stated: durations carry it on, and the time that passes corrects them."""
    if track.lag_seconds is None:
        return expected
    slack = max(LEAST_LAG_SECONDS, LAG_TARGETS * moment.target)
    behind = moment.now - track.lag_seconds - (expected + moment.rest)
    if behind > slack:
        return expected + behind
    if behind < -slack:
        return max(expected + behind, track.start_seconds + SHORTEST_STEP_SHARE * track.duration_seconds)
    return expected
