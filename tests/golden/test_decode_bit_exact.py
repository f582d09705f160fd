"""What is handed to the model is bit for bit what a full decode gives: hashes of every picture, per codec."""

import hashlib
from pathlib import Path
from typing import Any

import av
import media_factory
import numpy as np
import pytest

from pipeline.decode import MediaSource, open_media
from pipeline.settings import DecodeLimits

LIMITS = DecodeLimits()
SIZE = (320, 180)
# b-pyramid and several references: where skipping pictures or loop filters would show.
X264 = {"preset": "medium", "g": "24", "bf": "3", "b-pyramid": "normal", "refs": "4", "x264-params": "log-level=none"}
X265 = {"preset": "fast", "x265-params": "log-level=none:keyint=24:bframes=4:pools=none"}
CODECS: list[tuple[str, dict[str, Any]]] = [
    ("h264_pyramid.mp4", {"options": X264}),
    ("h264_pyramid.ts", {"options": X264}),
    ("hevc.mp4", {"codec": "libx265", "options": X265}),
    ("hevc_10bit.mp4", {"codec": "libx265", "options": X265, "pixel_format": "yuv420p10le"}),
    ("av1.mp4", {"codec": "libsvtav1"}),
    ("av1_10bit.mp4", {"codec": "libsvtav1", "pixel_format": "yuv420p10le"}),
    ("vp9.webm", {"codec": "libvpx-vp9"}),
    ("mpeg2.ts", {"codec": "mpeg2video"}),
]


def full_decode(path: Path) -> list[str]:
    """Hash the luma of every picture as plain PyAV with its default settings decodes it."""
    hashes = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane: Any = frame.planes[0]
            kind: Any = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
            luma = np.frombuffer(plane, kind).reshape(frame.height, -1)[:, : frame.width]
            hashes.append(hashlib.sha256(luma.tobytes()).hexdigest())
    return hashes


def ours(source: MediaSource, **options: Any) -> list[str]:
    with open_media(source, LIMITS, **options) as media:
        return [hashlib.sha256(picture.luma.tobytes()).hexdigest() for picture in media.frames()]


@pytest.mark.parametrize(("name", "video"), CODECS, ids=[name for name, _ in CODECS])
def test_every_picture_is_bit_for_bit_that_of_a_full_decode(name: str, video: dict[str, Any], tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / name, frames=48, size=SIZE, **video)
    expected = full_decode(path)
    assert len(expected) == 48
    assert ours(MediaSource.of_path(path)) == expected
    assert ours(MediaSource(name, data=path.read_bytes())) == expected
    assert ours(MediaSource.of_path(path), threads=2) == expected
    assert ours(MediaSource.of_path(path), export_qp=False) == expected


def test_fragments_are_bit_for_bit_the_whole(tmp_path: Path) -> None:
    init, segments = media_factory.fragments(frames=48, size=SIZE, options=X264)
    path = tmp_path / "whole.mp4"
    path.write_bytes(init + b"".join(segments))
    parts = [ours(MediaSource("segment", data=init + segment)) for segment in segments]
    assert len(segments) > 1
    assert [picture for part in parts for picture in part] == full_decode(path)
