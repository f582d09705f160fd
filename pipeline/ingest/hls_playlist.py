"""What one HLS playlist says: text in, variants or segment entries out. Reads nothing itself."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from m3u8.parser import parse as parse_m3u8

from pipeline.errors import AudioOnly, BadPlaylist, EmptyInput, LimitExceeded, NoVideo
from pipeline.ingest import declared
from pipeline.ingest.access import shown
from schemas import ByteRange, EncryptionKey, Rung

LONGEST_SEGMENT_SECONDS = 86_400
LONGEST_VARIABLE = 4096
MOST_VARIABLES_IN_LINE = 32
# Variables may make a playlist longer, but not without end.
MOST_EXPANDED_CHARACTERS = 64 * 1024 * 1024

# What the parser is given. Everything else (date ranges, cues, parts, session data, ...) does not say where a
# segment is, and a mistake in it must not cost the playlist.
READ_TAGS = (
    "EXTM3U",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-ENDLIST",
    "EXT-X-GAP",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-KEY",
    "EXT-X-MAP",
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
)
TAG = re.compile(r"#(EXT[A-Z0-9-]*)(?::(.*))?$", re.DOTALL)
ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')
VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
BYTE_RANGE = re.compile(r'\s*"?(\d{1,18})(?:@(\d{1,18}))?"?\s*')


@dataclass(frozen=True, slots=True)
class Variant:
    """One EXT-X-STREAM-INF: where a rendition's playlist is, and what is declared of it."""

    uris: tuple[str, ...]
    """The first is the one to read; the others are declared alike, and stand in where it fails."""
    rung: Rung
    codecs: str | None


@dataclass(frozen=True, slots=True)
class Master:
    variants: tuple[Variant, ...]
    others: tuple[str, ...]
    """Playlists of audio, subtitles, other angles and I-frames: not scored."""
    variables: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One segment as listed."""

    uri: str
    line: int
    number: int
    discontinuity_sequence: int
    offset_seconds: float
    """Sum of the durations before it."""
    duration_seconds: float | None
    """None: not declared, or not usable."""
    byte_range: ByteRange | None
    init_uri: str | None
    init_range: ByteRange | None
    key: EncryptionKey | None
    date_time_seconds: float | None
    """Wall clock that is declared for this very segment."""


@dataclass(frozen=True, slots=True)
class Media:
    entries: tuple[Entry, ...]
    ended: bool
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Reader:
    """Hands tags on to the parser, and reads those itself where the parser would give up on one bad value."""

    lines: list[int]
    """Line in the playlist of every line that the parser sees."""
    line: int = 0
    first_number: int = 0
    first_discontinuity: int = 0
    target_seconds: float = 0.0
    vod: bool = False
    notes: dict[str, None] = field(default_factory=dict)

    def __call__(self, text: str, parsed_line: int, data: dict[str, Any], state: dict[str, Any]) -> bool:
        """Return True where the parser must not read this line."""
        self.line = self.lines[parsed_line - 1]
        match = TAG.match(text)
        name, value = (match[1], (match[2] or "").strip()) if match else ("", "")
        segment = state.setdefault("segment", {}) if name in ("EXTINF", "EXT-X-PROGRAM-DATE-TIME") else {}
        if name == "EXTINF":
            segment["duration"] = self._duration(value)
            segment["line"] = self.line
            state["expect_segment"] = True
        elif name == "EXT-X-PROGRAM-DATE-TIME":
            segment["date_time_seconds"] = self._date_time(value)
        elif name == "EXT-X-TARGETDURATION":
            self.target_seconds = _number(value) or 0.0
        elif name == "EXT-X-PLAYLIST-TYPE":
            self.vod = value.upper() == "VOD"
        elif name == "EXT-X-MEDIA-SEQUENCE":
            self.first_number = self._count(name, value)
        elif name == "EXT-X-DISCONTINUITY-SEQUENCE":
            self.first_discontinuity = self._count(name, value)
        elif name == "EXT-X-SKIP":
            self.first_number += self._count("SKIPPED-SEGMENTS", _attributes(value).get("SKIPPED-SEGMENTS", ""))
            self.note("a delta update: only the segments listed in it are read")
        elif name == "EXT-X-I-FRAME-STREAM-INF" and (uri := _attributes(value).get("URI")):
            data.setdefault("i_frame_uris", []).append(uri)
        return name not in READ_TAGS

    def note(self, text: str) -> None:
        self.notes[text] = None

    def _duration(self, value: str) -> float | None:
        seconds = _number(value.partition(",")[0])
        if seconds is None or not 0 < seconds <= LONGEST_SEGMENT_SECONDS:
            self.note("some segments have no usable duration (EXTINF)")
            return None
        return seconds

    def _date_time(self, value: str) -> float | None:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.note("some wall-clock times (EXT-X-PROGRAM-DATE-TIME) cannot be read")
            return None
        if moment.tzinfo is None:
            self.note("wall-clock times state no time zone: taken as UTC")
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()

    def _count(self, name: str, value: str) -> int:
        if not re.fullmatch(r"\d{1,18}", value):
            self.note(f"{name} is {value[:40]!r}: taken as 0")
            return 0
        return int(value)


def parse(data: bytes, uri: str, *, max_segments: int, variables: Mapping[str, str] | None = None) -> Master | Media:
    """Return what the playlist at `uri` says. Raises EmptyInput, BadPlaylist, NoVideo, LimitExceeded.

    `variables` are those of the master playlist, for EXT-X-DEFINE:IMPORT.
    """
    where = shown(uri)
    if not data.strip():
        raise EmptyInput(f"{where}: zero bytes; write the playlist anew")
    if b"\0" in data:
        raise BadPlaylist(f"{where}: not a playlist but binary data; name a media file by its own extension")
    lines, defined = _prepared(data, uri, dict(variables or {}))
    addresses = sum(1 for _, text in lines if not text.startswith("#"))
    if addresses > max_segments:
        raise LimitExceeded(
            f"{where}: {addresses} segments, more than {max_segments}; "
            "raise RUNGWATCH_FETCH_MAX_SEGMENTS or cut the playlist"
        )
    reader = _Reader([number for number, _ in lines])
    try:
        parsed: dict[str, Any] = parse_m3u8("\n".join(text for _, text in lines), custom_tags_parser=reader)
    except Exception as exc:
        # The parser raises whatever its int(), float() and dict look-ups raise.
        raise BadPlaylist(
            f"{where} line {reader.line}: cannot be read ({type(exc).__name__}: {exc}); correct the playlist"
        ) from exc
    if not any(text.startswith("#EXTM3U") for _, text in lines):
        if not parsed["playlists"] and not parsed["segments"]:
            raise BadPlaylist(
                f"{where} line 1: not an HLS playlist (#EXTM3U is missing); name a playlist or a media file"
            )
        reader.note("#EXTM3U is missing on the first line")
    if parsed["is_variant"] or parsed["media"] or parsed.get("i_frame_uris"):
        return _master(parsed, where, defined, tuple(reader.notes))
    return _media(parsed, where, reader)


def is_master(data: bytes) -> bool:
    return re.search(rb"^\s*#EXT-X-(STREAM-INF|MEDIA|I-FRAME-STREAM-INF):", data, re.MULTILINE) is not None


def _prepared(data: bytes, uri: str, imports: dict[str, str]) -> tuple[list[tuple[int, str]], dict[str, str]]:
    """Return (line number, text) of every line that counts, variables put in, and the variables."""
    where = shown(uri)
    lines: list[tuple[int, str]] = []
    variables: dict[str, str] = {}
    expanded = 0
    announced = False
    # Where nothing speaks of segments, an address on a line of its own is not one.
    with_segments = b"#EXTINF" in data
    for number, raw in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        text = raw.strip()
        if not text:
            continue
        if text.startswith("#EXT-X-DEFINE:"):
            variables |= _defined(text, uri, number, imports)
            continue
        # A master playlist announces a variant, a media playlist a segment.
        announced = announced or text.startswith(("#EXTINF:", "#EXT-X-STREAM-INF:"))
        if "{$" in text:
            text = _replaced(text, variables, f"{where} line {number}")
            expanded += len(text)
            if expanded > MOST_EXPANDED_CHARACTERS:
                raise LimitExceeded(f"{where} line {number}: variables make the playlist too long; write addresses out")
        if not text.startswith("#"):
            if not announced and with_segments:
                lines.append((number, "#EXTINF:,"))
            announced = False
        lines.append((number, text))
    return lines, variables


def _defined(text: str, uri: str, number: int, imports: Mapping[str, str]) -> dict[str, str]:
    attributes = _attributes(text.partition(":")[2])
    where = f"{shown(uri)} line {number}"
    if name := attributes.get("NAME"):
        value: str | None = attributes.get("VALUE", "")
    elif name := attributes.get("IMPORT"):
        value = imports.get(name)
    elif name := attributes.get("QUERYPARAM"):
        value = dict(parse_qsl(urlsplit(uri).query)).get(name)
    else:
        raise BadPlaylist(f"{where}: EXT-X-DEFINE names no variable; correct the playlist")
    if value is None:
        raise BadPlaylist(f"{where}: nothing gives variable {name!r} a value; name the master playlist instead")
    if len(value) > LONGEST_VARIABLE:
        raise LimitExceeded(f"{where}: variable {name!r} is longer than {LONGEST_VARIABLE} characters; shorten it")
    return {name: value}


def _replaced(text: str, variables: Mapping[str, str], where: str) -> str:
    names = VARIABLE.findall(text)
    unknown = next((name for name in names if name not in variables), None)
    if unknown is not None:
        raise BadPlaylist(f"{where}: variable {unknown!r} is not defined; add EXT-X-DEFINE for it")
    if len(names) > MOST_VARIABLES_IN_LINE:
        raise LimitExceeded(f"{where}: more than {MOST_VARIABLES_IN_LINE} variables; write the address out")
    return VARIABLE.sub(lambda match: variables[match[1]], text)


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip().strip('"') for name, value in ATTRIBUTE.findall(text)}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _master(parsed: dict[str, Any], where: str, variables: Mapping[str, str], notes: tuple[str, ...]) -> Master:
    alike: dict[tuple[object, ...], tuple[Rung, str | None, list[str]]] = {}
    seen: set[str] = set()
    left_out = {"audio": 0, "text": 0}
    others = [*parsed.get("i_frame_uris", ())] + [media["uri"] for media in parsed["media"] if media.get("uri")]
    for playlist in parsed["playlists"]:
        uri, info = playlist["uri"], playlist["stream_info"]
        codecs = info.get("codecs") or None
        kind = declared.without_pictures(codecs)
        if kind is not None:
            left_out[kind] += 1
            others.append(uri)
            continue
        # One video is often listed once per audio group.
        if uri in seen:
            continue
        seen.add(uri)
        width, height = declared.size(info.get("resolution"))
        rung = Rung(
            codec=declared.video_codec(codecs),
            width_px=width,
            height_px=height,
            frame_rate=declared.exact_rate(info.get("frame_rate")),
            bitrate_bps=declared.bitrate(info.get("average_bandwidth"), info.get("bandwidth")),
        )
        facts = (rung.model_dump_json(), info.get("bandwidth"), codecs, info.get("video_range"), info.get("video"))
        # Nothing declared but the address: two of these are two renditions, not one twice.
        same = facts if info.get("bandwidth") else (uri,)
        alike.setdefault(same, (rung, codecs and codecs[:256], []))[2].append(uri)
    variants = tuple(Variant(tuple(uris), rung, codecs) for rung, codecs, uris in alike.values())
    said = [f"left out: {count} variants with {kind} only" for kind, count in left_out.items() if count]
    if i_frames := len(parsed.get("i_frame_uris", ())):
        said.append(f"left out: {i_frames} I-frame playlists")
    if angles := sum(1 for m in parsed["media"] if m.get("type") == "VIDEO" and m.get("uri")):
        said.append(f"left out: {angles} alternative video angles")
    if not variants:
        error = AudioOnly if left_out["audio"] and not left_out["text"] else NoVideo
        reason = "; ".join(said) or "it lists none"
        raise error(f"{where}: no variant with pictures ({reason}); name a playlist with video")
    return Master(variants, tuple(dict.fromkeys(others)), variables, notes + tuple(said))


def _media(parsed: dict[str, Any], where: str, reader: _Reader) -> Media:
    if parsed["is_i_frames_only"]:
        raise BadPlaylist(f"{where}: an I-frame playlist (trick play); name the playlist with all pictures")
    listed = [segment for segment in parsed["segments"] if segment.get("uri")]
    if not listed:
        raise BadPlaylist(f"{where}: lists no segments; name a playlist with at least one")
    entries: list[Entry] = []
    offset, discontinuity, gaps = 0.0, reader.first_discontinuity, 0
    ends: dict[str, int] = {}
    for index, segment in enumerate(listed):
        line = segment.get("line", 0)
        discontinuity += bool(segment.get("discontinuity"))
        byte_range = _byte_range(segment.get("byterange"), f"{where} line {line}", ends.get(segment["uri"], 0))
        if byte_range is not None:
            ends[segment["uri"]] = byte_range.offset + byte_range.length
        if segment.get("gap_tag"):
            gaps += 1
        else:
            init = segment.get("init_section") or {}
            entries.append(
                Entry(
                    uri=segment["uri"],
                    line=line,
                    number=reader.first_number + index,
                    discontinuity_sequence=discontinuity,
                    offset_seconds=offset,
                    duration_seconds=segment.get("duration"),
                    byte_range=byte_range,
                    init_uri=init.get("uri"),
                    init_range=_byte_range(init.get("byterange"), f"{where} line {line} (EXT-X-MAP)", 0),
                    key=_key(segment.get("key")),
                    date_time_seconds=segment.get("date_time_seconds"),
                )
            )
        offset += segment.get("duration") or max(0.0, reader.target_seconds)
    if gaps:
        reader.note(f"passed over: {gaps} segments marked as gaps (EXT-X-GAP)")
    if not entries:
        raise BadPlaylist(f"{where}: every segment is marked as a gap (EXT-X-GAP); nothing can be read")
    return Media(tuple(entries), parsed["is_endlist"] or reader.vod, tuple(reader.notes))


def _byte_range(text: str | None, where: str, implicit_offset: int) -> ByteRange | None:
    if text is None:
        return None
    match = BYTE_RANGE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise BadPlaylist(f"{where}: {text[:40]!r} is not a byte range such as 1000@0; correct the playlist")
    return ByteRange(offset=int(match[2]) if match[2] else implicit_offset, length=int(match[1]))


def _key(key: Mapping[str, str] | None) -> EncryptionKey | None:
    if not key or key.get("method", "NONE").upper() == "NONE":
        return None
    # Key addresses may be whole data: URIs; nothing here reads them.
    uri = key.get("uri") or None
    iv = key.get("iv", "")
    return EncryptionKey(
        method=key["method"][:64],
        uri=uri if uri and len(uri) <= 8192 else None,
        iv_hex=iv if re.fullmatch(r"0[xX][0-9a-fA-F]{1,32}", iv) else None,
    )
