"""Imposing the reference's instants on another rung of the same segment, and finding its offset on the pictures."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import Anchor, DifferenceSeries, Match
from pipeline.sample.buckets import TIME_TOLERANCE_SECONDS
from pipeline.sample.difference import Recorder
from pipeline.sample.likeness import Small, log_residual
from pipeline.sample.match import Evidence, judge
from pipeline.sample.offset import REACH_FRAMES, consensus
from pipeline.sample.protocol import Step
from pipeline.sample.small import small_picture

MOST_CANDIDATES = 16
"""Frames of the rung to either side at the most, however much faster it is than the reference."""

DEFAULT_PERIOD_SECONDS = 1 / 25
"""Where the rung has one picture and the reference no rate."""

CUT_RATIO = math.log(4.0)
"""A neighbour that leaves a quarter of the residual shows the other side of a cut or flash: rounding to the nearest
frame took the wrong one. A bad encode of the right frame loses 0.5 at most against its neighbours."""

VISIBLY_WORSE = 0.1
"""Log residual that a frame chosen early may lose against the one at the offset found in the end."""

MOST_WAITING = 4
"""Frames after which the rung's period is taken as it is known, be there no two intervals yet."""


@dataclass(frozen=True, slots=True)
class Imposed:
    """The step of a rung that stands for one instant of the reference."""

    instant: int
    """Index into `Anchor.instants_seconds`."""
    step: Step


@dataclass(frozen=True, slots=True)
class Imposition:
    """How it went, known once the steps have ended."""

    match: Match
    settled: bool
    """False: the offset was found only after frames had been chosen without it, so some of them are wrong and
    `match.fits` is False. Decode once more with
    `around_seconds=offset_seconds, search=False`."""
    offset_seconds: float
    """Content of the rung lags the reference by this much, in media time."""
    fits_at: NDArray[np.bool_]  # [T] False: no picture there, or one that shows something else
    series: DifferenceSeries


class Imposer:
    """Chooses for every instant of the reference the rung's frame that shows the same, in one pass.

    At each instant the frames up to `REACH_FRAMES` to either side of the nearest in time are compared with the
    reference's small picture. An offset counts for the whole segment; it is summed up instant by instant, and 0
    holds until another is clearly better (`offset.consensus`). A step is held until the candidates of its instant
    are complete: at most K + 4 frames are alive for K instants. Depends on this segment alone.

    `around_seconds`: where the search begins, as an offset of the rung's media time against the reference's. Pass
    what is known, because the segments were paired by number and their clocks differ, or from an earlier pass.
    `search=False`, for that second pass: the offset stays as given and is only checked.
    """

    def __init__(self, anchor: Anchor, around_seconds: float = 0.0, *, search: bool = True) -> None:
        self._anchor = anchor
        self._around_seconds = around_seconds
        self._search = search
        self._targets = anchor.instants_seconds + around_seconds  # [T]
        self._references = [Small(picture) for picture in anchor.pictures]
        self._count = len(self._references)
        # 2 h + 2 steps are held, that is 2 h + 3 frames with the one before the first.
        self._held_reach = min(REACH_FRAMES, (self._count + 1) // 2)
        self._period_seconds: float | None = None
        self._sides = REACH_FRAMES
        self._candidates: list[list[tuple[float, int, float]]] = [[] for _ in range(self._count)]
        self._rows: list[NDArray[np.float64] | None] = [None] * self._count
        self._held: list[tuple[int, Step]] = []
        self._smalls: dict[int, Small] = {}
        self._chosen: list[NDArray[np.uint8] | None] = [None] * self._count
        self._chosen_times = np.full(self._count, np.nan)
        self._used: list[float | None] = [None] * self._count
        self._offset = 0
        self._next = 0
        self._first_open = 0
        self._recorder: Recorder | None = None

    def choose(self, steps: Iterable[Step]) -> Iterator[Imposed]:
        """Yield the steps in order of the instants, each as early as it is certain; then ask for `result`.

        An instant for which the rung has no picture yields nothing. Two instants may share a step of a slower rung.
        """
        self._recorder = Recorder(steps)
        waiting: list[tuple[int, Step]] = []
        for index, step in enumerate(self._recorder):
            if math.isnan(step.frame.time_seconds):
                continue
            waiting.append((index, step))
            if self._period_seconds is None and not self._learn_period(len(waiting) >= MOST_WAITING):
                continue
            for index_waiting, step_waiting in waiting:
                yield from self._take(index_waiting, step_waiting)
            waiting.clear()
        if self._period_seconds is None:
            self._learn_period(final=True)
            for index_waiting, step_waiting in waiting:
                yield from self._take(index_waiting, step_waiting)
            waiting.clear()
        yield from self._decide(math.inf)
        self._held.clear()
        self._close_rows(math.inf)

    def result(self) -> Imposition:
        """Return match, offset and difference series. Call when `choose` is exhausted."""
        if self._recorder is None or self._next < self._count:
            raise RuntimeError("the steps have not been read to their end: exhaust choose() first")
        offset = self._consensus(self._count)
        rows = self._matrix(self._count)
        settled = not any(
            used - row[offset + self._sides] > VISIBLY_WORSE
            for row, used in zip(rows, self._used, strict=True)
            if used is not None
        )
        series = self._recorder.series
        evidence = Evidence(
            instants_seconds=self._targets,
            references=self._anchor.pictures,
            chosen=self._chosen,
            chosen_seconds=self._chosen_times,
            residuals=rows,
            offset=offset,
            period_seconds=self._period(),
            around_seconds=self._around_seconds,
            series=series,
            settled=settled,
        )
        match, fits_at = judge(evidence)
        return Imposition(match, settled, match.offset_seconds, fits_at, series)

    # -- one step -----------------------------------------------------------------------------------------------

    def _learn_period(self, final: bool) -> bool:
        """Fix the rung's frame period from its first intervals; False: it takes more of them."""
        times = self._recorder.series.times_seconds if self._recorder else np.empty(0)
        intervals = np.diff(times)
        intervals = intervals[intervals > TIME_TOLERANCE_SECONDS]
        if intervals.size < 2 and not final:
            return False
        rate = self._anchor.frame_rate
        reference_seconds = float(1 / rate) if rate else None
        period = float(np.median(intervals)) if intervals.size else reference_seconds or DEFAULT_PERIOD_SECONDS
        slower = max(period, reference_seconds or period)
        self._period_seconds = period
        self._sides = min(MOST_CANDIDATES, math.ceil(REACH_FRAMES * slower / period - 0.01))
        return True

    def _period(self) -> float:
        return self._period_seconds or DEFAULT_PERIOD_SECONDS

    def _take(self, index: int, step: Step) -> Iterator[Imposed]:
        self._look(index, step)
        self._held.append((index, step))
        yield from self._decide(step.frame.time_seconds)
        self._let_go()
        self._close_rows(step.frame.time_seconds)

    def _look(self, index: int, step: Step) -> None:
        """Compare the step with every instant whose window it lies in."""
        time_seconds = step.frame.time_seconds
        reach = (self._sides + 1) * self._period()
        for instant in range(self._first_open, self._count):
            target = self._targets[instant]
            if time_seconds < target - reach:
                break
            if time_seconds > target + reach and self._candidates[instant]:
                continue
            if not self._candidates[instant] and self._held:
                self._compare(instant, *self._held[-1])  # the picture that is on show when the window begins
            self._compare(instant, index, step)

    def _compare(self, instant: int, index: int, step: Step) -> None:
        if index not in self._smalls:
            self._smalls[index] = Small(small_picture(step.frame))
        residual = log_residual(self._references[instant], self._smalls[index])
        self._candidates[instant].append((step.frame.time_seconds, index, residual))

    def _decide(self, now_seconds: float) -> Iterator[Imposed]:
        """Yield every instant whose candidates that could be chosen are all there."""
        while self._next < self._count:
            furthest = min(self._sides, self._offset + self._held_reach)
            if now_seconds <= self._targets[self._next] + (furthest + 0.5) * self._period():
                return
            instant = self._next
            self._next += 1
            self._rows[instant] = self._row(instant)
            self._offset = self._consensus(self._next)
            imposed = self._pick(instant)
            if imposed is not None:
                yield imposed

    def _pick(self, instant: int) -> Imposed | None:
        row = self._matrix(self._next)[instant]
        used = self._offset
        middle = used + self._sides
        near = [side for side in (middle - 1, middle, middle + 1) if 0 <= side < row.size]
        if not np.isnan(row[middle]):
            best = near[int(np.nanargmin(row[near]))]
            if row[middle] - row[best] > CUT_RATIO:
                used = best - self._sides
        wanted = self._frame_at(instant, used)
        if wanted is None:
            return None
        # The offset may have moved to a frame that was let go; the nearest stands in, and `settled` tells.
        index, step = min(self._held, key=lambda held: abs(held[0] - wanted))
        if index not in self._smalls:
            self._compare(instant, index, step)
        self._used[instant] = log_residual(self._references[instant], self._smalls[index])
        self._chosen[instant] = self._smalls[index].picture
        self._chosen_times[instant] = step.frame.time_seconds
        return Imposed(instant, step)

    def _let_go(self) -> None:
        """Drop the steps that no instant can choose any more; the newest stays."""
        if self._next < self._count:
            earliest = self._targets[self._next] + (self._offset - self._held_reach + 0.5) * self._period()
        else:
            earliest = math.inf
        while len(self._held) > 1 and (
            self._held[1][1].frame.time_seconds <= earliest + TIME_TOLERANCE_SECONDS
            or len(self._held) > 2 * self._held_reach + 2
        ):
            del self._held[0]

    # -- rows of residuals --------------------------------------------------------------------------------------

    def _frame_at(self, instant: int, offset: int) -> int | None:
        """Return the index of the frame on show `offset` frames after the instant; None: the rung has none there.

        On show is the last that begins before half a frame later: the nearest, or the one that stays where the
        rung's rate varies.
        """
        period = self._period()
        wanted = self._targets[instant] + offset * period
        found: int | None = None
        found_seconds = -math.inf
        followed = False
        for time_seconds, index, _ in self._candidates[instant]:
            if time_seconds > wanted + period / 2 + TIME_TOLERANCE_SECONDS:
                followed = True
                break
            found, found_seconds = index, time_seconds
        if not followed and wanted > found_seconds + 1.5 * period:
            return None
        return found

    def _row(self, instant: int) -> NDArray[np.float64]:
        """Return the log residual at every offset [2 sides + 1]; NaN where the rung has no frame (yet)."""
        residuals = {index: residual for _, index, residual in self._candidates[instant]}
        row = np.full(2 * self._sides + 1, np.nan)
        for side in range(row.size):
            index = self._frame_at(instant, side - self._sides)
            if index is not None:
                row[side] = residuals[index]
        return row

    def _close_rows(self, now_seconds: float) -> None:
        """Complete the rows whose windows have passed and forget the pictures that no open one needs."""
        reach = (self._sides + 1) * self._period()
        closed = False
        while self._first_open < self._next and now_seconds > self._targets[self._first_open] + reach:
            self._rows[self._first_open] = self._row(self._first_open)
            self._candidates[self._first_open].clear()
            self._first_open += 1
            closed = True
        if closed:
            needed = {index for candidates in self._candidates for _, index, _ in candidates}
            self._smalls = {index: small for index, small in self._smalls.items() if index in needed}

    def _matrix(self, count: int) -> NDArray[np.float64]:
        empty = np.full(2 * self._sides + 1, np.nan)
        rows = [empty if row is None else row for row in self._rows[:count]]
        return np.array(rows).reshape(count, 2 * self._sides + 1)

    def _consensus(self, count: int) -> int:
        if not self._search:
            return 0
        informative = [not small.flat for small in self._references[:count]]
        return consensus(self._matrix(count)[informative])
