"""Live HLS behind the seam of live ingest: a ladder of playlists that are read again and again."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from pipeline.errors import Rejected, Transient
from pipeline.ingest.access import Scope, shown
from pipeline.ingest.fetch import Fetcher
from pipeline.ingest.hls_axis import Axis
from pipeline.ingest.hls_checks import Checks
from pipeline.ingest.hls_ladder import FAILURES, HlsLadder, kind_of
from pipeline.ingest.hls_output import Output
from pipeline.ingest.hls_position import Position, resume
from pipeline.ingest.hls_rung import LONGEST_PAUSE_SECONDS, Loaded, Rung
from pipeline.ingest.presentation import Update
from pipeline.ingest.source import one_of
from pipeline.ingest.stream import Failure, Problem
from pipeline.ingest.told import Told
from pipeline.settings import FetchLimits
from schemas import Ladder, ManifestFindingKind, Segment, TimeBasis

START_TARGETS = 3
# Rungs that are due within this share of a target duration are read in one look.
TOGETHER_SHARE = 0.1


class HlsPresentation:
    """One HLS stream as it is published: master playlist, or a media playlist by itself."""

    def __init__(
        self,
        uri: str,
        stream_id: str,
        fetcher: Fetcher,
        limits: FetchLimits,
        scope: Scope,
        *,
        clock: Callable[[], float] = time.time,
        back_seconds: float | None = None,
        low_latency: bool = True,
        follow_parts: bool = False,
        position: Position | None = None,
    ) -> None:
        """
        Args:
            uri: Of the playlist; admitted by the caller.
            stream_id: Of the stream.
            fetcher: Reads what `scope` allows.
            limits: Of playlists.
            scope: What the playlists may point to.
            clock: Seconds since the epoch.
            back_seconds: How far behind the newest segment to begin; None: three target durations for a live list, all
                of a list that keeps everything (VOD, EVENT).
            low_latency: Use what the server offers: reloads that it holds back, and delta updates.
            follow_parts: Ask for every part of a segment, to measure how late it is; a look then mostly waits.
            position: Where an earlier process stopped; None: begin anew.
        """
        self._stream_id, self._uri = stream_id, uri
        self._clock, self._back_seconds, self._position = clock, back_seconds, position
        self._told = Told(stream_id, clock)
        self._axis = Axis(self._told, clock)
        self._checks = Checks(self._told, clock, uri)
        self._output = Output(fetcher.access, scope, self._axis, self._told, self._checks, clock)
        self._rungs = HlsLadder(
            uri,
            scope,
            fetcher,
            limits,
            self._told,
            self._axis,
            clock,
            low_latency=low_latency,
            follow_parts=follow_parts,
        )
        self._ladder: tuple[int, Ladder] | None = None
        self._notes: tuple[str, ...] = ()
        self._begun = False
        self._media_time: TimeBasis | None = None
        """Not None: all there will ever be is listed already, and lies on media time, or on its numbers alone."""
        self._failing_looks = 0
        self._least_part_lag: dict[str, float] = {}
        self._part_late: dict[str, float] = {}

    @property
    def part_late_seconds(self) -> Mapping[str, float]:
        """How much later than promised the newest part was, by `rendition_id`; of low-latency renditions only."""
        return dict(self._part_late)

    @property
    def position(self) -> Position:
        """Where to go on after a restart: small, and JSON when dumped."""
        return Position.of(self._rungs.rungs.values(), self._axis, self._rungs.eras)

    def look(self) -> Update:
        """Read what is due and return what is new.

        Raises:
            Transient: The master, or all renditions since the last look, cannot be had.
            Rejected: The first look finds nothing that can be followed.
        """
        if not self._rungs.rungs:
            self._rungs.read()
            self._notes = self._rungs.notes
            if self._position is not None:
                resume(self._position, self._rungs.rungs.values(), self._axis, self._rungs.eras)
        elif self._clock() >= self._rungs.due_at:
            self._rungs.read_again()
        segments = self._placed(self._load())
        rungs = list(self._rungs.rungs.values())
        for rung in rungs:
            self._checks.stale(rung)
            self._checks.slow(rung)
        aligned_by = self._media_time or self._axis.aligned_by
        if self._begun:
            self._checks.aligned(aligned_by, len(rungs))
        return self._update(rungs, segments, aligned_by)

    def close(self) -> None:
        """Nothing is held: the fetcher is the caller's."""

    def _update(self, rungs: list[Rung], segments: list[Segment], aligned_by: TimeBasis | None) -> Update:
        if self._ladder is None or self._ladder[0] != self._rungs.changes:
            ladder = Ladder(stream_id=self._stream_id, renditions=tuple(rung.rendition for rung in rungs))
            self._ladder = self._rungs.changes, ladder
        over = bool(rungs) and all(rung.ended for rung in rungs)
        due_at = min((rung.due_at for rung in rungs), default=math.inf)
        wait_seconds = min(due_at, self._rungs.due_at) - self._clock()
        notes, self._notes = self._notes, ()
        return Update(
            ladder=self._ladder[1],
            aligned_by=aligned_by,
            segments=tuple(segments),
            findings=self._told.take([rung.rendition_id for rung in rungs]),
            is_live=self._media_time is None,
            is_over=over,
            wait_seconds=0.0 if over else min(max(0.0, wait_seconds), LONGEST_PAUSE_SECONDS),
            notes=notes,
        )

    def _load(self) -> list[tuple[Rung, Loaded]]:
        """Read the playlists that are due; those that fail are findings."""
        rungs = [rung for rung in self._rungs.rungs.values() if not rung.ended]
        soon = self._clock() + TOGETHER_SHARE * min((r.follower.target_seconds for r in rungs), default=0.0)
        # While all fail, the caller says when to try again.
        due = [rung for rung in rungs if not self._begun or self._failing_looks or rung.due_at <= soon]
        loaded: list[tuple[Rung, Loaded]] = []
        problems: list[Problem] = []
        for rung in due:
            try:
                found = rung.load(self._rungs.variables)
            except (Rejected, Transient) as exc:
                problems.append((shown(rung.uris[0]), exc))
                self._tell_failure(rung, exc)
                continue
            for kind in FAILURES:
                self._told.over(rung.rendition_id, kind, key="playlist")
            if found is not None:
                loaded.append((rung, found))
        if rungs and len(problems) == len(rungs):
            self._all_fail(tuple(problems))
        elif len(problems) < len(due):
            if self._failing_looks:
                # The master failed with them, perhaps.
                self._rungs.due_at = min(self._rungs.due_at, self._clock())
            self._failing_looks = 0
        return loaded

    def _all_fail(self, problems: tuple[Problem, ...]) -> None:
        if not self._begun:
            raise one_of(problems, "renditions")
        self._failing_looks += 1
        # Everything has moved, perhaps: what the master names now is offered to the rungs.
        self._rungs.read_again()
        if self._failing_looks > 1:
            raise Transient(f"{one_of(problems, 'renditions')}")

    def _tell_failure(self, rung: Rung, error: Failure) -> None:
        self._told.begin(
            rung.rendition_id,
            kind_of(error, gone=ManifestFindingKind.RUNG_GONE),
            f"{error}",
            key="playlist",
            about=f"after-{rung.follower.last_number or 0}",
            cdn=rung.host[:256] or None,
        )

    def _placed(self, loaded: Sequence[tuple[Rung, Loaded]]) -> list[Segment]:
        """Return the new segments of all renditions, on the axis."""
        first = [(r, f) for r, f in loaded if r.rendition_id not in self._axis.tracks and f.step.fresh]
        again = [(r, f) for r, f in loaded if r.rendition_id in self._axis.tracks]
        # Those that are known first: one that joins finds its place by them.
        segments = [segment for rung, found in again for segment in self._next_segments(rung, found)]
        if first:
            if not self._begun:
                self._begun = True
                self._notes += _notes_of(first)
                self._media_time = _media_time([found for _, found in first])
            zoneless = any(found.media.zoneless for _, found in first)
            self._axis.begin({rung.rendition_id: found.step.fresh for rung, found in first}, zoneless=zoneless)
            segments += self._first_segments(first)
        return segments

    def _first_segments(self, first: Sequence[tuple[Rung, Loaded]]) -> list[Segment]:
        placed: list[tuple[Rung, Loaded, list[float | None]]] = []
        # Those that state a clock first: the others find their place by them.
        for rung, found in sorted(first, key=lambda item: not self._axis.tracks[item[0].rendition_id].has_clock):
            if self._media_time is not None:
                starts: list[float | None] = [entry.offset_seconds for entry in found.step.fresh]
            else:
                starts = self._place(rung, found)
            placed.append((rung, found, starts))
        ends = {rung.rendition_id: _end(rung, found, starts) for rung, found, starts in placed}
        segments: list[Segment] = []
        for rung, found, starts in placed:
            begin = self._begin_seconds(rung, found, ends)
            kept = [start if start is not None and start >= begin else None for start in starts]
            segments += self._output.segments(rung, found, kept, self._media_time or self._axis.basis)
        return segments

    def _begin_seconds(self, rung: Rung, found: Loaded, ends: Mapping[str, float]) -> float:
        """Return before which start nothing is given out: renditions begin at one place."""
        media = found.media
        keeps_everything = media.ended or (media.playlist_type == "EVENT" and self._back_seconds is None)
        if keeps_everything or rung.follower.has_begun:
            return -math.inf
        target = rung.follower.target_seconds
        back = START_TARGETS * target if self._back_seconds is None else self._back_seconds
        # A rung that lags far behind begins by itself, and draws no other back with it.
        own = ends[rung.rendition_id]
        common = min(end for end in ends.values() if abs(end - own) <= START_TARGETS * target)
        # A tenth of a segment: what sums of rounded durations are off by.
        return common - back - (found.step.fresh[-1].duration_seconds or 0.0) / 10

    def _next_segments(self, rung: Rung, found: Loaded) -> list[Segment]:
        step, track = found.step, self._axis.tracks[rung.rendition_id]
        starts = self._place(rung, found)
        if step.restarted and not track.has_clock and step.fresh:
            # Without a clock nothing says what of another list is new: the newest, or what a new start would take.
            back = 0.0 if found.switched else START_TARGETS * rung.follower.target_seconds
            end = track.start_seconds + track.duration_seconds
            begin = end - max(back, track.duration_seconds) - track.duration_seconds / 10
            starts = [start if start is not None and start >= begin else None for start in starts]
        self._measure_parts(rung, found)
        return self._output.segments(rung, found, starts, self._axis.basis)

    def _place(self, rung: Rung, found: Loaded) -> list[float | None]:
        step = found.step
        return self._axis.place(
            rung.rendition_id,
            step.fresh,
            rung.follower.target_seconds,
            missed=step.missed,
            restarted=step.restarted,
        )

    def _measure_parts(self, rung: Rung, found: Loaded) -> None:
        target, track = found.media.part_target_seconds, self._axis.tracks[rung.rendition_id]
        if not target or track.end_seconds is None or not found.step.moved:
            return
        lag = self._clock() - track.end_seconds - sum(found.media.parts)
        # The least delay that was ever seen is that of the encoder and the way; a part may be as old as it is long.
        least = self._least_part_lag[rung.rendition_id] = min(lag, self._least_part_lag.get(rung.rendition_id, lag))
        self._part_late[rung.rendition_id] = max(0.0, lag - least - target)


def _end(rung: Rung, found: Loaded, starts: Sequence[float | None]) -> float:
    return (starts[-1] or 0.0) + (found.step.fresh[-1].duration_seconds or rung.follower.target_seconds)


def _media_time(first: Sequence[Loaded]) -> TimeBasis | None:
    """Return how a presentation of which all is listed is aligned; None: more is to come."""
    if not all(found.media.ended for found in first):
        return None
    declared = all(entry.duration_seconds for found in first for entry in found.step.fresh)
    return TimeBasis.MEDIA_TIME if declared else TimeBasis.SEQUENCE


def _notes_of(first: Sequence[tuple[Rung, Loaded]]) -> tuple[str, ...]:
    return tuple(f"{shown(found.uri)}: {note}" for _, found in first for note in found.media.notes)
