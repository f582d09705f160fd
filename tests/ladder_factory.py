"""Writes small HLS presentations with real encoders: three rungs of one content, of which the best may stand still."""

from fractions import Fraction
from pathlib import Path

import media_factory
from media_factory import scene

RATE = Fraction(25)


def write_presentation(folder: Path, *, seconds: int = 4, frozen_best: bool = False) -> Path:
    """Write a three-rung HLS presentation in fMP4, a segment every 2 s, and return its master playlist."""
    lines = ["#EXTM3U"]
    for name, (width, height), crf in (("best", (320, 192), 16), ("next", (320, 192), 24), ("low", (160, 96), 30)):
        still = frozen_best and name == "best"
        init, parts = media_factory.fragments(
            frames=seconds * 25,
            fps=RATE,
            size=(width, height),
            options={"crf": str(crf), "g": "50", "sc_threshold": "0"},
            pattern=(lambda index, w, h: scene(0, w, h)) if still else scene,
        )
        (folder / f"{name}.init.mp4").write_bytes(init)
        playlist = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f'#EXT-X-MAP:URI="{name}.init.mp4"']
        for number, part in enumerate(parts):
            (folder / f"{name}.{number}.m4s").write_bytes(part)
            playlist += ["#EXTINF:2.0,", f"{name}.{number}.m4s"]
        (folder / f"{name}.m3u8").write_text("\n".join([*playlist, "#EXT-X-ENDLIST"]))
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={3_000_000 // crf},RESOLUTION={width}x{height}", f"{name}.m3u8"]
    master = folder / "master.m3u8"
    master.write_text("\n".join(lines))
    return master
