"""A live DASH stream on a scripted origin, under a clock that only the test moves."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import pytest
from ingest_playlists import limits
from origin import Answer, Origin

from pipeline.ingest import Fetcher
from pipeline.ingest.dash_live import DashPresentation
from pipeline.ingest.presentation import Update
from schemas import ManifestFinding, ManifestFindingKind, Segment

START = 1_700_000_000.0
SECONDS = 2.0


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def rungs(*names: str, inner: str = "", first: int = 0) -> str:
    """Return a video representation per name, each higher than the one before; `first`: place of the first."""
    return "".join(
        f'<Representation id="{name}" bandwidth="{(index + 1) * 500_000}" width="{320 * (index + 1)}" '
        f'height="{180 * (index + 1)}" codecs="avc1.64001e" frameRate="25">{inner}</Representation>'
        for index, name in enumerate(names, first)
    )


def video(template: str, representations: str) -> str:
    return f'<AdaptationSet mimeType="video/mp4">{template}{representations}</AdaptationSet>'


def by_number(
    *, start_number: int = 1, seconds: float = SECONDS, media: str = "$RepresentationID$/$Number$.m4s", more: str = ""
) -> str:
    return (
        f'<SegmentTemplate timescale="1000" duration="{seconds * 1000:.0f}" startNumber="{start_number}" {more} '
        f'initialization="$RepresentationID$/init.mp4" media="{media}"/>'
    )


def timeline(entries: str, *, media: str = "$RepresentationID$/$Time$.m4s", scale: int = 1000, more: str = "") -> str:
    return (
        f'<SegmentTemplate timescale="{scale}" initialization="$RepresentationID$/init.mp4" media="{media}" {more}>'
        f"<SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"
    )


def period(content: str, *, name: str = "p0", start: float | None = 0.0, more: str = "", before: str = "") -> str:
    begin = "" if start is None else f'start="PT{start}S"'
    identity = f'id="{name}"' if name else ""
    return f"<Period {identity} {begin} {more}>{before}{content}</Period>"


def mpd(
    periods: str,
    *,
    ast: float | None = START,
    update: str | None = "PT2S",
    depth: str | None = "PT60S",
    kind: str = "dynamic",
    head: str = "",
    more: str = "",
) -> str:
    attributes = [f'type="{kind}"', more]
    if ast is not None:
        attributes.append(f'availabilityStartTime="{moment(ast)}"')
    if update is not None:
        attributes.append(f'minimumUpdatePeriod="{update}"')
    if depth is not None:
        attributes.append(f'timeShiftBufferDepth="{depth}"')
    return f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {" ".join(attributes)}>{head}{periods}</MPD>'


def listing(first: int, count: int, *, seconds: float = SECONDS) -> str:
    """Return a timeline of `count` segments from the `first` on, in ticks of 1/1000 s."""
    length = round(seconds * 1000)
    return f'<S t="{first * length}" d="{length}" r="{count - 1}"/>'


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Scene:
    """A presentation and all that it brought."""

    origin: Origin
    clock: Clock
    fetcher: Fetcher
    presentation: DashPresentation
    updates: list[Update] = field(default_factory=list)

    def look(self, after_seconds: float = 0.0, page: Answer | None = None) -> Update:
        self.clock.now += after_seconds
        if page is not None:
            self.origin.pages["/live.mpd"] = page
        self.updates.append(self.presentation.look())
        return self.updates[-1]

    @property
    def segments(self) -> list[Segment]:
        return [segment for update in self.updates for segment in update.segments]

    @property
    def findings(self) -> list[ManifestFinding]:
        return [finding for update in self.updates for finding in update.findings]

    def kinds(self, *, over: bool | None = None) -> list[ManifestFindingKind]:
        return [f.kind for f in self.findings if over is None or (f.over_at is not None) is over]


class Stage:
    """An origin and a clock, and everything that was opened on them: a context manager."""

    def __init__(self, *, slow_least_seconds: float = 3600.0) -> None:
        """`slow_least_seconds`: from which an origin is slow. How long an answer takes depends on the machine."""
        self._slow_least_seconds = slow_least_seconds
        self.clock = Clock(START + 100.5)
        self.origin = Origin()
        self.origin.clock = self.clock
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        patched = self._stack.enter_context(pytest.MonkeyPatch.context())
        patched.setattr("pipeline.ingest.dash_reading.SLOW_LEAST_SECONDS", self._slow_least_seconds)
        self._stack.enter_context(self.origin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self, page: Answer, *, start_back_seconds: float = 10.0, **changes: object) -> Scene:
        """Follow the page as a live stream."""
        self.origin.pages["/live.mpd"] = page
        settings = limits(**changes)
        fetcher = self._stack.enter_context(Fetcher(settings, sleep=lambda _: None))
        presentation = DashPresentation(
            self.origin.url("/live.mpd"),
            "channel",
            fetcher,
            settings,
            clock=self.clock,
            start_back_seconds=start_back_seconds,
        )
        return Scene(self.origin, self.clock, fetcher, presentation)


def names(segments: Sequence[Segment]) -> list[str]:
    """Return the last part of each address."""
    return [segment.media.uri.rpartition("/")[2] for segment in segments]
