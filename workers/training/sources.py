"""Which pristine sources there are, and on which side of the train / validation split each file is."""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

SourceKind = Literal["photo", "video"]
Split = Literal["train", "validation"]

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".mov", ".webm", ".264", ".265", ".y4m", ".ts"})
WINDOWS_PER_VIDEO = 4
VALIDATION_PER_MILLE = 150
WHOLE_LADDER_SUFFIX = "-ladder"  # of the ids of contents that are one whole ladder: their source may have others
FAULTS_SUFFIX = "-faults"  # the same of contents whose rungs have faults


@dataclass(frozen=True, slots=True)
class Content:
    """One pristine stretch to be encoded: a photo in camera motion, or one window of a clip."""

    content_id: str
    path: Path
    kind: SourceKind
    window: int  # [0, WINDOWS_PER_VIDEO) of a clip; 0 for a photo
    split: Split


def split_of(file_name: str) -> Split:
    """The side of a source file: its name alone decides, so no content leaks when other files are added."""
    digest = hashlib.sha256(file_name.encode()).digest()
    return "validation" if int.from_bytes(digest[:8], "big") % 1000 < VALIDATION_PER_MILLE else "train"


def source_id(content_id: str) -> str:
    """Return the id that the content has when random rungs are made of it, whatever else was made of its source."""
    return content_id.removesuffix(WHOLE_LADDER_SUFFIX).removesuffix(FAULTS_SUFFIX)


def find_contents(sources: Path) -> list[Content]:
    """All contents below `sources/photos` and `sources/videos`, sorted by id.

    Raises FileNotFoundError when there is no source, ValueError when two files give the same content id.
    """
    contents = [
        Content(_identifier(path), path, "photo", 0, split_of(path.name))
        for path in _files(sources / "photos", PHOTO_SUFFIXES)
    ]
    contents += [
        Content(f"{_identifier(path)}_window{window}", path, "video", window, split_of(path.name))
        for path in _files(sources / "videos", VIDEO_SUFFIXES)
        for window in range(WINDOWS_PER_VIDEO)
    ]
    if not contents:
        raise FileNotFoundError(f"nothing below {sources}: put files into its folders photos/ and videos/")
    contents.sort(key=lambda content: content.content_id)
    for first, second in pairwise(contents):
        if first.content_id == second.content_id:
            names = f"{first.path.name} and {second.path.name}"
            raise ValueError(f"{names} give the same content id: rename one of them")
    return contents


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _identifier(path: Path) -> str:
    return re.sub(r"[^\w.-]", "_", path.stem)  # it becomes a folder name and an argument of ffmpeg
