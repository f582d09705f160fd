"""The verdict on a rung imposed on: do its pictures show what the reference's show, and if not, what is it?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import DifferenceSeries, Match
from pipeline.sample.faults import frozen_spans, is_black, is_flat
from pipeline.sample.likeness import (
    Small,
    change_correlation,
    change_level,
    correlation,
    cosine,
    detail,
    picture_box,
    rms,
    rms_between,
)
from pipeline.sample.offset import REACH_FRAMES, drift

SAME_DETAIL = 0.3
"""Detail correlation from which two pictures show the same: other content stays under 0.25, the same over 0.36."""

DETAIL_LEVELS = 1.5
"""Detail, in 8-bit steps, under which bad encodes lose all that there is; nothing is told by it then ..."""

CLEAR_DETAIL_LEVELS = 4.0
"""... unless the rung shows at least this much."""

SAME_CHANGE = 0.3
"""Change correlation from which two runs of pictures do: other content stays under 0.16, the same over 0.6."""

CHANGE_LEVELS = 4.0
"""Change over time, in 8-bit steps of the small picture, from which it tells anything."""

STILL_LEVELS = 0.4
"""Under this the reference stands still: rounding to whole levels alone gives 0.3."""

PICTURE_FROM = 8.0
"""Standard deviation of a small picture that surely shows something."""

MISFITS_FROM = 1 / 4
"""Share of the instants from which showing something else speaks against the rung. Less may come from a frame next
to a cut at another frame rate, or from motion that a bad encode smears."""

FROZEN_SECONDS = 0.5

FROZEN_LEVELS = 8.0
"""Root mean square, in 8-bit steps, by which the reference must have moved on meanwhile. At crf 48 encoders skip a
slow pan altogether, for up to 5 s and 7 levels: that is starved, not frozen."""

FROZEN_SHARE = 0.2
"""Of that movement, what the small pictures of a frozen rung may show."""

REFINED_LEVELS = 0.5
"""Median difference of a frozen rung at the most: encoders go on refining a picture that stands still, by 0.1 to 0.3
a frame."""

JUMP_GAIN = 0.7
"""Log residual that another offset must gain at an instant to speak against the one found."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What imposing has seen, on T instants."""

    instants_seconds: NDArray[np.float64]  # [T] on the rung's clock
    references: NDArray[np.uint8]  # [T, h, w]
    chosen: list[NDArray[np.uint8] | None]  # T of [h, w]; None: no picture there
    chosen_seconds: NDArray[np.float64]  # [T]
    residuals: NDArray[np.float64]  # [T, 2 n + 1] log residual at offsets -n..n frames
    offset: int
    """Frames."""
    period_seconds: float
    around_seconds: float
    series: DifferenceSeries
    settled: bool


def judge(evidence: Evidence) -> tuple[Match, NDArray[np.bool_]]:
    """Return the verdict, and per instant [T] whether its picture may be compared with the reference's.

    In this order: no pictures there, nothing to see on the reference, frozen, drifting, offset found too late,
    other content. Where the reference is black or stands still and the rung does not contradict, the match rests
    on the time stamps and is called not informative.
    """
    references = evidence.references
    count = len(references)
    there = np.array([picture is not None for picture in evidence.chosen], bool)
    if count == 0 or 2 * int(there.sum()) < count:
        text = f"has a picture at only {int(there.sum())} of the {count} instants of the reference"
        return _match(evidence, 0.0, fits=False, informative=False, text=text), there
    kept = np.flatnonzero(there)
    shown = references[kept]  # [P, h, w]
    rung = np.array([picture for picture in evidence.chosen if picture is not None])  # [P, h, w]
    alike = float(np.median([correlation(Small(a), Small(b)) for a, b in zip(shown, rung, strict=True)]))

    if all(is_flat(picture) for picture in shown):
        return _judge_flat(evidence, alike, shown, rung), there

    frozen = _frozen_text(evidence)
    if frozen is not None:
        return _match(evidence, alike, fits=False, informative=True, text=frozen), there
    drift = _drift_text(evidence)
    if drift is not None:
        return _match(evidence, alike, fits=False, informative=True, text=drift), there
    if not evidence.settled:
        where = _late_text(evidence) or "lies at the time of the reference after all"
        text = f"{where}, which was found after frames had been chosen: it takes another pass"
        return _match(evidence, alike, fits=False, informative=True, text=text), there

    same = _same_detail(shown, rung)  # [P]
    fits_at = there.copy()
    fits_at[kept] = same
    other = _other_text(evidence, kept, shown, rung, same)
    if other is not None:
        return _match(evidence, alike, fits=False, informative=True, text=other), fits_at
    if not _moves(evidence, shown):
        text = "shows the same as the reference, which stands still: matched by time stamps"
        return _match(evidence, alike, fits=True, informative=False, text=text), fits_at
    late = _late_text(evidence)
    but = "" if same.all() else f" at {int(same.sum())} of {same.size} instants"
    text = f"shows the same as the reference{but}" + (f" and {late}" if late else "")
    return _match(evidence, alike, fits=True, informative=True, text=text), fits_at


def _match(evidence: Evidence, alike: float, *, fits: bool, informative: bool, text: str) -> Match:
    return Match(
        offset_seconds=float(evidence.around_seconds + evidence.offset * evidence.period_seconds),
        correlation=alike,
        fits=fits,
        informative=informative,
        text=text,
    )


def _judge_flat(evidence: Evidence, alike: float, shown: NDArray[np.uint8], rung: NDArray[np.uint8]) -> Match:
    what = "black" if all(is_black(picture) for picture in shown) else "without detail"
    if float(np.median(rung.std(axis=(1, 2)))) >= PICTURE_FROM:
        text = f"shows a picture while the reference is {what}"
        return _match(evidence, alike, fits=False, informative=True, text=text)
    text = f"the reference is {what} here: matched by time stamps"
    return _match(evidence, alike, fits=True, informative=False, text=text)


def _frozen_text(evidence: Evidence) -> str | None:
    """Say where the rung stands still while the reference goes on; None: nowhere."""
    start: int | None = None
    for instant, picture in enumerate(evidence.chosen):
        before = None if start is None else evidence.chosen[start]
        if picture is None or start is None or before is None:
            start = instant
            continue
        moved = rms_between(evidence.references[start], evidence.references[instant])
        shown = rms_between(before, picture)
        if not _still_between(evidence, start, instant) or shown > max(STILL_LEVELS, FROZEN_SHARE * moved):
            start = instant
            continue
        span_seconds = float(evidence.instants_seconds[instant] - evidence.instants_seconds[start])
        long = span_seconds >= FROZEN_SECONDS or 2 * (instant - start) >= len(evidence.references)
        if long and moved >= FROZEN_LEVELS:
            return _frozen_span_text(evidence, start, instant)
    return None


def _still_between(evidence: Evidence, start: int, end: int) -> bool:
    times = evidence.series.times_seconds
    between = (times > evidence.chosen_seconds[start]) & (times <= evidence.chosen_seconds[end])
    differences = evidence.series.differences[between]
    known = differences[~np.isnan(differences)]
    return bool(known.size == 0 or float(np.median(known)) <= REFINED_LEVELS)


def _frozen_span_text(evidence: Evidence, start: int, end: int) -> str:
    begin_seconds, end_seconds = (float(evidence.chosen_seconds[instant]) for instant in (start, end))
    for span_start, duration in frozen_spans(evidence.series, at_least_seconds=0.0, below=REFINED_LEVELS):
        if span_start <= begin_seconds < span_start + duration:
            begin_seconds, end_seconds = span_start, max(end_seconds, span_start + duration)
            break
    duration_seconds = end_seconds - begin_seconds
    return f"frozen while the reference moves, from {begin_seconds:.2f} s for {duration_seconds:.2f} s"


def _drift_text(evidence: Evidence) -> str | None:
    """Say that no one offset holds for the segment; None: one does."""
    sides = evidence.residuals.shape[1] // 2
    here = [
        instant
        for instant, reference in enumerate(evidence.references)
        if not is_flat(reference) and not np.isnan(evidence.residuals[instant, evidence.offset + sides])
    ]
    if not here:
        return None
    rows = evidence.residuals[here]
    ends = drift(rows, evidence.instants_seconds[here], max(1, sides // REACH_FRAMES)) or _jump(evidence, rows)
    if ends is None:
        return None
    first, last = (evidence.around_seconds + end * evidence.period_seconds for end in ends)
    if first == last:
        return f"comes {first:+.3f} s off the reference, which is not where it was looked for"
    return (
        "does not keep its distance in time from the reference: "
        f"from {first:+.3f} s to {last:+.3f} s within the segment"
    )


def _jump(evidence: Evidence, rows: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return the offsets in frames of the earlier and the later instants where several speak against the one found."""
    sides = rows.shape[1] // 2
    best = np.nanargmin(rows, axis=1) - sides  # [instants]
    gains = rows[:, evidence.offset + sides] - np.nanmin(rows, axis=1)
    against = (np.abs(best - evidence.offset) >= max(2, sides // 2)) & (gains >= JUMP_GAIN)
    if against.sum() < 2 or 4 * against.sum() < best.size:
        return None
    part = max(1, best.size // 3)
    return int(np.median(best[:part])), int(np.median(best[-part:]))


def _late_text(evidence: Evidence) -> str | None:
    if evidence.offset == 0:
        return None
    frames = abs(evidence.offset)
    seconds = frames * evidence.period_seconds
    word = "later" if evidence.offset > 0 else "earlier"
    plural = "" if frames == 1 else "s"
    return f"comes {seconds:.3f} s ({frames} frame{plural}) {word} than expected"


def _same_detail(shown: NDArray[np.uint8], rung: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return per instant [P] whether both pictures show the same, or too little to tell."""
    rows, columns = picture_box(shown)
    same = np.ones(len(shown), bool)
    for index, pair in enumerate(zip(shown[:, rows, columns], rung[:, rows, columns], strict=True)):
        reference_detail, rung_detail = (detail(picture) for picture in pair)
        if rms(reference_detail) >= DETAIL_LEVELS:
            same[index] = cosine(reference_detail, rung_detail) >= SAME_DETAIL
        else:
            same[index] = rms(rung_detail) < CLEAR_DETAIL_LEVELS
    return same


def _other_text(
    evidence: Evidence,
    kept: NDArray[np.intp],
    shown: NDArray[np.uint8],
    rung: NDArray[np.uint8],
    same: NDArray[np.bool_],
) -> str | None:
    """Say that the rung shows something else, and when; None: it does not."""
    misfits = np.flatnonzero(~same)
    if misfits.size and misfits.size >= MISFITS_FROM * same.size:
        if all(is_black(rung[index]) for index in misfits):
            what = "is black while the reference shows a picture"
        elif all(is_flat(rung[index]) for index in misfits):
            what = "is without detail while the reference shows a picture"
        else:
            what = "shows other content than the reference"
        if misfits.size == same.size:
            return what
        first, last = (float(evidence.instants_seconds[kept[index]]) for index in (misfits[0], misfits[-1]))
        return f"{what} at {misfits.size} of {same.size} instants, between {first:.2f} s and {last:.2f} s"
    rows, columns = picture_box(shown)
    shown, rung = shown[:, rows, columns], rung[:, rows, columns]
    if change_level(shown) >= CHANGE_LEVELS and change_correlation(shown, rung) < SAME_CHANGE:
        return "shows other content than the reference: only what never changes is the same"
    return None


def _moves(evidence: Evidence, shown: NDArray[np.uint8]) -> bool:
    """Return whether the reference's pictures can tell one instant from another."""
    if change_level(shown) >= STILL_LEVELS:
        return True
    rows = evidence.residuals[~np.isnan(evidence.residuals).all(axis=1)]
    return bool(rows.size and (np.nanmax(rows, axis=1) - np.nanmin(rows, axis=1)).max() > JUMP_GAIN)
