"""The media of a chaos run: small ladders, some with a best rung that stands still, and files that are bad."""

import random
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import media_factory
import numpy as np
from media_factory import scene
from numpy.typing import NDArray

from pipeline.ingest import Fetcher, Stream, find_streams
from pipeline.ingest.events import events
from pipeline.settings import FetchLimits
from schemas import SegmentReady

RATE = Fraction(25)
SEGMENT_FRAMES = 12
SEGMENTS = 4
RUNGS = (("best", (160, 96), 16), ("next", (160, 96), 28), ("low", (80, 48), 34))
FROZEN = frozenset({1, 3})
"""Contents whose best rung stands still, so that the next one stands in."""
COUNT = 4


@dataclass(frozen=True, slots=True)
class Content:
    """One ladder on disk, and the events of its segments, best rung first."""

    name: str
    events: tuple[SegmentReady, ...]


@dataclass(frozen=True, slots=True)
class BadFiles:
    """Files that no worker can score, and one good one that none may read."""

    missing: Path
    garbage: Path
    truncated: Path
    outside: Path


def write_contents(folder: Path) -> list[Content]:
    """Write `COUNT` ladders of three rungs in fMP4, each below a folder of its own."""
    return [_content(folder / f"content-{number}", number) for number in range(COUNT)]


def write_bad_files(folder: Path, outside: Path, chance: random.Random) -> BadFiles:
    """`outside`: a folder that is no root of the workers."""
    folder.mkdir(parents=True)
    outside.mkdir(parents=True)
    init, parts = media_factory.fragments(frames=SEGMENT_FRAMES, fps=RATE, size=(80, 48), pattern=scene)
    files = BadFiles(folder / "gone.mp4", folder / "garbage.mp4", folder / "cut.mp4", outside / "good.mp4")
    files.garbage.write_bytes(chance.randbytes(20_000))
    files.truncated.write_bytes((init + parts[0])[: len(init) + 150])  # ends before the first picture
    files.outside.write_bytes(init + parts[0])
    return files


def _content(folder: Path, number: int) -> Content:
    folder.mkdir(parents=True)
    master = ["#EXTM3U"]
    for name, (width, height), crf in RUNGS:
        still = number in FROZEN and name == "best"
        init, parts = media_factory.fragments(
            frames=SEGMENTS * SEGMENT_FRAMES,
            fps=RATE,
            size=(width, height),
            options={"crf": str(crf + number), "g": str(SEGMENT_FRAMES), "sc_threshold": "0", "bf": "0"},
            pattern=_Moving(0 if still else 1, 7 * number),
        )
        assert len(parts) == SEGMENTS
        playlist = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", f'#EXT-X-MAP:URI="{name}.init.mp4"']
        (folder / f"{name}.init.mp4").write_bytes(init)
        for index, part in enumerate(parts):
            (folder / f"{name}.{index}.m4s").write_bytes(part)
            playlist += [f"#EXTINF:{float(SEGMENT_FRAMES / RATE)},", f"{name}.{index}.m4s"]
        (folder / f"{name}.m3u8").write_text("\n".join([*playlist, "#EXT-X-ENDLIST"]))
        master += [f"#EXT-X-STREAM-INF:BANDWIDTH={3_000_000 // crf},RESOLUTION={width}x{height}", f"{name}.m3u8"]
    path = folder / "master.m3u8"
    path.write_text("\n".join(master))
    return Content(folder.name, tuple(events(_found(path))))


@dataclass(frozen=True, slots=True)
class _Moving:
    """Pictures of the scene from one of them on; `step` 0: the same one again and again."""

    step: int
    first: int

    def __call__(self, index: int, width: int, height: int) -> NDArray[np.uint8]:
        return scene(self.first + self.step * index, width, height)


def _found(master: Path) -> Stream:
    limits = FetchLimits(attempts=1)
    with Fetcher(limits) as fetcher:
        (stream,) = find_streams([str(master)], as_ladder=False, limits=limits, fetcher=fetcher)
    assert isinstance(stream, Stream), stream
    return stream
