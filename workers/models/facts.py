"""What is known of a segment beside its pixels, as a vector of numbers; NaN where it is not known."""

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import Clip

CODECS = ("h264", "hevc", "av1", "vp9", "mpeg2video")

SIZES = ("scale", "still")
"""Always known: log of coded against displayed height, and whether the segment is a single picture."""

STREAM = (
    "bits_shown",  # log of bits a picture, per displayed pixel
    "bits_coded",  # the same per coded pixel
    "bits_i",
    "bits_p",
    "bits_b",
    "bits_rest",  # all but the first I picture
    "i_over_rest",
    "share_b",
    "qp",
    "pictures",  # log of the count: short segments are dominated by their I picture
    "frame_rate",
    *(f"codec_{name}" for name in CODECS),
)
"""Facts of the bit stream, hidden by `--facts none` and dropped at random in training."""

FACTS = (*SIZES, *STREAM)


def facts_of(clip: Clip, *, hide_stream: bool = False) -> NDArray[np.float32]:
    """Return [len(FACTS)] for a clip; with `hide_stream` all but sizes are NaN."""
    facts = clip.facts
    values = dict.fromkeys(FACTS, math.nan)
    values["scale"] = math.log(facts.height_px / clip.display_height_px)
    values["still"] = float(facts.still)
    if not hide_stream:
        coded_px = facts.width_px * facts.height_px
        shown_px = clip.display_width_px * clip.display_height_px
        if facts.video_bytes and facts.codec in CODECS:  # the bytes of a PNG say nothing of its quality
            per_picture = facts.video_bytes / facts.frames
            values["bits_shown"] = _log_bits(per_picture, shown_px)
            values["bits_coded"] = _log_bits(per_picture, coded_px)
            values |= _by_type(facts.bytes_by_type, coded_px)
        if facts.qp_mean is not None:
            values["qp"] = facts.qp_mean
        values["pictures"] = math.log(facts.frames)
        if facts.frame_rate:
            values["frame_rate"] = math.log(float(facts.frame_rate))
        for name in CODECS:
            values[f"codec_{name}"] = float(facts.codec == name)
    return np.array([values[name] for name in FACTS], np.float32)


def _log_bits(size_bytes: float, pixels: int) -> float:
    return math.log(max(size_bytes, 1.0) * 8 / pixels)


def _by_type(bytes_by_type: dict[str, tuple[int, int]], coded_px: int) -> dict[str, float]:
    values: dict[str, float] = {}
    pictures = sum(count for count, _ in bytes_by_type.values())
    for kind in "IPB":
        count, size = bytes_by_type.get(kind, (0, 0))
        if count:
            values[f"bits_{kind.lower()}"] = _log_bits(size / count, coded_px)
    if pictures:
        values["share_b"] = bytes_by_type.get("B", (0, 0))[0] / pictures
    intra, intra_bytes = bytes_by_type.get("I", (0, 0))
    if intra and pictures > 1:
        total = sum(size for _, size in bytes_by_type.values())
        rest = (total - intra_bytes / intra) / (pictures - 1)  # without one I picture
        values["bits_rest"] = _log_bits(rest, coded_px)
        values["i_over_rest"] = values["bits_i"] - values["bits_rest"]
    return values
