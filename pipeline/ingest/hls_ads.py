"""Which spans of a live HLS presentation are ads, by the markers that its playlists carry."""

import re
from collections import OrderedDict
from dataclasses import dataclass

from pipeline.ingest.hls_tags import number, wall_clock
from pipeline.ingest.hls_variables import attributes
from pipeline.ingest.scte35 import Splice, splice_of_text
from schemas import ContentLabel

# A break that never ends is taken for over then: longer than any break of ads, shorter than a programme.
LONGEST_OPEN_SECONDS = 600.0
# Markers of two renditions that mean one place.
SAME_PLACE_SECONDS = 1.0
BREAKS_KEPT = 256
# A marker carries a whole SCTE-35 message, and is repeated in every reload.
MESSAGES_KEPT = 64


@dataclass(slots=True)
class _Break:
    start_seconds: float
    planned_end_seconds: float | None
    end_seconds: float | None = None
    """Where the program came back; None: not yet, or not said."""

    @property
    def until(self) -> float:
        if self.end_seconds is not None:
            return self.end_seconds
        return (
            self.start_seconds + LONGEST_OPEN_SECONDS if self.planned_end_seconds is None else self.planned_end_seconds
        )


class AdBreaks:
    """The ad breaks of one presentation, on its time axis, whichever rendition tells of them."""

    def __init__(self) -> None:
        self._breaks: list[_Break] = []
        self._ranges: dict[str, _Break] = {}
        self._messages: OrderedDict[str, Splice | None] = OrderedDict()

    def label(self, start_seconds: float, duration_seconds: float) -> ContentLabel:
        """Return what a span mostly is."""
        middle = start_seconds + duration_seconds / 2
        on = any(found.start_seconds <= middle < found.until for found in self._breaks)
        return ContentLabel.AD if on else ContentLabel.PROGRAM

    def cues(self, cues: tuple[tuple[str, str], ...], at_seconds: float, duration_seconds: float) -> None:
        """Take in the markers before a segment that lies at `at_seconds`."""
        for tag, value in cues:
            if tag == "EXT-X-CUE-IN":
                self._in(at_seconds)
            elif tag == "EXT-X-CUE-OUT-CONT":
                elapsed, planned = _progress(value)
                self._goes_on(at_seconds, elapsed, planned, duration_seconds)
            elif tag == "EXT-X-CUE-OUT":
                self._out(at_seconds, _planned(value))
            elif tag == "EXT-X-SCTE35":
                self._scte35(attributes(value), at_seconds, duration_seconds)
            else:
                self._splice(self._decoded(value), at_seconds)

    def date_range(self, found: dict[str, str], start_seconds: float, now_at: float) -> None:
        """Take in an EXT-X-DATERANGE. `start_seconds`: of its START-DATE, `now_at`: where it is seen, on the axis."""
        name = found.get("ID", "")
        outs, ins, commands = (found.get(f"SCTE35-{kind}") for kind in ("OUT", "IN", "CMD"))
        if not (outs or ins or commands):
            return
        splice = self._decoded(outs or ins or commands or "")
        is_out = outs is not None or (ins is None and splice is not None and splice.is_out)
        length = number(found.get("DURATION", ""))
        planned = number(found.get("PLANNED-DURATION", ""))
        ends, _ = wall_clock(found.get("END-DATE", ""))
        begins, _ = wall_clock(found.get("START-DATE", ""))
        if length is None and ends is not None and begins is not None:
            length = ends - begins
        known = self._ranges.get(name)
        if known is None and is_out:
            said = splice.duration_seconds if splice is not None else None
            known = self._out(start_seconds, length if length is not None else planned or said)
            self._ranges[name] = known
            while len(self._ranges) > BREAKS_KEPT:
                del self._ranges[next(iter(self._ranges))]
        if known is None:
            # An IN by itself, or a command that ends a break.
            if ins is not None or (splice is not None and not splice.is_out):
                self._in(start_seconds)
            return
        if length is not None and length >= 0:
            known.end_seconds = known.start_seconds + length
        elif ins is not None and known.end_seconds is None:
            known.end_seconds = (
                start_seconds if start_seconds > known.start_seconds else max(now_at, known.start_seconds)
            )

    def _scte35(self, found: dict[str, str], at_seconds: float, duration_seconds: float) -> None:
        splice = self._decoded(found.get("CUE", ""))
        word = found.get("CUE-OUT", "").upper()
        length = number(found.get("DURATION", "")) or (splice.duration_seconds if splice else None)
        if found.get("CUE-IN", "").upper() == "YES" or word == "IN":
            self._in(at_seconds)
        elif word == "CONT":
            self._goes_on(at_seconds, number(found.get("ELAPSED", "")), length, duration_seconds)
        elif word == "YES":
            self._out(at_seconds, length)
        else:
            self._splice(splice, at_seconds)

    def _splice(self, splice: Splice | None, at_seconds: float) -> None:
        if splice is None:
            return
        if splice.is_out:
            self._out(at_seconds, splice.duration_seconds)
        else:
            self._in(at_seconds)

    def _out(self, at_seconds: float, planned_seconds: float | None) -> _Break:
        planned_end = at_seconds + planned_seconds if planned_seconds and planned_seconds > 0 else None
        current = self._current(at_seconds)
        if current is not None:
            # The same marker of another rendition or tag, or a break within a break: one, until the later end.
            if planned_end is not None and current.end_seconds is None:
                current.planned_end_seconds = max(current.planned_end_seconds or planned_end, planned_end)
            return current
        found = _Break(at_seconds, planned_end)
        self._breaks = [*self._breaks[-BREAKS_KEPT:], found]
        return found

    def _goes_on(
        self, at_seconds: float, elapsed_seconds: float | None, planned_seconds: float | None, lasts_seconds: float
    ) -> None:
        start = at_seconds - max(0.0, elapsed_seconds or 0.0)
        current = self._current(at_seconds) or self._current(start)
        if current is None:
            # Joined in the middle.
            current = self._out(start, planned_seconds)
        if current.end_seconds is None and current.planned_end_seconds is not None:
            # It is still on, whatever was planned.
            current.planned_end_seconds = max(current.planned_end_seconds, at_seconds + lasts_seconds)

    def _in(self, at_seconds: float) -> None:
        for found in self._breaks:
            if found.start_seconds + SAME_PLACE_SECONDS < at_seconds and found.until > at_seconds:
                found.end_seconds = at_seconds

    def _current(self, at_seconds: float) -> _Break | None:
        for found in reversed(self._breaks):
            if found.start_seconds - SAME_PLACE_SECONDS <= at_seconds < found.until - SAME_PLACE_SECONDS:
                return found
        return None

    def _decoded(self, text: str) -> Splice | None:
        if text not in self._messages:
            self._messages[text] = splice_of_text(text)
            while len(self._messages) > MESSAGES_KEPT:
                self._messages.popitem(last=False)
        return self._messages[text]


def _planned(value: str) -> float | None:
    """Return the length in ``30``, ``30.5`` or ``DURATION=30``."""
    if not value:
        return None
    return number(attributes(value.upper()).get("DURATION", "") or value.partition(",")[0])


def _progress(value: str) -> tuple[float | None, float | None]:
    """Return (elapsed, planned) of ``8.3/30`` or ``ElapsedTime=8.3,Duration=30``."""
    if plain := re.fullmatch(r"([0-9.]+)\s*/\s*([0-9.]+)", value.strip()):
        return number(plain[1]), number(plain[2])
    found = attributes(value.upper())
    return number(found.get("ELAPSEDTIME", "")), number(found.get("DURATION", ""))
