"""The sheet: what a worker keeps of the reference for one segment, and a store that bounds the memory they take."""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import Anchor, Clip, DifferenceSeries
from schemas import Segment
from workers.measured import Measured

_IN_MEMORY = 16  # sheets of about 1 MB with their measurements; the rest lies in a temporary folder


@dataclass(frozen=True, slots=True)
class Sheet:
    """The reference over one segment: T instants, N cells of P x P as displayed, and what was measured of it."""

    rendition_id: str
    anchor: Anchor
    shown: NDArray[np.uint8]  # [T, N, P, P]
    measured: Measured
    display_width_px: int
    display_height_px: int
    bound: float = 100.0
    """Upper end of the 90 % interval of the reference's own score: no rung is shown better than that."""
    replaces: str | None = None
    """Why this is not the best rung: what was wrong with that one; None: it is the best rung."""

    @classmethod
    def of(cls, rendition_id: str, clip: Clip, measured: Measured, bound: float, replaces: str | None = None) -> Self:
        return cls(
            rendition_id=rendition_id,
            anchor=clip.anchor(),
            shown=clip.shown,
            measured=measured,
            display_width_px=clip.display_width_px,
            display_height_px=clip.display_height_px,
            bound=bound,
            replaces=replaces,
        )


MOST_INSTANTS = 16
"""Of a sheet that is joined of several."""


def sheet_over(segment: Segment, over: Sequence[tuple[Segment, Sheet]]) -> Sheet | None:
    """Return the reference over a segment, of the reference's segments that lie there; None: there is none."""
    if not over:
        return None
    first_segment, first = over[0]
    if len(over) == 1 and first_segment.number == segment.number:
        return first
    # Other cuts than the reference's: the instants of all its segments that lie in this one.
    start = segment.start_seconds + first.anchor.start_seconds - first_segment.start_seconds
    end = start + segment.duration_seconds if segment.duration_seconds else float("inf")
    return join([sheet for _, sheet in over], start, end, MOST_INSTANTS)


def join(sheets: Sequence[Sheet], start_seconds: float, end_seconds: float, most: int) -> Sheet | None:
    """Return one sheet of the instants in [start, end) of several, `most` at most; None: there is no instant.

    For rungs whose segments do not begin where the reference's do. The measurements are those of the sheet with
    the most instants in the span.
    """
    within = []
    for sheet in sheets:
        times = sheet.anchor.instants_seconds
        chosen = np.flatnonzero((times >= start_seconds - 1e-6) & (times < end_seconds))
        if len(chosen):
            within.append((sheet, chosen))
    if not within:
        return None
    if len(within) == 1 and len(within[0][1]) == len(within[0][0].anchor.instants_seconds):
        return within[0][0]
    instants = np.concatenate([sheet.anchor.instants_seconds[chosen] for sheet, chosen in within])
    keep = np.unique(np.linspace(0, len(instants) - 1, min(most, len(instants))).round().astype(int))
    largest = max(within, key=lambda pair: len(pair[1]))[0]
    places = [sheet.anchor.places[index] for sheet, chosen in within for index in chosen]
    return Sheet(
        rendition_id=largest.rendition_id,
        anchor=Anchor(
            instants_seconds=instants[keep],
            places=tuple(places[index] for index in keep),
            pictures=np.concatenate([sheet.anchor.pictures[chosen] for sheet, chosen in within])[keep],
            start_seconds=float(instants[keep][0]),
            frame_rate=largest.anchor.frame_rate,
            differences=_joined([sheet.anchor.differences for sheet, _ in within]),
        ),
        shown=np.concatenate([sheet.shown[chosen] for sheet, chosen in within])[keep],
        measured=largest.measured,
        display_width_px=largest.display_width_px,
        display_height_px=largest.display_height_px,
        bound=largest.bound,
        replaces=next((sheet.replaces for sheet, _ in within if sheet.replaces), None),
    )


def _joined(several: Sequence[DifferenceSeries | None]) -> DifferenceSeries | None:
    known = [series for series in several if series is not None]
    if len(known) < len(several):
        return None
    return DifferenceSeries(
        np.concatenate([series.times_seconds for series in known]),
        np.concatenate([series.differences for series in known]),
    )


class SheetStore:
    """Sheets by segment number; the most recent in memory, all in a temporary folder that goes away with the store."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rungwatch-sheets-")
        self._recent: OrderedDict[int, Sheet] = OrderedDict()
        self._in_memory = in_memory
        self._lock = threading.Lock()  # decoding threads look sheets up while the scorer puts new ones
        self._numbers: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def put(self, number: int, sheet: Sheet) -> None:
        with self._lock:
            _write(self._file(number), sheet)
            self._numbers.add(number)
            self._remember(number, sheet)

    def get(self, number: int) -> Sheet:
        """Return a sheet. Raises KeyError where none was put."""
        with self._lock:
            if number not in self._numbers:
                raise KeyError(number)
            sheet = self._recent.get(number) or _read(self._file(number))
            self._remember(number, sheet)
            return sheet

    def numbers(self) -> list[int]:
        return sorted(self._numbers)

    def _remember(self, number: int, sheet: Sheet) -> None:
        self._recent[number] = sheet
        self._recent.move_to_end(number)
        while len(self._recent) > self._in_memory:
            self._recent.popitem(last=False)

    def _file(self, number: int) -> Path:
        return Path(self._folder.name) / f"{number}.npz"


def _write(path: Path, sheet: Sheet) -> None:
    anchor, measured = sheet.anchor, sheet.measured
    rate = anchor.frame_rate or Fraction(0)
    series = anchor.differences or DifferenceSeries(np.zeros(0), np.zeros(0, np.float32))
    np.savez(
        path,
        names=np.array([sheet.rendition_id, sheet.replaces or ""]),
        display=np.array([sheet.display_width_px, sheet.display_height_px]),
        rate=np.array([rate.numerator, rate.denominator]),
        start=np.array([anchor.start_seconds, sheet.bound]),
        instants=anchor.instants_seconds,
        places=np.array(anchor.places),
        pictures=anchor.pictures,
        moving_times=series.times_seconds,
        moving=series.differences,
        shown=sheet.shown,
        frame=measured.frame,
        first=measured.first,
        facts=measured.facts,
        times=measured.times,
    )


def _read(path: Path) -> Sheet:
    with np.load(path) as stored:
        rate = Fraction(int(stored["rate"][0]), int(stored["rate"][1]))
        rendition_id, replaces = (str(name) for name in stored["names"])
        return Sheet(
            rendition_id=rendition_id,
            anchor=Anchor(
                instants_seconds=stored["instants"],
                places=tuple(int(place) for place in stored["places"]),
                pictures=stored["pictures"],
                start_seconds=float(stored["start"][0]),
                frame_rate=rate or None,
                differences=DifferenceSeries(stored["moving_times"], stored["moving"])
                if len(stored["moving"])
                else None,
            ),
            shown=stored["shown"],
            measured=Measured(
                frame=stored["frame"],
                first=stored["first"],
                facts=stored["facts"],
                times=stored["times"],
            ),
            display_width_px=int(stored["display"][0]),
            display_height_px=int(stored["display"][1]),
            bound=float(stored["start"][1]),
            replaces=replaces or None,
        )
