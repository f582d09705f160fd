"""A live origin for tests: a tiny ladder of real encodes, a clock that a test moves, and how to ask it."""

import io
import urllib.error
import urllib.request
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import m3u8
import media_factory
import numpy as np

from workers.simulate import Encodes, Origin, Plan, prepare

NOW_SECONDS = 1_767_225_601.25
"""2026-01-01T00:00:01.25Z: a segment was published 1.25 s ago."""
EDGE = int((NOW_SECONDS - 1_704_067_200) // 2) - 1
"""The newest number at first."""
DASH = "{urn:mpeg:dash:schema:mpd:2011}"
RUNGS = ("96p", "72p", "48p")
"""H.264, H.264, HEVC."""
SEGMENTS = 4
"""In the loop, of 2 s at 10 pictures a second."""


class Clock:
    """A wall clock that stands until it is moved."""

    def __init__(self, now: float = NOW_SECONDS) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_segments(self, count: int) -> None:
        self.now += 2 * count


def make_encodes(folder: Path, **plan: Any) -> Encodes:
    """Encode three rungs of a moving camera, 8 s at 10 pictures a second."""
    folder = folder / "simulate"
    folder.mkdir(exist_ok=True)
    video = folder / "camera.mp4"
    if not video.exists():
        media_factory.write_video(video, frames=60, size=(170, 96), fps=Fraction(10))
    values = {"video": video, "rungs": 3, "height_px": 96, "loop_seconds": 8.0} | plan
    return prepare(Plan(**values), folder / "cache")


def luma(data: bytes) -> np.ndarray:
    """Return the luma of all pictures, [T, H, W]."""
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]).astype(float)


class Viewer:
    """Asks an origin of tests for what it serves."""

    def __init__(self, origin: Origin, clock: Clock) -> None:
        self.origin = origin
        self.clock = clock

    def get(self, path: str) -> bytes:
        """Return what is at a path of the stream ``live``. Raises urllib.error.HTTPError."""
        with urllib.request.urlopen(f"{self.origin.url}/live/{path}", timeout=20) as response:
            return response.read()

    def status(self, path: str) -> int:
        """Return the status of an answer."""
        try:
            self.get(path)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        return 200

    def playlist(self, rung: str, container: str = "cmaf") -> m3u8.M3U8:
        return m3u8.loads(self.get(f"{rung}/{container}.m3u8").decode())

    def numbers(self, rung: str) -> list[int]:
        """Return the numbers of the segments that are listed."""
        return [int(segment.uri.partition(".")[0]) for segment in self.playlist(rung).segments]

    def segment(self, rung: str, number: int) -> bytes:
        """Return init and media segment of a rung, in CMAF."""
        return self.get(f"{rung}/init.mp4") + self.get(f"{rung}/{number}.m4s")

    def manifest(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.get("manifest.mpd"))

    def representation(self, rung: str) -> ElementTree.Element | None:
        """Return the Representation of a rung in the newest period."""
        return self.manifest().findall(f"{DASH}Period")[-1].find(f".//{DASH}Representation[@id='{rung}']")

    def dash_numbers(self, rung: str) -> list[int]:
        """Return the numbers of the segments that are listed in the manifest."""
        numbers: list[int] = []
        for period in self.manifest().findall(f"{DASH}Period"):
            template = period.find(f".//{DASH}Representation[@id='{rung}']/{DASH}SegmentTemplate")
            first = int(template.get("startNumber"))
            numbers += range(first, first + sum(1 + int(s.get("r", "0")) for s in template.iter(f"{DASH}S")))
        return numbers
