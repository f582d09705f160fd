"""A live HLS presentation on a real origin, with a clock that a test moves: scripted playlists, looks, findings."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import pytest
from ingest_playlists import limits
from origin import Origin

from pipeline.ingest import Fetcher
from pipeline.ingest.hls_live import HlsPresentation
from pipeline.ingest.presentation import Update
from schemas import ManifestFinding, ManifestFindingKind, Segment

NOW = 1_800_000_000.0
"""Where the clock of a test begins, in seconds since the epoch."""


def date_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def playlist(
    numbers: Iterable[int],
    *,
    seconds: float = 2.0,
    target: int = 2,
    zero: float | None = None,
    head: str = "",
    before: dict[int, str] | None = None,
    name: str = "seg{}.ts",
    end: bool = False,
    tail: str = "",
    discontinuity: int | None = None,
) -> str:
    """Return a media playlist.

    `zero`: wall clock of segment 0; None: none is stated. `before`: tags before a segment, by number.
    """
    listed = list(numbers)
    text = f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{listed[0]}\n{head}"
    if discontinuity is not None:
        text += f"#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity}\n"
    for number in listed:
        text += (before or {}).get(number, "")
        if zero is not None:
            text += f"#EXT-X-PROGRAM-DATE-TIME:{date_time(zero + number * seconds)}\n"
        text += f"#EXTINF:{seconds:g},\n{name.format(number)}\n"
    return text + tail + ("#EXT-X-ENDLIST\n" if end else "")


def master(heights: Sequence[int], *, extra: str = "", path: str = "{}/index.m3u8") -> str:
    lines = "".join(
        f"#EXT-X-STREAM-INF:BANDWIDTH={height * 4000},RESOLUTION={height * 16 // 9}x{height},"
        f'CODECS="avc1.64001f,mp4a.40.2"\n{path.format(height)}\n'
        for height in heights
    )
    return f"#EXTM3U\n{extra}{lines}"


def rung(height: int) -> str:
    """Return the id of the rendition that `master` lists."""
    return f"{height}p-{height * 4}k"


class Stage:
    """One origin and the presentation that follows it."""

    def __init__(
        self,
        *,
        heights: Sequence[int] = (),
        uri: str = "/index.m3u8",
        slow_least_seconds: float = 3600.0,
        **settings: Any,
    ) -> None:
        """`slow_least_seconds`: from which an origin is slow. How long an answer takes depends on the machine."""
        self.origin = Origin()
        self.clock = Clock()
        self.fetcher = Fetcher(limits(hosts=("127.0.0.1", "localhost")))
        self.heights = heights
        self.segments: list[Segment] = []
        self.findings: list[ManifestFinding] = []
        self.notes: list[str] = []
        self._uri = "/master.m3u8" if heights else uri
        self._settings = settings
        if heights:
            self.origin.pages["/master.m3u8"] = master(heights)
        self.presentation = self.begin(**settings)
        self._slow_least_seconds = slow_least_seconds
        self._stack = ExitStack()

    def begin(self, **settings: Any) -> HlsPresentation:
        """Return a presentation of its own, as a new process would have it."""
        url = self.origin.url(self._uri)
        scope = self.fetcher.access.admit_url(url)
        self.presentation = HlsPresentation(url, "show", self.fetcher, limits(), scope, clock=self.clock, **settings)
        return self.presentation

    def __enter__(self) -> Self:
        patched = self._stack.enter_context(pytest.MonkeyPatch.context())
        patched.setattr("pipeline.ingest.hls_checks.SLOW_LEAST_SECONDS", self._slow_least_seconds)
        self._stack.enter_context(self.origin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.fetcher.close()
        self._stack.close()

    def show(self, text: str | bytes | int, *heights: int) -> None:
        """Publish a playlist: of all rungs, or of those named."""
        if not self.heights:
            self.origin.pages[self._uri] = text
        for height in heights or self.heights:
            self.origin.pages[f"/{height}/index.m3u8"] = text

    def look(self, after_seconds: float = 0.0) -> Update:
        """Let time pass, and look."""
        self.clock.now += after_seconds
        update = self.presentation.look()
        self.segments += update.segments
        self.findings += update.findings
        self.notes += update.notes
        return update

    def numbers(self, height: int | None = None) -> list[int]:
        return [s.number for s in self.segments if height is None or s.rendition_id == rung(height)]

    def starts(self, height: int | None = None) -> list[float]:
        return [s.start_seconds for s in self.segments if height is None or s.rendition_id == rung(height)]

    def told(self, kind: ManifestFindingKind | None = None) -> list[ManifestFinding]:
        return [finding for finding in self.findings if kind is None or finding.kind is kind]
