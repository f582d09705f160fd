"""What a DASH manifest says: XML in, periods of representations out, inheritance resolved. Reads nothing itself."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pipeline.errors import BadPlaylist, EmptyInput
from pipeline.ingest import declared
from pipeline.ingest.access import shown
from pipeline.ingest.dash_choices import BaseChoice, choices, early_seconds
from pipeline.ingest.dash_events import EventStream, event_streams, has_inband_splices
from schemas import ByteRange, EncryptionKey, Rung

ADDRESSING = ("SegmentTemplate", "SegmentList", "SegmentBase")
TRICK_MODE = "http://dashif.org/guidelines/trickmode"
DURATION = re.compile(
    r"(-)?P(?:(\d+(?:\.\d+)?)Y)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
# Live manifests put their periods on a clock that starts in 1970.
LONGEST_SECONDS = 1e10
DURATION_SECONDS = (365 * 86_400, 30 * 86_400, 86_400, 3600, 60, 1)
BYTES = re.compile(r"\s*(\d{1,18})\s*-\s*(\d{1,18})\s*")


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One ``S``: `repeat` + 1 segments; -1 repeats until the next entry or the end of the period."""

    time: int | None
    duration: int
    repeat: int
    number: int | None


@dataclass(frozen=True, slots=True)
class Url:
    """A reference with an optional range, as one element states it."""

    reference: str | None
    byte_range: ByteRange | None


@dataclass(frozen=True, slots=True)
class Addressing:
    """How the segments of a representation are found; inherited values are filled in."""

    kind: str
    """``SegmentTemplate``, ``SegmentList`` or ``SegmentBase``."""
    timescale: int = 1
    presentation_time_offset: int = 0
    start_number: int | None = None
    end_number: int | None = None
    duration: int | None = None
    media: str | None = None
    initialization: str | None = None
    """Template of the init segment."""
    init: Url | None = None
    index_range: ByteRange | None = None
    timeline: tuple[TimelineEntry, ...] | None = None
    urls: tuple[Url, ...] = ()


@dataclass(frozen=True, slots=True)
class Representation:
    representation_id: str
    bandwidth: int | None
    rung: Rung
    codecs: str | None
    mime_type: str
    video: bool
    """False: audio, text, thumbnails, trick play. Not scored, but its files belong to the manifest."""
    key: EncryptionKey | None
    base_urls: tuple[str, ...]
    """To be joined one after the other; the first is the manifest's own address."""
    addressing: Addressing | None
    """None: the base URL is the whole representation."""
    choices: tuple[BaseChoice, ...] = ()
    """All ways to reach it; `base_urls` is the first."""
    early_seconds: float = 0.0
    """How long before its end a segment can be read; infinite: as soon as it is listed."""
    inband_splices: bool = False
    """Whether segments carry SCTE-35 messages."""


@dataclass(frozen=True, slots=True)
class Period:
    index: int
    start_seconds: float
    duration_seconds: float | None
    """None: open end."""
    representations: tuple[Representation, ...]
    period_id: str = ""
    """Empty: not stated."""
    events: tuple[EventStream, ...] = ()
    assets: tuple[str, ...] = ()
    """Asset identifiers: what the content is."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What a manifest says of its own renewal. None: nothing."""

    update_seconds: float | None
    """``minimumUpdatePeriod``."""
    published_seconds: float | None
    """``publishTime``, since the epoch."""
    window_seconds: float | None
    """``timeShiftBufferDepth``."""
    segment_seconds: float | None
    """``maxSegmentDuration``."""
    total_seconds: float | None
    """``mediaPresentationDuration``."""
    clocks: tuple[tuple[str, str], ...]
    """(scheme, value) of every ``UTCTiming``, in order of preference."""


@dataclass(frozen=True, slots=True)
class Manifest:
    dynamic: bool
    availability_start_seconds: float | None
    """Seconds since the epoch."""
    periods: tuple[Period, ...]
    notes: tuple[str, ...]
    timing: Timing


@dataclass(frozen=True, slots=True)
class _Node:
    """One XML element with the elements that it inherits from."""

    uri: str
    where: str
    chain: tuple[Element, ...]
    """Outermost first."""

    def below(self, element: Element) -> "_Node":
        return _Node(self.uri, self.where, (*self.chain, element))

    def attribute(self, name: str) -> str | None:
        return next((e.get(name) for e in reversed(self.chain) if e.get(name) is not None), None)


def parse(data: bytes, uri: str) -> Manifest:
    """Return what the manifest at `uri` says. Raises EmptyInput, BadPlaylist."""
    where = shown(uri)
    if not data.strip():
        raise EmptyInput(f"{where}: zero bytes; write the manifest anew")
    try:
        # Entities could read files and grow without end; a manifest needs none, nor a document type.
        root: Element = fromstring(data, forbid_dtd=True)
    except ParseError as exc:
        raise BadPlaylist(f"{where} line {exc.position[0]}: not XML ({exc.msg}); correct the manifest") from exc
    except DefusedXmlException as exc:
        raise BadPlaylist(f"{where}: XML with a document type or entities is not read; remove them") from exc
    except (ValueError, LookupError) as exc:
        raise BadPlaylist(f"{where}: not XML ({exc}); correct the manifest") from exc
    _drop_namespaces(root)
    if root.tag != "MPD":
        raise BadPlaylist(f"{where}: not a DASH manifest but <{str(root.tag)[:40]}>; name an .mpd")
    notes: Counter[str] = Counter()
    dynamic = (root.get("type") or "static").strip() == "dynamic"
    elements = [period for period in root.findall("Period") if not _remote_period(period, notes)]
    if not elements:
        raise BadPlaylist(f"{where}: has no period to read; name a manifest with content")
    elements = _begun(elements, notes) if dynamic else elements
    spans = _spans(root, elements, where)
    node = _Node(uri, where, (root,))
    periods = tuple(
        Period(
            index,
            start,
            duration,
            _representations(node.below(element), notes),
            (element.get("id") or "").strip()[:256],
            event_streams(element),
            tuple(asset.get("value") or "" for asset in element.findall("AssetIdentifier")),
        )
        for index, (element, (start, duration)) in enumerate(zip(elements, spans, strict=True))
    )
    for name in ("Location", "PatchLocation"):
        if dynamic and root.find(name) is not None:
            notes[f"passed over: {name}, the manifest is read where it was named"] += 1
    said = tuple(f"{what} ({count})" if count > 1 else what for what, count in notes.items())
    return Manifest(dynamic, date_time(root.get("availabilityStartTime")), periods, said, _timing(root))


def _timing(root: Element) -> Timing:
    return Timing(
        update_seconds=seconds(root.get("minimumUpdatePeriod")),
        published_seconds=date_time(root.get("publishTime")),
        window_seconds=seconds(root.get("timeShiftBufferDepth")),
        segment_seconds=seconds(root.get("maxSegmentDuration")),
        total_seconds=seconds(root.get("mediaPresentationDuration")),
        clocks=tuple(
            ((clock.get("schemeIdUri") or "").strip(), (clock.get("value") or "").strip())
            for clock in root.findall("UTCTiming")
        ),
    )


def seconds(text: str | None) -> float | None:
    """Return the seconds of an ISO 8601 duration such as ``PT1M41.5S``; None where it is none that can be meant."""
    match = DURATION.fullmatch((text or "").strip())
    if match is None or not any(match.groups()[1:]):
        return None
    total = sum(float(part) * unit for part, unit in zip(match.groups()[1:], DURATION_SECONDS, strict=True) if part)
    return None if match[1] or total > LONGEST_SECONDS else total


def _drop_namespaces(root: Element) -> None:
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]


def _remote_period(period: Element, notes: Counter[str]) -> bool:
    remote = period.get("{http://www.w3.org/1999/xlink}href") is not None
    if remote:
        notes["left out: a period that another document holds (xlink)"] += 1
    return remote


def _begun(periods: list[Element], notes: Counter[str]) -> list[Element]:
    """Return the periods up to the first of which nobody knows yet when it starts."""
    for index in range(1, len(periods)):
        if periods[index].get("start") is None and periods[index - 1].get("duration") is None:
            notes["left out for now: a period whose start is not known yet"] += 1
            return periods[:index]
    return periods


def _spans(root: Element, periods: Sequence[Element], where: str) -> list[tuple[float, float | None]]:
    """Return (start, duration) of every period; what is not stated follows from its neighbours."""
    total = seconds(root.get("mediaPresentationDuration"))
    starts: list[float] = []
    for index, period in enumerate(periods):
        start = seconds(period.get("start"))
        if start is None and index == 0:
            start = 0.0
        if start is None:
            before = seconds(periods[index - 1].get("duration"))
            if before is None:
                raise BadPlaylist(
                    f"{where}: period {index + 1} has no start, and the one before no duration; correct the manifest"
                )
            start = starts[-1] + before
        starts.append(start)
    spans: list[tuple[float, float | None]] = []
    for index, period in enumerate(periods):
        end = starts[index + 1] if index + 1 < len(periods) else total
        duration = seconds(period.get("duration"))
        if duration is None and end is not None:
            duration = end - starts[index]
        spans.append((starts[index], duration if duration and duration > 0 else None))
    return spans


def date_time(text: str | None) -> float | None:
    """Return an ISO 8601 moment in seconds since the epoch, None where it is none; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _representations(period: _Node, notes: Counter[str]) -> tuple[Representation, ...]:
    return tuple(
        _representation(period.below(adaptation_set).below(element), notes)
        for adaptation_set in period.chain[-1].findall("AdaptationSet")
        for element in adaptation_set.findall("Representation")
    )


def _representation(node: _Node, notes: Counter[str]) -> Representation:
    element = node.chain[-1]
    codecs = (node.attribute("codecs") or "").strip() or None
    mime_type = (node.attribute("mimeType") or "").strip().lower()
    kind = _kind(node, mime_type, codecs)
    if kind != "video":
        notes[f"left out: {kind} representations"] += 1
    width, height = declared.pixels(node.attribute("width")), declared.pixels(node.attribute("height"))
    bandwidth = declared.bitrate(element.get("bandwidth"))
    reached = choices(node.uri, node.chain)
    addressing = [e for e in (level.find(kind) for level in node.chain[1:] for kind in ADDRESSING) if e is not None]
    return Representation(
        representation_id=(element.get("id") or "").strip(),
        bandwidth=bandwidth,
        rung=Rung(
            codec=declared.video_codec(codecs),
            width_px=width,
            height_px=height,
            frame_rate=declared.exact_rate(node.attribute("frameRate")),
            bitrate_bps=bandwidth,
        ),
        codecs=codecs and codecs[:256],
        mime_type=mime_type,
        video=kind == "video",
        key=_protection(node),
        base_urls=reached[0].urls,
        addressing=_addressing(node),
        choices=reached,
        early_seconds=early_seconds(node.chain, addressing),
        inband_splices=has_inband_splices(node.chain[-2:]),
    )


def _kind(node: _Node, mime_type: str, codecs: str | None) -> str:
    """Return ``video``, or the word for what is not scored."""
    element, adaptation_set = node.chain[-1], node.chain[-2]
    for level in (element, adaptation_set):
        for name in ("EssentialProperty", "SupplementalProperty"):
            if any(child.get("schemeIdUri") == TRICK_MODE for child in level.findall(name)):
                return "trick play"
    if element.get("dependencyId"):
        return "dependent (layered)"
    by_codec = declared.without_pictures(codecs)
    if by_codec is not None:
        return by_codec
    stated = (adaptation_set.get("contentType") or mime_type.partition("/")[0]).strip().lower()
    if stated in ("video", "audio", "text", "image"):
        return stated
    components = {child.get("contentType") for child in adaptation_set.findall("ContentComponent")}
    pictures = "video" in components or declared.video_codec(codecs) or node.attribute("height")
    return "video" if pictures else (stated or "unknown")


def _protection(node: _Node) -> EncryptionKey | None:
    """Return the encryption that the adaptation set or the representation declares."""
    found = [child for level in node.chain[-2:] for child in level.findall("ContentProtection")]
    if not found:
        return None
    schemes = [c.get("value") for c in found if (c.get("schemeIdUri") or "").endswith("mp4protection:2011")]
    return EncryptionKey(method=(next(filter(None, schemes), None) or "DRM")[:64])


def _addressing(node: _Node) -> Addressing | None:
    """Merge the addressing elements of period, adaptation set and representation; the innermost kind rules."""
    levels = node.chain[1:]
    kind = next((kind for level in reversed(levels) for kind in ADDRESSING if level.find(kind) is not None), None)
    if kind is None:
        return None
    found = [child for child in (level.find(kind) for level in levels) if child is not None]
    merged = _Node(node.uri, node.where, tuple(found))

    def inner(tag: str) -> Element | None:
        return next((c for c in (e.find(tag) for e in reversed(found)) if c is not None), None)

    init, timeline = inner("Initialization"), inner("SegmentTimeline")
    urls = next((e.findall("SegmentURL") for e in reversed(found) if e.find("SegmentURL") is not None), [])
    number: Callable[[str], int | None] = lambda name: _integer(merged.attribute(name), name, node.where)  # noqa: E731
    return Addressing(
        kind=kind,
        timescale=number("timescale") or 1,
        presentation_time_offset=number("presentationTimeOffset") or 0,
        start_number=number("startNumber"),
        end_number=number("endNumber"),
        duration=number("duration"),
        media=merged.attribute("media"),
        initialization=merged.attribute("initialization"),
        init=None if init is None else Url(init.get("sourceURL"), _range(init.get("range"), node.where)),
        index_range=_range(merged.attribute("indexRange"), node.where),
        timeline=None if timeline is None else tuple(_timeline(timeline, node.where)),
        urls=tuple(Url(url.get("media"), _range(url.get("mediaRange"), node.where)) for url in urls),
    )


def _timeline(timeline: Element, where: str) -> list[TimelineEntry]:
    entries = []
    for element in timeline.findall("S"):
        duration = _integer(element.get("d"), "S@d", where)
        if not duration:
            raise BadPlaylist(f"{where}: a segment timeline has an entry without duration (S@d); correct the manifest")
        entries.append(
            TimelineEntry(
                time=_integer(element.get("t"), "S@t", where),
                duration=duration,
                repeat=max(-1, _integer(element.get("r"), "S@r", where, least=-(10**18)) or 0),
                number=_integer(element.get("n"), "S@n", where),
            )
        )
    return entries


def _integer(text: str | None, name: str, where: str, least: int = 0) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", text) or int(text) < least:
        raise BadPlaylist(f"{where}: {name} is {text[:40]!r}, expected a whole number; correct the manifest")
    return int(text)


def _range(text: str | None, where: str) -> ByteRange | None:
    if text is None:
        return None
    match = BYTES.fullmatch(text)
    if match is None or int(match[2]) < int(match[1]):
        raise BadPlaylist(f"{where}: {text[:40]!r} is not a byte range such as 0-999; correct the manifest")
    return ByteRange(offset=int(match[1]), length=int(match[2]) - int(match[1]) + 1)
