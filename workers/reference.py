"""Whether the best rung can be trusted as the reference: named where it is broken, and the next best stands in."""

from collections.abc import Callable
from dataclasses import replace

from pipeline.clip import Clip
from pipeline.sample import hardly_moves, still_beside
from schemas import Finding, FindingKind, SegmentScored
from workers.scoring import Scored
from workers.sheets import Sheet

_FROZEN_SHARE = 0.5
_STILL = "stands still"


def judge(
    best: Scored | None,
    lesser_id: str | None,
    *,
    look: Callable[[], Clip | None],
    score: Callable[[Clip], Scored],
) -> tuple[Scored | None, Sheet | None]:
    """Return the best rung's result, with what was found of it, and the sheet for the other rungs.

    Args:
        best: The best rung, scored alone; None: it could not be decoded.
        lesser_id: The next best rung, which may stand in; None: there is none.
        look: Decodes the same segment of that rung, instants chosen on itself; None: there is nothing to see.
        score: Scores such a clip alone.

    The sheet is None where neither rung can serve: the others are then scored alone.
    """
    trouble = _trouble(best.clip) if best else "could not be decoded"
    # A best rung that stands still is asked about: does the scene, too?
    doubtful = trouble is not None or (best is not None and (_rests(best.clip) or hardly_moves(best.clip.differences)))
    stand_in = look() if doubtful and lesser_id is not None else None
    if trouble is None and stand_in and best and _stands_still_beside(best.clip, stand_in):
        trouble = _STILL
    if trouble and stand_in and not _trouble(stand_in):
        sheet = _sheet(score(stand_in), replaces=f"the best rung {trouble}")
        if best:
            text = f"this rung {trouble} while {lesser_id} does not, which stands in as the reference"
            replaced = Finding(kind=FindingKind.REFERENCE_REPLACED, text=text)
            best = replace(best, record=_told(best.record, trouble, replaced))
        return best, sheet
    return best, _sheet(best) if best else None


def _sheet(scored: Scored, replaces: str | None = None) -> Sheet:
    return Sheet.of(scored.record.rendition_id, scored.clip, scored.measured, scored.record.high, replaces)


def _trouble(clip: Clip) -> str | None:
    """Return what is wrong with a clip that should serve as the reference, as a verb; None: nothing is."""
    kinds = {found.kind for found in clip.findings}
    if FindingKind.BLACK in kinds:
        return "is black"
    if FindingKind.DAMAGED in kinds:
        return "is damaged"
    return None


def _rests(clip: Clip) -> bool:
    """Say whether the picture stands still for most of the clip."""
    still = sum(found.duration_seconds or 0 for found in clip.findings if found.kind is FindingKind.STILL)
    return still > _FROZEN_SHARE * max(clip.facts.duration_seconds, 1.0)


def _told(record: SegmentScored, trouble: str, replaced: Finding) -> SegmentScored:
    findings = [*record.findings, replaced]
    if trouble == _STILL:
        frozen = Finding(
            kind=FindingKind.FROZEN,
            text="the picture stands still while the next best rung moves",
            start_seconds=record.start_seconds,
            duration_seconds=record.duration_seconds,
        )
        findings = [*(found for found in findings if found.kind is not FindingKind.STILL), frozen]
    return record.model_copy(update={"findings": tuple(findings)})


def _stands_still_beside(clip: Clip, other: Clip) -> bool:
    """A frozen picture that is encoded again still flickers: beside a rung that moves it is seen all the same."""
    gap = clip.start_seconds - other.start_seconds
    seconds = max(clip.facts.duration_seconds, 1e-3)
    spans = still_beside(clip.differences, other.differences, gap, min(1.0, _FROZEN_SHARE * seconds))
    if sum(duration for _, duration in spans) > _FROZEN_SHARE * seconds:
        return True
    return _rests(clip) and not _rests(other) and not hardly_moves(other.differences)
