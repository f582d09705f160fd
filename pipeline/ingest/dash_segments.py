"""From what is new in a live manifest to segments: where each is read from, on which CDN, and whether it is an ad."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import ValidationError

from pipeline.errors import BadPlaylist, NotAllowed, NotFound
from pipeline.ingest.access import joined, shown
from pipeline.ingest.dash_choices import BaseChoice
from pipeline.ingest.dash_clock import ServerClock
from pipeline.ingest.dash_manifest import Representation
from pipeline.ingest.dash_new import New
from pipeline.ingest.names import host_of
from pipeline.ingest.source import Refusals, Source
from pipeline.ingest.stream import Failure
from pipeline.ingest.told import Told
from schemas import ContentLabel, ManifestFindingKind, Resource, Segment, TimeBasis

FAILURES_BEFORE_OTHER = 3
OTHER_FOR_SECONDS = 300.0


def label_of(
    start_seconds: float, duration_seconds: float | None, spans: Sequence[tuple[float, float]]
) -> ContentLabel:
    """Return whether the middle of a segment lies in an ad break."""
    middle = start_seconds + (duration_seconds or 0.0) / 2
    return ContentLabel.AD if any(start <= middle < end for start, end in spans) else ContentLabel.PROGRAM


class Locations:
    """Which of several base URLs is read from: the first, and another for a while where segments fail."""

    def __init__(self, told: Told, clock: Callable[[], float]) -> None:
        self._told, self._clock = told, clock
        self._turn = 0
        self._back_at: float | None = None
        self._failing: Counter[str] = Counter()
        self._chosen: dict[tuple[BaseChoice, ...], BaseChoice] = {}
        self._away: list[str] = []

    def chosen(self, representation: Representation, source: Source) -> Representation:
        """Return the representation with the base URLs that are read from now."""
        if len(representation.choices) < 2:
            return representation
        self._come_back()
        known = self._chosen.get(representation.choices)
        if known is None:
            known = self._choose(representation.choices, source)
            if len(self._chosen) > 256:
                self._chosen.clear()
            self._chosen[representation.choices] = known
        return replace(representation, base_urls=known.urls)

    def cdn_of(self, representation: Representation) -> str | None:
        """Return the name of the CDN that is read from; None: there is only one."""
        if len(representation.choices) < 2:
            return None
        choice = next((c for c in representation.choices if c.urls == representation.base_urls), None)
        return None if choice is None else (choice.location or host_of(_address(choice)) or None)

    def failed(self, segment: Segment, error: Failure) -> None:
        """Take note of a segment that could not be had."""
        if isinstance(error, NotFound):
            self._told.once(
                segment.rendition_id,
                ManifestFindingKind.MISSING_SEGMENT,
                f"{error}, though it should be there by now",
                about=f"{segment.discontinuity_sequence}/{segment.number}",
                number=segment.number,
                cdn=segment.cdn,
            )
        if segment.cdn is None:
            return
        self._failing[segment.cdn] += 1
        if self._failing[segment.cdn] < FAILURES_BEFORE_OTHER:
            return
        self._told.begin(
            None,
            ManifestFindingKind.FAILING_ORIGIN,
            f"{FAILURES_BEFORE_OTHER} segments could not be had from {segment.cdn}; read from another for a while",
            key=segment.cdn,
            about=f"{segment.cdn}/{self._clock():.0f}",
            cdn=segment.cdn,
        )
        self._away.append(segment.cdn)
        self._failing.clear()
        self._chosen.clear()
        self._turn += 1
        self._back_at = self._clock() + OTHER_FOR_SECONDS

    def _come_back(self) -> None:
        if self._back_at is None or self._clock() < self._back_at:
            return
        for cdn in self._away:
            self._told.over(None, ManifestFindingKind.FAILING_ORIGIN, key=cdn)
        self._away.clear()
        self._chosen.clear()
        self._turn, self._back_at = 0, None

    def _choose(self, choices: tuple[BaseChoice, ...], source: Source) -> BaseChoice:
        turn = self._turn % len(choices)
        for choice in (*choices[turn:], *choices[:turn]):
            try:
                source.follow(_address(choice))
            except NotAllowed:
                continue
            return choice
        # Refused in words where it is used.
        return choices[0]


class SegmentMaker:
    """Makes the segments of one look."""

    def __init__(
        self,
        source: Source,
        locations: Locations,
        basis: TimeBasis,
        clock: ServerClock,
        window_seconds: float | None,
    ) -> None:
        self._source, self._locations, self._basis = source, locations, basis
        self._clock, self._window_seconds = clock, window_seconds

    def make(self, new: Sequence[New], spans: Sequence[tuple[float, float]], told: Told) -> list[Segment]:
        """Return the segments that may be read, in order of time. `spans`: ad breaks on the time axis."""
        refusals = Refusals(self._source.uri)
        found = []
        for each in new:
            try:
                found.append(self._segment(each, spans))
            except NotAllowed as exc:
                refusals.add(exc)
        for _, error in refusals.problems():
            told.begin(None, ManifestFindingKind.BAD_PLAYLIST, str(error), key="refused", about="refused")
        return sorted(found, key=lambda segment: segment.start_seconds)

    def _segment(self, new: New, spans: Sequence[tuple[float, float]]) -> Segment:
        address, placed = new.address, new.listed.placed
        start = placed.zero_seconds + address.start_seconds
        init = None
        if address.init_reference is not None:
            init = Resource(uri=self._source.follow(address.init_reference), byte_range=address.init_range)
        try:
            return Segment(
                rendition_id=new.rung.rendition_id,
                number=new.number,
                media=Resource(uri=self._source.follow(address.reference), byte_range=address.byte_range),
                init=init,
                discontinuity_sequence=placed.discontinuity,
                start_seconds=start,
                duration_seconds=address.duration_seconds,
                time_basis=self._basis,
                expires_at=self._expires_at(new),
                label=label_of(start, address.duration_seconds, spans),
                cdn=self._locations.cdn_of(new.listed.representation),
            )
        except ValidationError as exc:
            raise BadPlaylist(
                f"{shown(self._source.uri)}: segment {new.number}: {exc.errors()[0]['msg']}; correct the manifest"
            ) from exc

    def _expires_at(self, new: New) -> datetime | None:
        available = new.listed.placed.available_seconds
        if available is None or self._window_seconds is None:
            return None
        # ISO/IEC 23009-1 5.3.9.5.3: for as long as the window after the segment that follows it has begun.
        length = new.address.duration_seconds or 0.0
        end = available + new.address.start_seconds + 2 * length + self._window_seconds - self._clock.ahead_seconds
        try:
            return datetime.fromtimestamp(end, UTC)
        except (OverflowError, ValueError, OSError):
            return None


def _address(choice: BaseChoice) -> str:
    base = ""
    for url in choice.urls:
        try:
            base = joined(base, url)
        except ValueError as exc:
            raise NotAllowed(f"{url[:80]!r} cannot be read as an address; correct the manifest") from exc
    return base
