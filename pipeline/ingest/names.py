"""Names a person recognises: ids of streams and renditions, unique and stable; natural order of file names."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from schemas import Rung

LONGEST = 200

# File names that say nothing of the content: the folder's name says more.
GENERIC = {"master", "index", "playlist", "manifest", "main", "stream", "prog_index", "media", "video", "live", "vod"}


class UniqueNames:
    """Hands out every name once: a second ``clip`` becomes ``clip-2``."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, name: str) -> str:
        name = "".join(char if char.isprintable() else "?" for char in name.strip())[:LONGEST] or "unnamed"
        unique, count = name, 1
        while unique in self._taken:
            count += 1
            unique = f"{name}-{count}"
        self._taken.add(unique)
        return unique


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``clip2`` before ``clip10``."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def path_of(uri: str) -> PurePosixPath:
    """Return the path part of a URI or a plain path, decoded."""
    return PurePosixPath(unquote(urlsplit(uri).path) if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", uri) else uri)


def file_name(uri: str) -> str:
    return path_of(uri).name or host_of(uri) or "unnamed"


def host_of(uri: str) -> str:
    return urlsplit(uri).hostname or ""


def playlist_name(uri: str) -> str:
    """Return the name of a stream from where its playlist is: ``.../show/master.m3u8`` is ``show``."""
    path = path_of(uri)
    if path.stem.casefold() not in GENERIC and path.stem:
        return path.stem
    return path.parent.name or host_of(uri) or path.stem or "stream"


def rung_name(rung: Rung) -> str:
    """Return ``720p-2400k`` from what is declared, or the empty string where nothing is."""
    height = f"{rung.height_px}p" if rung.height_px else ""
    rate = f"{round(rung.bitrate_bps / 1000)}k" if rung.bitrate_bps else ""
    return "-".join(filter(None, (height, rate)))


def rung_names(rungs: Sequence[Rung]) -> list[str]:
    """Return one name per rung; the codec is part of it only where it is needed to tell rungs apart."""
    plain = [rung_name(rung) for rung in rungs]
    return [
        f"{name}-{rung.codec}" if rung.codec and name and plain.count(name) > 1 else name or "rendition"
        for name, rung in zip(plain, rungs, strict=True)
    ]


def file_stems(names: Sequence[str]) -> list[str]:
    """Return file names without extension where they are still different, with it otherwise."""
    stems = [PurePosixPath(name).stem for name in names]
    return [stem if stem and stems.count(stem) == 1 else name for stem, name in zip(stems, names, strict=True)]


def common_name(uris: Sequence[str]) -> str:
    """Return what files of one content share: the leading words of their names, or their folder."""
    words = [re.split(r"[-_. ]+", path_of(uri).stem) for uri in uris]
    shared: list[str] = []
    for column in zip(*words, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    if len(uris) > 1 and any(shared) and len(shared) < max(map(len, words)):
        return "-".join(filter(None, shared))
    folders = {path_of(uri).parent.name for uri in uris}
    return (folders.pop() if len(folders) == 1 else "") or "ladder"
