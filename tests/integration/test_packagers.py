"""What other packagers publish live is followed to its end: every segment once, as long as it is, and it decodes.

ffmpeg's HLS muxer (MPEG-TS, fMP4) and DASH muxer, and Shaka Packager (HLS and DASH) where npm is there to fetch it.
They run at the speed of the clock, all at the same time.
"""

import io
import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
import shaka_packager

from pipeline.errors import NotFound, Rejected, Transient
from pipeline.ingest import Fetcher
from pipeline.ingest.open import open_presentation
from pipeline.ingest.presentation import Update
from pipeline.settings import FetchLimits
from schemas import ManifestFinding, ManifestFindingKind, SegmentReady
from schemas.record import Record
from workers.service.follow import Follower
from workers.service.sources import SourceSpec

SECONDS, FRAME_RATE = 6, 10
PATIENCE_SECONDS = 120.0
FFMPEG = (
    *(
        "-nostdin",
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        f"testsrc=size=160x96:rate={FRAME_RATE}",
        "-t",
        str(SECONDS),
    ),
    *("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", str(FRAME_RATE), "-bf", "0"),
    *("-keyint_min", str(FRAME_RATE), "-sc_threshold", "0"),
)
HLS = ("-f", "hls", "-hls_time", "1", "-hls_list_size", "5", "-hls_flags", "program_date_time")
DASH = ("-f", "dash", "-seg_duration", "1", "-window_size", "5", "-extra_window_size", "5")
MUXED = {
    "ffmpeg-hls": ("live.m3u8", HLS),
    "ffmpeg-hls-fmp4": ("live.m3u8", (*HLS, "-hls_segment_type", "fmp4")),
    "ffmpeg-dash": ("live.mpd", DASH),
    "ffmpeg-dash-duration": ("live.mpd", (*DASH, "-use_timeline", "0")),
}
SHAKA = {"shaka-hls": "master.m3u8", "shaka-dash": "live.mpd"} if shaka_packager.is_to_be_had() else {}
NAMES = (*MUXED, *SHAKA)
ENDLESS = ("ffmpeg-dash-duration", *SHAKA)
"""These do not say that they are over; segments that follow from the clock alone are told beyond the end."""
NOT_YET_SECONDS = 30.0
"""An encoder that gets no time is late by the clock."""
PAUSE_SECONDS = 1.5
"""Of the segments, which last a second each: who writes nothing for longer may be called stale."""


def last(name: str) -> int:
    """Return the number of the last segment: they are numbered from 0 in HLS, and from 1 in DASH."""
    return SECONDS if "dash" in name else SECONDS - 1


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


class Taken:
    """Implements `Sink`: downloads every segment as soon as it is told."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self.events: dict[str, list[SegmentReady]] = defaultdict(list)
        self.data: dict[str, list[bytes]] = defaultdict(list)
        self.findings: dict[str, list[ManifestFinding]] = defaultdict(list)
        self.failures: list[str] = []
        self.written: dict[str, set[float]] = defaultdict(set)
        """When the playlist or manifest was written, as its file says."""

    def event(self, event: SegmentReady) -> bool:
        until = time.monotonic() + NOT_YET_SECONDS
        while True:
            try:
                data = self._fetcher.segment_bytes(event.segment)
                break
            except NotFound:
                # By the clock it is there already; beyond the end it never comes.
                if time.monotonic() > until or event.segment.number > last(event.stream_id):
                    return False
                time.sleep(0.1)
        self.events[event.stream_id].append(event)
        self.data[event.stream_id].append(data)
        return True

    def has_paused(self, name: str) -> bool:
        """Whether the packager itself wrote nothing for long, as it does where a busy machine gives it no time."""
        return any(after - before > PAUSE_SECONDS for before, after in pairwise(sorted(self.written[name])))

    def is_complete(self, name: str) -> bool:
        """Whether the last segment of one that does not say so is there."""
        return name in ENDLESS and bool(self.events[name]) and self.events[name][-1].segment.number >= last(name)

    def finding(self, finding: ManifestFinding) -> None:
        self.findings[finding.stream_id].append(finding)

    def opened(self, source: SourceSpec, update: Update) -> None: ...

    def looked(self, source: SourceSpec, position: Record | None) -> None: ...

    def failed(self, source: SourceSpec, error: Rejected | Transient) -> None:
        self.failures.append(f"{source.id}: {error}")


def start_ffmpeg(folder: Path, stack: ExitStack) -> None:
    """Start all muxers of ffmpeg in one process: one encoder for each, each in a folder of its own."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *FFMPEG[: FFMPEG.index("-t")]]
    for name, (file, muxer) in MUXED.items():
        (folder / name).mkdir()
        command += [*FFMPEG[FFMPEG.index("-t") :], *muxer, str(folder / name / file)]
    start(command, folder, stack)


def start_shaka(folder: Path, stack: ExitStack) -> None:
    """Start Shaka Packager on a pipe into which ffmpeg encodes."""
    (folder / "shaka").mkdir()
    pipe = folder / "shaka.ts"
    os.mkfifo(pipe)
    start([imageio_ffmpeg.get_ffmpeg_exe(), *FFMPEG, "-y", "-f", "mpegts", str(pipe)], folder, stack)
    stream = "stream=video,init_segment=init.mp4,segment_template=$Number$.m4s,playlist_name=video.m3u8"
    command = [str(shaka_packager.program()), f"in={pipe},{stream}", "--segment_duration", "1", "--quiet"]
    command += ["--hls_playlist_type", "LIVE", "--hls_master_playlist_output", "master.m3u8"]
    command += ["--mpd_output", "live.mpd", "--minimum_update_period", "1", "--time_shift_buffer_depth", "5"]
    start([*command, "--preserved_segments_outside_live_window", "5"], folder / "shaka", stack)


def start(command: list[str], folder: Path, stack: ExitStack) -> None:
    process = stack.enter_context(subprocess.Popen(command, cwd=folder))
    stack.callback(process.kill)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    """Everything that all packagers published, followed by one process."""
    folder = tmp_path_factory.mktemp("packagers")
    paths = {name: f"{name}/{file}" for name, (file, _) in MUXED.items()}
    paths |= {name: f"shaka/{file}" for name, file in SHAKA.items()}
    limits = FetchLimits(hosts=("127.0.0.1",))
    if SHAKA:
        shaka_packager.program()  # fetched before anything runs, as that may take longer than all of it
    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(server.shutdown)
        start_ffmpeg(folder, stack)
        if SHAKA:
            start_shaka(folder, stack)
        fetcher = stack.enter_context(Fetcher(limits))
        sink, stop = Taken(fetcher), threading.Event()
        follower = Follower(lambda spec: open_presentation(spec.url, spec.id, fetcher, limits), sink)
        thread = threading.Thread(target=follower.run, args=(stop,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"

        def is_done() -> bool:
            there = [name for name, path in paths.items() if (folder / path).exists()]
            for name in there:
                with suppress(FileNotFoundError):  # just being replaced
                    sink.written[name].add((folder / paths[name]).stat().st_mtime)
            follower.set_sources([SourceSpec(id=name, url=f"{url}/{paths[name]}") for name in there])
            over = [each for each in follower.states() if each.state == "ended" or sink.is_complete(each.id)]
            return len(over) == len(paths)

        wait(is_done)
        stop.set()
        thread.join()
    yield sink


def wait(is_done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_done() and time.monotonic() < until:
        time.sleep(0.05)


@pytest.mark.parametrize("name", NAMES)
def test_every_segment_of_a_packager_is_told_once_in_order(taken: Taken, name: str) -> None:
    numbers = [event.segment.number for event in taken.events[name]]
    # Whoever joins a live list late begins near its end.
    assert numbers == list(range(last(name) + 1 - len(numbers), last(name) + 1)) and len(numbers) >= SECONDS / 2
    assert len({event.rendition.rendition_id for event in taken.events[name]}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_segments_of_a_packager_last_as_long_as_they_are_declared(taken: Taken, name: str) -> None:
    segments = [event.segment for event in taken.events[name]]
    assert [segment.duration_seconds for segment in segments] == pytest.approx([1.0] * len(segments), abs=0.01)
    spaces = [after.start_seconds - before.start_seconds for before, after in pairwise(segments)]
    assert spaces == pytest.approx([1.0] * len(spaces), abs=0.5 if name.startswith("ffmpeg-hls") else 0.01)


@pytest.mark.parametrize("name", NAMES)
def test_every_segment_of_a_packager_decodes_to_all_its_pictures(taken: Taken, name: str) -> None:
    counts = []
    for data in taken.data[name]:
        with av.open(io.BytesIO(data)) as container:
            counts.append(sum(1 for _ in container.decode(video=0)))
    assert set(counts) == {FRAME_RATE}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_what_a_packager_publishes(taken: Taken, name: str) -> None:
    # It is stale once the encoder has gone and nobody says so. How quick the answers are is up to our own server.
    excused = {ManifestFindingKind.SLOW_ORIGIN}
    if name in ENDLESS or taken.has_paused(name):
        excused.add(ManifestFindingKind.STALE)
    assert [found.text for found in taken.findings[name] if found.kind not in excused] == []
    assert [failure for failure in taken.failures if failure.startswith(f"{name}:")] == []
