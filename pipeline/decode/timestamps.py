"""Presentation time: fills what is missing, unwraps 33-bit clocks, lets gaps stand, and never falls."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeVar

P = TypeVar("P")

# A jump ahead by more than this is believed only once the next stamp confirms it; one damaged stamp
# would otherwise move the rest of the source by hours.
_JUMP_SECONDS = 1.0
# A doubled stamp is moved on by this share of a step, so that the true stamp of the next picture still lies ahead.
_NUDGE = 1 / 8


class Timeline:
    """Places pictures, given in presentation order, on the time axis."""

    def __init__(self, time_base: Fraction, step_seconds: float, wrap_ticks: int | None = None) -> None:
        """`step_seconds` is the usual distance of two pictures; `wrap_ticks` the period of the clock, None: no wrap."""
        self._seconds_per_tick = float(time_base)
        self._step = step_seconds
        self._wrap_ticks = wrap_ticks
        self._last_ticks: int | None = None
        self._last: float | None = None
        self._shift = 0.0
        self._set_back: float | None = None
        self.missing = 0
        """Pictures without a stamp so far."""
        self.repaired = 0
        """Stamps so far that fell, were doubled, or leapt for one picture only."""

    def place(self, pictures: Iterable[tuple[P, int | None]]) -> Iterator[tuple[P, float]]:
        """Yield (picture, seconds) for (picture, pts in ticks or None); holds one picture back over a jump."""
        held: tuple[P, float] | None = None
        for picture, ticks in pictures:
            stated = None if ticks is None else self._unwrapped(ticks) * self._seconds_per_tick
            if held is not None:
                yield held[0], self._after_jump(held[1], stated)
                held = None
            if self._last is not None and stated is not None and stated + self._shift > self._last + _JUMP_SECONDS:
                held = picture, stated
            else:
                yield picture, self._placed(stated)
        if held is not None:
            yield held[0], self._placed(held[1])

    def _unwrapped(self, ticks: int) -> int:
        if self._wrap_ticks is not None:
            if self._last_ticks is None:
                ticks %= self._wrap_ticks
            else:
                half = self._wrap_ticks // 2
                ticks = self._last_ticks + (ticks - self._last_ticks + half) % self._wrap_ticks - half
        self._last_ticks = ticks
        return ticks

    def _after_jump(self, jumped: float, following: float | None) -> float:
        """Place the picture that leapt, now that the stamp after it is known."""
        assert self._last is not None
        if following is not None and following < jumped and following + self._shift > self._last:
            self.repaired += 1
            self._last += self._step * _NUDGE
            return self._last
        return self._placed(jumped)

    def _placed(self, stated: float | None) -> float:
        if stated is None:
            self.missing += 1
            self._last = 0.0 if self._last is None else self._last + self._step
        elif self._last is None or stated + self._shift > self._last:
            self._last = stated + self._shift
            self._set_back = None
        elif self._set_back is not None and stated + self._set_back > self._last:
            # the second in a row that lies far behind: the clock was set back (a splice), so all that follows moves
            self.repaired += 1
            self._shift, self._set_back = self._set_back, None
            self._last = stated + self._shift
        else:
            self.repaired += 1
            far_behind = stated + self._shift < self._last - _JUMP_SECONDS
            self._set_back = self._last + self._step - stated if far_behind else None
            self._last += self._step * _NUDGE
        return self._last
