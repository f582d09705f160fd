"""Writes small playlists, manifests and byte files, and runs ingest on them."""

import struct
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import Rejected, Transient
from pipeline.ingest import Fetcher, Stream, find_streams
from pipeline.settings import FetchLimits


def limits(**changes: object) -> FetchLimits:
    return FetchLimits(**{"attempts": 1, "timeout_seconds": 20.0, **changes})


def find(
    *inputs: object, as_ladder: bool = False, fetcher: Fetcher | None = None, **changes: object
) -> list[Stream | tuple[str, Rejected | Transient]]:
    """Return all that ingest finds. Without a fetcher the segments can only be looked at, not read."""
    settings = limits(**changes)
    if fetcher is not None:
        return list(find_streams([str(i) for i in inputs], as_ladder=as_ladder, limits=settings, fetcher=fetcher))
    with Fetcher(settings) as own:
        return list(find_streams([str(i) for i in inputs], as_ladder=as_ladder, limits=settings, fetcher=own))


def find_one(*inputs: object, as_ladder: bool = False, fetcher: Fetcher | None = None, **changes: object) -> Stream:
    (found,) = find(*inputs, as_ladder=as_ladder, fetcher=fetcher, **changes)
    assert isinstance(found, Stream), found
    return found


def find_error(*inputs: object, **changes: object) -> Rejected | Transient:
    (found,) = find(*inputs, **changes)
    assert isinstance(found, tuple), found
    return found[1]


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def media_playlist(names: Sequence[str], seconds: float = 2.0, head: str = "", end: bool = True) -> str:
    entries = "".join(f"#EXTINF:{seconds},\n{name}\n" for name in names)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:{seconds:.0f}\n{head}{entries}{'#EXT-X-ENDLIST' if end else ''}\n"


def write_hls_ladder(folder: Path, rungs: Sequence[tuple[int, int]], segments: int = 3) -> Path:
    """Write master.m3u8 with one folder per (height, kbit/s), its segments holding their own names."""
    master = "#EXTM3U\n"
    for height, kilobits in rungs:
        name = f"v{height}"
        files = [f"seg{index}.ts" for index in range(segments)]
        for file in files:
            write(folder / name / file, f"{name}/{file}")
        write(folder / name / "index.m3u8", media_playlist(files))
        master += (
            f"#EXT-X-STREAM-INF:BANDWIDTH={kilobits * 1000},RESOLUTION={height * 16 // 9}x{height},FRAME-RATE=25,"
            f'CODECS="avc1.640028,mp4a.40.2"\n{name}/index.m3u8\n'
        )
    return write(folder / "master.m3u8", master)


def manifest(periods: str, head: str = 'type="static" mediaPresentationDuration="PT6S"') -> str:
    return f'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {head}>{periods}</MPD>'


def representation(
    inner: str = "", *, name: str = "v1", height: int = 360, bandwidth: int = 500_000, codecs: str = "avc1.64001e"
) -> str:
    return (
        f'<Representation id="{name}" bandwidth="{bandwidth}" width="{height * 16 // 9}" height="{height}" '
        f'codecs="{codecs}" frameRate="30000/1001">{inner}</Representation>'
    )


def sidx(
    references: Sequence[tuple[int, int]],
    *,
    timescale: int = 1000,
    first_time: int = 0,
    version: int = 0,
    indexes: bool = False,
) -> bytes:
    """Return a segment index of (bytes, ticks) entries."""
    wide = ">II" if version == 0 else ">QQ"
    body = struct.pack(">B3xII", version, 1, timescale) + struct.pack(wide, first_time, 0)
    body += struct.pack(">HH", 0, len(references))
    for size, ticks in references:
        body += struct.pack(">III", size | (indexes << 31), ticks, 0x90000000)
    return struct.pack(">I4s", 8 + len(body), b"sidx") + body
