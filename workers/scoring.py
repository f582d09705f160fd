"""From a clip to a score: measures it, compares it with the reference's sheet where that fits, and asks the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.clip import Clip
from schemas import (
    Basis,
    ContentLabel,
    Finding,
    FindingKind,
    FrameScore,
    MediaFacts,
    ModelIdentity,
    Rendition,
    Rung,
    SamplerIdentity,
    SegmentScored,
    TimeBasis,
)
from workers.measured import Measured
from workers.models.protocol import Model, Prediction
from workers.sheets import Sheet

_NO_FIT = frozenset({FindingKind.FROZEN, FindingKind.BLACK})
_BAD_SOURCE_TOLD = 0.5  # more likely than not
_OFFSET_TOLD = 0.5  # of a frame: a smaller lag is rounding of time stamps


@dataclass(frozen=True, slots=True)
class Work:
    """What a clip is of. Times of the clip are shifted so that the segment starts at `start_seconds`."""

    stream_id: str
    rendition: Rendition
    number: int
    start_seconds: float
    time_basis: TimeBasis
    sheet: Sheet | None = None
    """The reference over the same span; None: this is it, or there is none."""
    heads_ladder: bool = False
    """This is the reference, or stands in for it."""
    live: bool = False
    label: ContentLabel = ContentLabel.PROGRAM
    cdn: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A clip measured and compared: all that the model needs, and what the record is made of."""

    work: Work
    clip: Clip
    measured: Measured
    """Alone, as its sheet keeps it."""
    compared: Measured
    """Against the reference where that fits, else the same."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with what is not published but needed beside it."""

    record: SegmentScored
    worst_picture: bytes | None
    """JPEG of the worst frame."""
    measured: Measured
    clip: Clip


class Scorer:
    """One model with the settings that go into its scores."""

    def __init__(self, model: Model, sampler: SamplerIdentity, *, hide_stream: bool = False) -> None:
        self._model = model
        self._sampler = sampler
        self._hide_stream = hide_stream

    def score(self, work: Work, clip: Clip) -> Scored:
        """Score one clip; alone where there is no sheet, or where the pictures do not fit it."""
        return self.predict([self.prepare(work, clip)])[0]

    def prepare(self, work: Work, clip: Clip) -> Prepared:
        """Measure and compare one clip. May run in many threads."""
        measured = self._model.measure(clip, hide_stream=self._hide_stream)
        measured = replace(measured, heads_ladder=work.heads_ladder)
        compared, findings = self._against(work, clip, measured)
        return Prepared(work, clip, measured, compared, tuple(findings))

    def predict(self, batch: Sequence[Prepared]) -> list[Scored]:
        """Score clips together; a score does not depend on what else is in the batch. One thread at a time."""
        predictions = self._model.predict([prepared.compared for prepared in batch])
        return [self._scored(prepared, found) for prepared, found in zip(batch, predictions, strict=True)]

    def _scored(self, prepared: Prepared, prediction: Prediction) -> Scored:
        work, clip = prepared.work, prepared.clip
        if prepared.compared.best is not None and work.sheet is not None:
            prediction = _bounded(prediction, work.sheet.bound)
        worst = int(np.argmin(prediction.frames))
        record = _record(prepared, prediction, worst, self._model.identity, self._sampler)
        picture = clip.thumbnails[worst] if clip.thumbnails else None
        return Scored(record, picture, prepared.measured, clip)

    def _against(self, work: Work, clip: Clip, measured: Measured) -> tuple[Measured, list[Finding]]:
        sheet, match = work.sheet, clip.match
        findings: list[Finding] = []
        if sheet is None or match is None:
            return measured, findings
        if not match.fits and any(found.kind in _NO_FIT for found in clip.findings):
            return measured, findings  # that it stands still, or is black, says why it does not fit
        if not match.fits:
            text = f"not compared with {sheet.rendition_id}: {match.text}"
            return measured, [Finding(kind=FindingKind.MISMATCH, text=text)]
        if sheet.replaces:
            text = f"compared with {sheet.rendition_id} instead: {sheet.replaces}"
            findings.append(Finding(kind=FindingKind.REFERENCE_REPLACED, text=text))
        rate = clip.facts.frame_rate
        if rate and abs(match.offset_seconds) * rate > _OFFSET_TOLD:
            lag = "later" if match.offset_seconds > 0 else "earlier"
            text = f"shows the same {abs(match.offset_seconds) * 1000:.0f} ms {lag} than {sheet.rendition_id}"
            findings.append(Finding(kind=FindingKind.OFFSET, text=text))
        instants = [frame.instant for frame in clip.frames]
        best = _seen_at(sheet.measured, instants)
        return self._model.compare(measured, clip.shown, best, sheet.shown[instants]), findings


def _doubts(prediction: Prediction) -> Iterator[Finding]:
    if prediction.bad_source > _BAD_SOURCE_TOLD:
        text = "worse than its bits should make it: the source may be bad; look at what the encoder was given"
        yield Finding(kind=FindingKind.DOUBTFUL_SOURCE, text=text)


def _bounded(prediction: Prediction, bound: float) -> Prediction:
    """A rung shows no more than its reference does: a bad source pulls all rungs down."""
    if prediction.score <= bound:
        return prediction
    over = prediction.score - bound
    frames = np.clip(prediction.frames - over, 0, 100)
    return Prediction(bound, max(0.0, min(prediction.low - over, bound)), max(bound, prediction.high - over), frames)


def _seen_at(measured: Measured, instants: Sequence[int]) -> Measured:
    if len(instants) == len(measured.times) or max(instants) >= len(measured.times):
        return measured
    return replace(
        measured,
        frame=measured.frame[instants],
        times=measured.times[instants],
    )


def _record(
    prepared: Prepared, prediction: Prediction, worst: int, model: ModelIdentity, sampler: SamplerIdentity
) -> SegmentScored:
    work, clip, compared = prepared.work, prepared.clip, prepared.compared
    shift = work.start_seconds - clip.start_seconds
    frames = tuple(
        FrameScore(pts=frame.pts, time_seconds=frame.time_seconds + shift, score=float(score))
        for frame, score in zip(clip.frames, prediction.frames, strict=True)
    )
    in_ladder = compared.best is not None and work.sheet is not None
    moved = [
        found
        if found.start_seconds is None
        else found.model_copy(update={"start_seconds": found.start_seconds + shift})
        for found in clip.findings
    ]
    return SegmentScored(
        stream_id=work.stream_id,
        rendition_id=work.rendition.rendition_id,
        rung=_measured_rung(work.rendition.rung, clip),
        segment_number=work.number,
        start_seconds=work.start_seconds,
        duration_seconds=clip.facts.duration_seconds,
        time_basis=work.time_basis,
        media=_media(clip),
        display_height_px=clip.display_height_px,
        basis=Basis.LADDER if in_ladder else Basis.ALONE,
        reference_rendition_id=work.sheet.rendition_id if in_ladder and work.sheet else None,
        reference_offset_seconds=clip.match.offset_seconds if in_ladder and clip.match else None,
        score=prediction.score,
        low=prediction.low,
        high=prediction.high,
        frames=frames,
        worst_frame=frames[worst],
        findings=(*moved, *prepared.findings, *_doubts(prediction)),
        model=model,
        sampler=sampler,
        live=work.live,
        label=work.label,
        cdn=work.cdn,
    )


def _measured_rung(declared: Rung, clip: Clip) -> Rung:
    """Return the rung as declared, with what was not declared filled in as decoded."""
    facts = clip.facts
    known = {
        "codec": declared.codec or facts.codec,
        "width_px": declared.width_px or facts.width_px,
        "height_px": declared.height_px or facts.height_px,
        "frame_rate": declared.frame_rate or facts.frame_rate,
    }
    return declared.model_copy(update=known)


def _media(clip: Clip) -> MediaFacts:
    facts = clip.facts
    bitrate = None
    if facts.video_bytes is not None and facts.duration_seconds > 0:
        bitrate = round(facts.video_bytes * 8 / facts.duration_seconds)
    return MediaFacts(
        codec=facts.codec,
        width_px=facts.width_px,
        height_px=facts.height_px,
        bit_depth=facts.bit_depth,
        frame_rate=facts.frame_rate,
        frames=facts.frames,
        duration_seconds=facts.duration_seconds,
        bitrate_bps=bitrate,
        interlaced=facts.interlaced,
        audio_lag_seconds=facts.audio_lag_seconds,
    )
