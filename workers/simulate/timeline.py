"""What has been published of one stream and when: an endless row of entries out of a loop, on the wall clock."""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from workers.simulate.encodes import Encodes
from workers.simulate.faults import Fault, Faults

EPOCH_SECONDS = 1_704_067_200
"""2024-01-01T00:00:00Z. Segment 0 begins here, whenever the origin was started: so numbers, wall clocks and time stamps
go on over a restart, and the 33 bits of a transport stream's time stamps have long wrapped."""
KEPT_WINDOWS = 3
"""For so many windows a segment can still be had after it was published."""
MOST_ENTRIES = 10_000

AtLoop = Literal["continue", "discontinuity"]


@dataclass(frozen=True, slots=True)
class Run:
    """Segments between two discontinuities."""

    index: int
    """How many discontinuities came before."""
    first: int
    """Number of its first segment."""
    zero: int
    """Time stamps count from the segment with this number."""
    take: Literal["main", "ad"] = "main"
    planned_segments: int = 0
    """Of an ad break."""
    splice_zero: int = 0
    """Of an ad break: the `zero` of the programme that it interrupts."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One published segment, in all rungs."""

    number: int
    run: Run
    index: int
    """In the take: which of the encoded segments it is."""
    loops: int
    """How often the loop was played before."""
    start_seconds: Fraction
    """Wall clock of its first picture."""
    faults: tuple[Fault, ...]
    """Those that it was published under."""
    after: Run | None
    """The ad break that ended before it."""

    def take(self, rung: str) -> tuple[str, int]:
        """Return the take to serve and which of its segments."""
        for fault in self.faults:
            if fault.name == "black" and fault.rung in (None, rung):
                return "black", 0
            if fault.name == "frozen" and fault.rung in (None, rung):
                return fault.take, 0
        if self.run.take == "main" and self._has("starved", rung):
            return "starved", self.index
        return self.run.take, self.index

    def missing(self, rung: str) -> bool:
        return self._has("missing_segment", rung)

    def marked(self, rung: str) -> bool:
        """Say whether this rung alone claims a discontinuity before it."""
        return any(fault.name == "discontinuity" and fault.rung == rung for fault in self.faults)

    def shift_seconds(self, rung: str | None) -> float:
        """Return by how much its wall clock is told wrongly; None: in the manifest as a whole."""
        return sum(fault.value for fault in self.faults if fault.name == "time_jump" and fault.rung in (None, rung))

    def _has(self, name: str, rung: str) -> bool:
        return any(fault.name == name and fault.rung in (None, rung) for fault in self.faults)


class Stream:
    """One stream. `advance` is called before anything is asked; the rest does not change by being asked."""

    def __init__(
        self,
        name: str,
        encodes: Encodes,
        faults: Faults,
        *,
        window: int,
        phase: Fraction,
        ahead: int,
        at_loop: AtLoop,
        parts: int = 0,
    ) -> None:
        """Begin nothing yet.

        Args:
            parts: Of a segment, published one after the other (LL-HLS); 0: segments are published in whole.
            window: Segments in a playlist.
            phase: Seconds by which it is published later than the first stream.
            ahead: Segments by which its content is ahead of the first stream's.
        """
        self.name = name
        self.encodes = encodes
        self.window = window
        self.begin_seconds = EPOCH_SECONDS + phase
        self._faults = faults
        self._ahead = ahead
        self._at_loop = at_loop
        self._seconds = encodes.segment_seconds
        self._entries: deque[Entry] = deque()
        self.parts = parts
        self._lead_seconds = float(self._seconds - self.part_seconds(0)) if parts else 0.0
        """What a segment holds is settled when its first part is published."""
        self._next = -1
        self._next_seconds = 0.0
        self._edge = -1
        self._edge_seconds = 0.0
        self._main_zero = 0
        self._marks: dict[str, list[int]] = {}

    def advance(self, now: float) -> None:
        """Publish what is due."""
        if now < self._next_seconds and now < self._edge_seconds:
            return
        if self._next < 0:
            self._begin(now)
        while self._next_seconds <= now:
            self._publish(self._next)
            self._next += 1
            self._next_seconds = self.published_seconds(self._next) - self._lead_seconds
            if len(self._entries) > MOST_ENTRIES:  # nobody has asked for long
                self._forget(now)
        while self._edge_seconds <= now:
            self._edge += 1
            self._edge_seconds = self.published_seconds(self._edge + 1)
        self._forget(now)

    @property
    def edge(self) -> int:
        """The newest number that is published in whole."""
        return self._edge

    def part_frames(self, part: int) -> tuple[int, int]:
        """Return the pictures [first, end) of a part."""
        frames = self.encodes.segment_frames
        return part * frames // self.parts, (part + 1) * frames // self.parts

    def part_seconds(self, part: int) -> Fraction:
        """Return how long a part lasts."""
        first, end = self.part_frames(part)
        return (end - first) / self.encodes.frame_rate

    def part_published_seconds(self, number: int, part: int) -> float:
        """Return when a part is published: when its last picture is over."""
        end = self.part_frames(part)[1] / self.encodes.frame_rate
        return float(self.begin_seconds + number * self._seconds + end)

    def parts_published(self, now: float) -> int:
        """Return how many parts of the segment after the edge are published."""
        return sum(self.part_published_seconds(self._edge + 1, part) <= now for part in range(self.parts))

    def edge_at(self, seconds: float) -> int:
        """Return the newest number of a moment in the past."""
        return int((Fraction(seconds) - self.begin_seconds) // self._seconds) - 1

    def published_seconds(self, number: int) -> float:
        """Return when a segment is published: when its last picture is over."""
        return float(self.begin_seconds + (number + 1) * self._seconds)

    def listed(self, edge: int, count: int) -> list[Entry]:
        """Return `count` entries up to the number `edge`."""
        first = self._entries[0].number
        end = edge - first + 1
        return [self._entries[at] for at in range(max(0, end - count), max(0, min(end, len(self._entries))))]

    def available(self, number: int) -> Entry | None:
        """Return the entry of a segment that can be had now, None: not yet, or no more."""
        if not self.edge - self.window * KEPT_WINDOWS < number <= self.edge:
            return None
        return self.entry(number)

    def entry(self, number: int) -> Entry | None:
        """Return the entry of a segment whether or not all of it is published, None: it is not begun, or forgotten."""
        at = number - self._entries[0].number
        return self._entries[at] if 0 <= at < len(self._entries) else None

    def marks_before(self, rung: str, number: int) -> int:
        """Return how many discontinuities this rung alone claimed before the segment."""
        return sum(mark < number for mark in self._marks.get(rung, ()))

    def loop_index(self, number: int) -> int:
        return (number + self._ahead) % self.encodes.segments

    def _begin(self, now: float) -> None:
        """Start far enough in the past for full windows."""
        first = max(0, self.edge_at(now) + 1 - self.window * KEPT_WINDOWS)
        index = (first + self._ahead) // self.encodes.segments if self._at_loop == "discontinuity" else 0
        if self._at_loop == "discontinuity":
            self._main_zero = first - self.loop_index(first)
        self._entries.append(self._entry(first, Run(index, self._main_zero, self._main_zero), (), None))
        self._next = first + 1
        self._next_seconds = self.published_seconds(self._next) - self._lead_seconds
        self._edge = first
        self._edge_seconds = self.published_seconds(first + 1)

    def _publish(self, number: int) -> None:
        at = self.published_seconds(number) - self._lead_seconds
        faults = tuple(f for f in self._faults.on(at) if f.kind.published and f.stream in (None, self.name))
        last = self._entries[-1].run
        run = self._run(number, at, last, faults)
        for fault in faults:
            if fault.name == "discontinuity" and fault.rung is not None:
                self._marks.setdefault(fault.rung, []).append(number)
        after = last if run is not last and last.take == "ad" else None
        self._entries.append(self._entry(number, run, faults, after))

    def _run(self, number: int, at: float, last: Run, faults: tuple[Fault, ...]) -> Run:
        """Return the run that the segment belongs to: the last one, or a new one."""
        loops = self._at_loop == "discontinuity" and self.loop_index(number) == 0
        if loops or any(f.name == "discontinuity" and f.rung is None and self._is_first(f, at) for f in faults):
            self._main_zero = number
        ad = next((fault for fault in faults if fault.name == "ad_break"), None)
        if ad is not None:
            if last.take == "ad" and not self._is_first(ad, at):
                return last
            planned = self.edge_at(ad.until_seconds + self._lead_seconds) - number + 1
            return Run(last.index + 1, number, number, "ad", planned, self._main_zero)
        if last.take == "main" and last.zero == self._main_zero:
            return last
        return Run(last.index + 1, number, self._main_zero)

    def _is_first(self, fault: Fault, at: float) -> bool:
        """Say whether the segment published at this moment is the first one under the fault."""
        return at - float(self._seconds) <= fault.since_seconds

    def _entry(self, number: int, run: Run, faults: tuple[Fault, ...], after: Run | None) -> Entry:
        if run.take == "ad":
            loops, index = divmod(number - run.first, self.encodes.ad_segments)
        else:
            loops, index = divmod(number + self._ahead, self.encodes.segments)
        return Entry(number, run, index, loops, self.begin_seconds + number * self._seconds, faults, after)

    def _forget(self, now: float) -> None:
        """Forget what no playlist lists any more; a stale one lists what was new when it went stale."""
        edges = [self.edge, *(self.edge_at(f.since_seconds) for f in self._faults.on(now) if f.name == "stale")]
        least = min(edges) - self.window * KEPT_WINDOWS
        while self._entries[0].number < least:
            self._entries.popleft()
