"""The clip: all that is kept of one segment once it is decoded. Plain arrays, cheap to send to the scorer."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from schemas import Finding


@dataclass(frozen=True, slots=True)
class Window:
    """The part [start_seconds, end_seconds) of a source that forms one segment, in its media time.

    None: from the first, or to the last picture.
    """

    number: int
    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DifferenceSeries:
    """Frame difference of every decoded picture of a segment against the one before."""

    times_seconds: NDArray[np.float64]  # [F]
    differences: NDArray[np.float32]  # [F]; mean |dY| of 8-bit steps; the first is NaN where nothing was before

    def __post_init__(self) -> None:
        if self.times_seconds.shape != self.differences.shape:
            raise ValueError(f"expected equal shapes, got {self.times_seconds.shape} and {self.differences.shape}")


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What is known of a segment beside its pixels. None: the stream does not tell."""

    codec: str
    width_px: int
    height_px: int
    """As coded, after rotation."""
    display_aspect: Fraction
    """Width over height of the picture as shown (pixels made square, rotated)."""
    bit_depth: int
    frame_rate: Fraction | None
    frames: int
    duration_seconds: float
    video_bytes: int | None
    """Sum of the video packets; None where they cannot be told apart."""
    bytes_by_type: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Picture type ``I``/``P``/``B`` -> (pictures, bytes)."""
    qp_mean: float | None = None
    """Mean quantiser of the sampled pictures on the codec's own scale (H.264, VP9); None: not exported."""
    interlaced: bool = False
    still: bool = False
    audio_lag_seconds: float | None = None
    """How much later than the first picture the sound beside it begins; None: there is none."""


@dataclass(frozen=True, slots=True)
class SampledFrame:
    instant: int
    """Which instant of the clip this is, 0..T-1; an instant that a rung cannot show is left out."""
    pts: int | None
    time_seconds: float
    picture_type: str
    difference: float
    """Against the picture before; NaN for the first of a source."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the reference imposes on the other rungs: its instants, and small pictures to check the match."""

    instants_seconds: NDArray[np.float64]  # [T] media time of the reference's sampled frames
    places: tuple[int, ...]
    """[T] which places of the cell grid each instant is cut at; see `CellGrid.places`."""
    pictures: NDArray[np.uint8]  # [T, h, w] small luma of those frames
    start_seconds: float
    """First picture of the reference segment."""
    frame_rate: Fraction | None
    differences: DifferenceSeries | None = None
    """How much the reference moves; None: not known."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a rung's frames fit the reference's."""

    offset_seconds: float
    """The content of the rung lags the reference by this much."""
    correlation: float
    """Median over the instants of the correlation of the small pictures, -1..1."""
    fits: bool
    informative: bool
    """False: the pictures have nothing to compare (black, flat, frozen); `fits` then rests on time stamps alone."""
    text: str
    """In words, for a finding."""


@dataclass(frozen=True, slots=True)
class Clip:
    """The sampled frames of one segment: T frames, N cells of P x P pixels each, 8-bit limited-range luma.

    `shown` cells lie on the picture as displayed (scaled to the display height) and are what two rungs are
    compared in; `coded` cells lie on the coded grid (aligned to 16 pixels), where blocks and quantisation show.
    """

    window: Window
    facts: SegmentFacts
    display_width_px: int
    display_height_px: int
    frames: tuple[SampledFrame, ...]  # T
    shown: NDArray[np.uint8]  # [T, N, P, P]
    coded: NDArray[np.uint8]  # [T, N, P, P]
    before: NDArray[np.uint8]  # [T, N, P, P] coded cells of the picture just before each sampled one
    first: NDArray[np.uint8]  # [N, P, P] coded cells of the segment's first picture
    small: NDArray[np.uint8]  # [T, h, w] small pictures to match rungs by
    differences: DifferenceSeries
    start_seconds: float
    """Media time of the first picture of the segment."""
    match: Match | None = None
    """None: these instants were chosen here, not imposed."""
    findings: tuple[Finding, ...] = ()
    thumbnails: tuple[bytes, ...] = ()
    """JPEG of every sampled frame, or empty."""

    def __post_init__(self) -> None:
        frames, cells = len(self.frames), self.shown.shape[1]
        if self.shown.ndim != 4 or self.shown.shape[0] != frames:
            raise ValueError(f"expected shown [{frames}, N, P, P], got {self.shown.shape}")
        for name, array in (("coded", self.coded), ("before", self.before)):
            if array.shape != self.shown.shape:
                raise ValueError(f"expected {name} {self.shown.shape}, got {array.shape}")
        if self.first.shape != self.shown.shape[1:]:
            raise ValueError(f"expected first [{cells}, P, P], got {self.first.shape}")

    def anchor(self) -> Anchor:
        """Return what this clip imposes on the other rungs of its ladder."""
        return Anchor(
            instants_seconds=np.array([frame.time_seconds for frame in self.frames], np.float64),
            places=tuple(frame.instant for frame in self.frames),
            pictures=self.small,
            start_seconds=self.start_seconds,
            frame_rate=self.facts.frame_rate,
            differences=self.differences,
        )
