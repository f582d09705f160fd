"""Memory over time: ``make bench-memory``. Scores ten minutes of 1080p and looks at the process and its decoders.

Prints the resident memory of the whole process tree at every minute of content and its growth from minute 2 to 10.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import run

MINUTES = 10
GOAL_BYTES = 1_200_000_000
GROWTH_BYTES = 40_000_000  # what counts as flat: the scores themselves, and what the allocator moves about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    film = ten_minutes(run.make_clip(options.out), options.out / "film.mp4")
    command = [sys.executable, "-m", "workers.cli.main", "score", "--decoders", "1", "--format", "jsonl", str(film)]
    by_minute: dict[int, int] = {}
    most = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the command has no output")
        for line in process.stdout:
            used = sum(resident_bytes(pid) for pid in family(process.pid))
            most = max(most, used)
            by_minute[int(json.loads(line)["start_seconds"] // 60)] = used
    print("minute of content: resident memory of the command and its decoder")
    for minute, used in by_minute.items():
        print(f"  {minute + 1:2d}: {used / 1e6:7.0f} MB")
    growth = by_minute[MINUTES - 1] - by_minute[1]
    met = most <= GOAL_BYTES and growth <= GROWTH_BYTES
    print(f"  most {most / 1e6:.0f} MB (goal {GOAL_BYTES / 1e6:.0f}), minute 2 to {MINUTES}: {growth / 1e6:+.0f} MB")
    sys.exit(0 if met else 1)


def ten_minutes(clip: Path, film: Path) -> Path:
    if not film.exists():
        loops = MINUTES * 60 // run.SECONDS - 1
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", str(loops), "-i", str(clip)]
        subprocess.run([*command, "-c", "copy", str(film)], check=True)
    return film


def family(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            yield from family(int(child))


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
