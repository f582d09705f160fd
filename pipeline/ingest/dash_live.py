"""Follows a DASH manifest: what is new by its clock, on a time axis that does not move, and what is wrong with it."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.errors import Rejected, Transient
from pipeline.ingest.access import Scope, absolute, as_path, is_remote, shown
from pipeline.ingest.dash import read_dash, without_video
from pipeline.ingest.dash_addressing import is_by_number, listed_span
from pipeline.ingest.dash_axis import LAG_SECONDS, Axis, Placed, keys_of
from pipeline.ingest.dash_clock import ServerClock
from pipeline.ingest.dash_events import Mark, breaks
from pipeline.ingest.dash_growth import GREATEST_UPDATE_SECONDS, Growth, audio_video_apart
from pipeline.ingest.dash_inband import read_inband
from pipeline.ingest.dash_manifest import Manifest
from pipeline.ingest.dash_new import New, NewSegments, until_seconds
from pipeline.ingest.dash_reading import Reading
from pipeline.ingest.dash_rungs import Listed, Rung, Rungs
from pipeline.ingest.dash_segments import Locations, SegmentMaker, label_of
from pipeline.ingest.fetch import Fetcher
from pipeline.ingest.presentation import Update
from pipeline.ingest.source import Source
from pipeline.ingest.stream import Failure
from pipeline.ingest.told import Told
from pipeline.settings import FetchLimits
from schemas import Ladder, ManifestFindingKind, Segment, Severity, TimeBasis

START_BACK_SECONDS = 10.0
SHORTEST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 30.0
# Between looks for what should be there by now.
IMPATIENT_SHARE = 0.25
IMPATIENT_LEAST_SECONDS = 0.5
# A clock that is off by less only costs as much delay.
WRONG_CLOCK_SECONDS = 60.0
MARKS_KEPT = 2048
USUAL_SECONDS = 2.0


class DashPresentation:
    """Implements `Presentation`. `failed` may be called by any thread, everything else by one."""

    def __init__(
        self,
        address: str,
        stream_id: str,
        fetcher: Fetcher,
        limits: FetchLimits,
        scope: Scope | None = None,
        *,
        clock: Callable[[], float] = time.time,
        start_back_seconds: float = START_BACK_SECONDS,
    ) -> None:
        """
        Args:
            address: Of the manifest: URL, path or ``file:`` URI.
            stream_id: Of the stream.
            fetcher: Reads it; what it may read is decided there.
            limits: Of what is read.
            scope: What the manifest may point to; None: its own host, or below its own folder.
            clock: Seconds since the epoch on this machine.
            start_back_seconds: How much of what lies before the live edge is new on the first look.
        """
        if scope is None:
            scope = (
                fetcher.access.admit_url(address)
                if is_remote(address)
                else fetcher.access.admit_folder(absolute(as_path(address)).parent)
            )
        self._uri = address if is_remote(address) else absolute(as_path(address)).as_uri()
        self._stream_id, self._local, self._start_back_seconds = stream_id, clock, start_back_seconds
        self._told = Told(stream_id, clock)
        self._clock = ServerClock(clock)
        self._reading = Reading(self._uri, scope, fetcher, limits, self._told, clock)
        self._axis = Axis(self._told)
        self._rungs = Rungs(stream_id, self._uri, self._told)
        self._new = NewSegments(self._told)
        self._growth = Growth(self._told)
        self._locations = Locations(self._told, clock)
        self._failures: deque[tuple[Segment, Failure]] = deque(maxlen=1024)
        self._marks: dict[tuple[float, int | None, bool], Mark] = {}
        self._placed: tuple[Placed, ...] = ()
        self._ladder: Ladder | None = None
        self._from_seconds: float | None = None
        self._trusts_listing = False
        self._assets: tuple[str, ...] | None = None
        self._has_looked = False
        self._is_over = False
        self._all: Update | None = None

    def look(self) -> Update:
        """See `Presentation.look`."""
        is_new = self._reading.read(self._is_due)
        manifest, source = self._reading.manifest, self._reading.source
        if self._all is not None:
            return replace(self._all, segments=(), findings=self._told.take(), notes=())
        if not self._has_looked and not manifest.dynamic:
            self._all = self._all_of(source)
            return self._all
        if self._reading.was_read:
            self._clock.sync(manifest, source, self._reading.fetched)
        if is_new:
            self._take(manifest)
        assert self._ladder is not None
        if self._reading.was_read and not self._reading.was_older:
            self._growth.read(manifest, self._rungs.listed, self._local())
        while self._failures:
            self._locations.failed(*self._failures.popleft())
        segments = self._segments(manifest, source)
        self._is_over = self._is_over or not manifest.dynamic or self._has_ended(manifest)
        notes = () if self._has_looked else self._notes(manifest)
        self._has_looked = True
        return Update(
            ladder=self._ladder,
            aligned_by=_basis(manifest),
            segments=tuple(segments),
            findings=self._told.take([rung.rendition_id for rung in self._rungs.listed]),
            is_live=not self._is_over,
            is_over=self._is_over,
            wait_seconds=self._wait_seconds(manifest),
            notes=notes,
        )

    def failed(self, segment: Segment, error: Failure) -> None:
        """Tell that a segment could not be had for good: a finding of the next look, and after some, another CDN."""
        self._failures.append((segment, error))

    def close(self) -> None:
        self._failures.clear()

    @property
    def clock_source(self) -> str:
        """Which clock availability is judged by, in words."""
        return self._clock.source

    # What a manifest says as a whole.

    def _take(self, manifest: Manifest) -> None:
        if not any(r.video for period in manifest.periods for r in period.representations):
            raise without_video(manifest, shown(self._uri))
        now = self._clock.now()
        keys = keys_of(manifest)
        listed_ends = {
            key: max(spans)
            for key, period in keys
            if (spans := [s[1] for r in period.representations if r.video and (s := listed_span(r, period))])
        }
        back = self._gone_back(manifest, listed_ends, now)
        self._placed, anew = self._axis.place(manifest, back, listed_ends, now)
        self._tell_gone_back(back, anew)
        if anew:
            self._new.clear()
            self._growth.start_anew()
            self._from_seconds = None
        self._new.keep({placed.key for placed in self._placed})
        for placed in self._placed:
            for stream in placed.period.events:
                self._mark(mark.moved(placed.zero_seconds) for mark in stream.marks)
        newest = self._newest(now)
        self._ladder = self._rungs.follow(self._placed, newest, is_program=self._is_program(newest))
        self._trust(now)
        self._tell_promises(manifest, newest)

    def _gone_back(self, manifest: Manifest, listed_ends: dict[str, float], now: float) -> dict[str, float]:
        ast = manifest.availability_start_seconds
        published = self._new.ends()
        found = {}
        for key, period in keys_of(manifest):
            if key not in published:
                continue
            end, by_number = published[key]
            if by_number and ast is not None:
                back = end - (now - ast - period.start_seconds)
                if back > LAG_SECONDS:
                    found[key] = back
            elif key in listed_ends and end - listed_ends[key] > 0.5:
                found[key] = end - listed_ends[key]
        return found

    def _tell_gone_back(self, back: dict[str, float], anew: bool) -> None:
        kind = ManifestFindingKind.SEQUENCE_WENT_BACK
        if back and not anew:
            self._told.begin(
                None,
                kind,
                f"the manifest ends {max(back.values()):.1f} s before where it ended; does a cache lag behind?",
                about=f"{max(back):.200}",
            )
        else:
            self._told.over(None, kind)

    def _newest(self, now: float) -> Placed:
        begun = [each for each in self._placed if each.available_seconds is None or each.available_seconds <= now]
        with_segments = [
            each
            for each in begun or self._placed
            if any(r.video and (is_by_number(r) or listed_span(r, each.period)) for r in each.period.representations)
        ]
        return (with_segments or begun or list(self._placed))[-1]

    def _is_program(self, newest: Placed) -> bool:
        if self._assets is None:
            self._assets = newest.period.assets
        at = newest.zero_seconds + 0.1
        in_break = any(start <= at < end for start, end in breaks(list(self._marks.values())))
        return not in_break and newest.period.assets == self._assets

    def _trust(self, now: float) -> None:
        """Where a timeline lists segments and none is to be had by the clock, one of the clocks is wrong."""
        earliest = [
            each.available_seconds + span[0] + span[2] - r.early_seconds
            for each in self._placed
            for r in each.period.representations
            if each.available_seconds is not None and r.video and (span := listed_span(r, each.period))
        ]
        ahead = min(earliest, default=-math.inf) - now
        self._trusts_listing = ahead > WRONG_CLOCK_SECONDS
        if self._trusts_listing:
            self._told.begin(
                None,
                ManifestFindingKind.CLOCK_SKEW,
                f"all that is listed lies at least {ahead:.0f} s ahead of {self._clock.source}: followed as it is "
                "listed; correct availabilityStartTime, or the clock (UTCTiming)",
            )
        else:
            self._told.over(None, ManifestFindingKind.CLOCK_SKEW)

    def _tell_promises(self, manifest: Manifest, newest: Placed) -> None:
        most = manifest.timing.segment_seconds
        for rung in self._rungs.listed:
            part = rung.parts[-1]
            span = listed_span(part.representation, part.placed.period)
            kind = ManifestFindingKind.TARGET_DURATION
            if most and span and span[2] > most + 0.5:
                self._told.begin(
                    rung.rendition_id,
                    kind,
                    f"a segment of {span[2]:.1f} s, where maxSegmentDuration promises {most:g} s at most",
                    about=f"{most:g}",
                )
            else:
                self._told.over(rung.rendition_id, kind)
        methods = {
            part.representation.key.method
            for rung in self._rungs.listed
            for part in rung.parts
            if part.representation.key is not None
        }
        for method in sorted(methods):
            self._told.once(
                None,
                ManifestFindingKind.ENCRYPTED,
                f"encrypted ({method}): not scored; score the clear output of the encoder, before it is encrypted",
                about=method,
                severity=Severity.INFO,
            )
        apart = audio_video_apart(newest.period)
        if apart is not None:
            self._told.once(
                None,
                ManifestFindingKind.AUDIO_VIDEO_START,
                f"audio starts {abs(apart):.2f} s {'after' if apart > 0 else 'before'} the pictures",
                about=f"{newest.discontinuity}",
            )

    def _notes(self, manifest: Manifest) -> tuple[str, ...]:
        notes = [*manifest.notes, *self._clock.notes]
        if manifest.dynamic:
            notes.append(f"what is available is judged by {self._clock.source}")
        if len({placed.period.assets for placed in self._placed}) > 1:
            notes.append("periods of other assets: ads are told by SCTE-35 events alone")
        return tuple(notes)

    # What is new.

    def _segments(self, manifest: Manifest, source: Source) -> list[Segment]:
        now = self._clock.now() if manifest.dynamic and not self._trusts_listing else None
        if self._from_seconds is None:
            self._from_seconds = self._edge_seconds(now) - self._start_back_seconds
        new: list[New] = []
        errors: list[Failure] = []
        rungs = [rung for rung in self._rungs.listed if any(part.representation.key is None for part in rung.parts)]
        for rung in rungs:
            try:
                for part in rung.parts:
                    if part.representation.key is None:
                        new += self._of(rung, part, manifest, source, now)
                self._told.over(rung.rendition_id, ManifestFindingKind.BAD_PLAYLIST)
            except (Rejected, Transient) as exc:
                errors.append(exc)
                self._told.begin(rung.rendition_id, ManifestFindingKind.BAD_PLAYLIST, str(exc))
        if errors and not self._has_looked and len(errors) == len(rungs):
            raise errors[0]
        self._mark(read_inband(new, source))
        spans = breaks(list(self._marks.values()))
        maker = SegmentMaker(source, self._locations, _basis(manifest), self._clock, manifest.timing.window_seconds)
        return maker.make(new, spans, self._told)

    def _of(self, rung: Rung, part: Listed, manifest: Manifest, source: Source, now: float | None) -> list[New]:
        assert self._from_seconds is not None
        until = until_seconds(part, now)
        since = self._from_seconds - part.placed.zero_seconds
        depth = manifest.timing.window_seconds
        if depth and now is not None and is_by_number(part.representation):
            # What has left the window is not there any more.
            since = max(since, until - depth)
        chosen = Listed(part.placed, self._locations.chosen(part.representation, source))
        return self._new.of(rung, chosen, source, since, until)

    def _edge_seconds(self, now: float | None) -> float:
        """Return the live edge on the time axis."""
        edges = []
        for rung in self._rungs.listed:
            for part in rung.parts:
                span = listed_span(part.representation, part.placed.period)
                until = until_seconds(part, now)
                first, length = (span[0], span[2]) if span else (0.0, _length_by_number(part))
                if length and not math.isinf(until):
                    # The segment that is being made is not yet at the edge.
                    until -= (until - first) % length
                ends = [until, part.placed.period.duration_seconds or math.inf, span[1] if span else math.inf]
                if min(ends) > 0 and not math.isinf(min(ends)):
                    edges.append(part.placed.zero_seconds + min(ends))
        return max(edges, default=-math.inf)

    def _mark(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            splice = mark.splice
            self._marks[round(mark.at_seconds, 1), splice.event_id, splice.is_out] = mark
        while len(self._marks) > MARKS_KEPT:
            del self._marks[next(iter(self._marks))]

    def _all_of(self, source: Source) -> Update:
        """Return everything of a manifest that will not change."""
        manifest = self._reading.manifest
        draft = read_dash(source)
        spans = breaks(
            [m.moved(p.start_seconds) for p in manifest.periods for stream in p.events for m in stream.marks]
        )
        segments = [
            segment.model_copy(update={"label": label_of(segment.start_seconds, segment.duration_seconds, spans)})
            for _, found in draft.renditions
            for segment in found
            if segment.key is None
        ]
        for origin, error in draft.problems:
            self._told.once(None, ManifestFindingKind.BAD_PLAYLIST, f"{error}", about=origin[-400:])
        for _, found in draft.renditions:
            if found and found[0].key is not None:
                self._told.once(
                    None,
                    ManifestFindingKind.ENCRYPTED,
                    f"encrypted ({found[0].key.method}): not scored; score the clear output of the encoder",
                    about=found[0].key.method,
                    severity=Severity.INFO,
                )
        self._is_over = True
        return Update(
            ladder=draft.stream(self._stream_id).ladder,
            aligned_by=draft.aligned_by,
            segments=tuple(sorted(segments, key=lambda segment: segment.start_seconds)),
            findings=self._told.take(),
            is_live=False,
            is_over=True,
            wait_seconds=LONGEST_WAIT_SECONDS,
            notes=draft.notes,
        )

    # When to look again.

    @property
    def _usual_seconds(self) -> float:
        """Length of the segments of now."""
        found = []
        for rung in self._rungs.listed:
            part = rung.parts[-1]
            span = listed_span(part.representation, part.placed.period)
            length = span[2] if span else _length_by_number(part)
            if length:
                found.append(length)
        return max(0.1, min(found, default=USUAL_SECONDS))

    @property
    def _is_due(self) -> bool:
        """Whether the manifest has to be read again."""
        if self._is_over or self._reading.is_first:
            return self._reading.is_first
        since = self._local() - self._reading.read_at
        update = self._reading.manifest.timing.update_seconds
        if self._growth.last_at is None:
            most = GREATEST_UPDATE_SECONDS if update is None else min(update, GREATEST_UPDATE_SECONDS)
            return since >= max(most, self._usual_seconds)
        return since >= IMPATIENT_LEAST_SECONDS * 0.8

    def _wait_seconds(self, manifest: Manifest) -> float:
        if self._is_over:
            return LONGEST_WAIT_SECONDS
        usual = self._usual_seconds
        impatient = max(IMPATIENT_LEAST_SECONDS, IMPATIENT_SHARE * usual)
        if self._growth.last_at is not None:
            # The next one comes about one segment after the last one came.
            wait = max(impatient, self._growth.last_at + usual - impatient / 2 - self._local())
        else:
            wait = self._next_by_number()
        wait *= self._reading.patience
        return min(max(wait, SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)

    def _next_by_number(self) -> float:
        """Return how long it takes until a segment ends that follows from the clock alone."""
        now = self._clock.now()
        waits = []
        for part in (part for rung in self._rungs.listed for part in rung.parts):
            length, duration = _length_by_number(part), part.placed.period.duration_seconds
            until = until_seconds(part, now)
            if length is None or math.isinf(until) or (duration is not None and until >= duration):
                continue
            last = duration - until if duration is not None else math.inf
            waits.append(min(last, length - until if until < 0 else length - until % length))
        return min(waits, default=self._usual_seconds) + 0.02

    def _has_ended(self, manifest: Manifest) -> bool:
        """Whether a live manifest has said how long it is, and that is over."""
        last = self._placed[-1]
        if last.period.duration_seconds is None or manifest.timing.update_seconds is not None:
            return False
        until = min((until_seconds(Listed(last, r), self._clock.now()) for r in last.period.representations), default=0)
        return until >= last.period.duration_seconds + 2 * self._usual_seconds


def _length_by_number(part: Listed) -> float | None:
    """Return the length of segments that follow from the clock alone; None: they are listed."""
    addressing = part.representation.addressing
    if addressing is None or not addressing.duration or not is_by_number(part.representation):
        return None
    return addressing.duration / addressing.timescale


def _basis(manifest: Manifest) -> TimeBasis:
    return TimeBasis.MEDIA_TIME if manifest.availability_start_seconds is None else TimeBasis.AVAILABILITY
