"""What one HLS playlist says: text in, variants or segment entries out. Reads nothing itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from m3u8.parser import parse as parse_m3u8

from pipeline.errors import AudioOnly, BadPlaylist, EmptyInput, LimitExceeded, NoVideo
from pipeline.ingest import declared
from pipeline.ingest.access import shown
from pipeline.ingest.hls_tags import LONGEST_SEGMENT_SECONDS, TagReader
from pipeline.ingest.hls_variables import prepared
from schemas import ByteRange, EncryptionKey, Rung

BYTE_RANGE = re.compile(r'\s*"?(\d{1,18})(?:@(\d{1,18}))?"?\s*')


@dataclass(frozen=True, slots=True)
class Variant:
    """One EXT-X-STREAM-INF: where a rendition's playlist is, and what is declared of it."""

    uris: tuple[str, ...]
    """The first is the one to read; the others are declared alike, and stand in where it fails."""
    rung: Rung
    codecs: str | None
    peak_bps: int | None = None
    """BANDWIDTH: what no segment may exceed; None: not declared."""


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
    gap: bool = False
    """Listed, and said to be missing (EXT-X-GAP)."""
    init_key: EncryptionKey | None = None
    """The key in force where the init segment was listed."""
    key_stated: bool = False
    """False: no EXT-X-KEY stands before it; in a delta update the one before the skipped segments still holds."""
    cues: tuple[tuple[str, str], ...] = ()
    """(tag, value) of the ad markers before it."""


@dataclass(frozen=True, slots=True)
class DateRange:
    """One EXT-X-DATERANGE as listed."""

    attributes: Mapping[str, str]
    number: int
    """Of the segment that it stands before."""


@dataclass(frozen=True, slots=True)
class Media:
    entries: tuple[Entry, ...]
    """Without those marked as gaps."""
    ended: bool
    notes: tuple[str, ...]
    listed: tuple[Entry, ...] = ()
    """With those marked as gaps."""
    target_seconds: float = 0.0
    """0: not declared, or not usable."""
    first_number: int = 0
    """EXT-X-MEDIA-SEQUENCE."""
    first_discontinuity: int = 0
    skipped: int = 0
    """A delta update: so many segments from `first_number` on are those of the playlist before."""
    playlist_type: str = ""
    """``VOD``, ``EVENT`` or nothing."""
    control: Mapping[str, str] = field(default_factory=dict)
    """EXT-X-SERVER-CONTROL."""
    part_target_seconds: float = 0.0
    parts: tuple[float, ...] = ()
    """Durations of the parts that are out of the segment after the last one."""
    date_ranges: tuple[DateRange, ...] = ()
    zoneless: bool = False
    """Some wall-clock times state no time zone, and were taken as UTC."""


def parse(
    data: bytes,
    uri: str,
    *,
    max_segments: int,
    variables: Mapping[str, str] | None = None,
    may_be_empty: bool = False,
) -> Master | Media:
    """Return what the playlist at `uri` says. Raises EmptyInput, BadPlaylist, NoVideo, LimitExceeded.

    `variables` are those of the master playlist, for EXT-X-DEFINE:IMPORT. `may_be_empty`: a media playlist without
    segments is one to which they will come.
    """
    where = shown(uri)
    if not data.strip():
        raise EmptyInput(f"{where}: zero bytes; write the playlist anew")
    if b"\0" in data:
        raise BadPlaylist(f"{where}: not a playlist but binary data; name a media file by its own extension")
    lines, defined = prepared(data, uri, dict(variables or {}))
    addresses = sum(1 for _, text in lines if not text.startswith("#"))
    if addresses > max_segments:
        raise LimitExceeded(
            f"{where}: {addresses} segments, more than {max_segments}; "
            "raise RUNGWATCH_FETCH_MAX_SEGMENTS or cut the playlist"
        )
    reader = TagReader([number for number, _ in lines])
    try:
        parsed: dict[str, Any] = parse_m3u8("\n".join(text for _, text in lines), custom_tags_parser=reader)
    except Exception as exc:
        # The parser raises whatever its int(), float() and dict look-ups raise.
        raise BadPlaylist(
            f"{where} line {reader.line}: cannot be read ({type(exc).__name__}: {exc}); correct the playlist"
        ) from exc
    if not any(text.startswith("#EXTM3U") for _, text in lines):
        if not parsed["playlists"] and not any(segment.get("uri") for segment in parsed["segments"]):
            raise BadPlaylist(
                f"{where} line 1: not an HLS playlist (#EXTM3U is missing); name a playlist or a media file"
            )
        reader.note("#EXTM3U is missing on the first line")
    if parsed["is_variant"] or parsed["media"] or parsed.get("i_frame_uris"):
        return _master(parsed, where, defined, tuple(reader.notes))
    return _media(parsed, where, reader, may_be_empty)


def is_master(data: bytes) -> bool:
    return re.search(rb"^\s*#EXT-X-(STREAM-INF|MEDIA|I-FRAME-STREAM-INF):", data, re.MULTILINE) is not None


def _master(parsed: dict[str, Any], where: str, variables: Mapping[str, str], notes: tuple[str, ...]) -> Master:
    alike: dict[tuple[object, ...], tuple[Rung, str | None, int | None, list[str]]] = {}
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
        peak_bps = declared.bitrate(info.get("bandwidth"))
        alike.setdefault(same, (rung, codecs and codecs[:256], peak_bps, []))[3].append(uri)
    variants = tuple(Variant(tuple(uris), rung, codecs, peak_bps) for rung, codecs, peak_bps, uris in alike.values())
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


def _media(parsed: dict[str, Any], where: str, reader: TagReader, may_be_empty: bool) -> Media:
    if parsed["is_i_frames_only"]:
        raise BadPlaylist(f"{where}: an I-frame playlist (trick play); name the playlist with all pictures")
    found = [segment for segment in parsed["segments"] if segment.get("uri")]
    if not found and not may_be_empty:
        raise BadPlaylist(f"{where}: lists no segments; name a playlist with at least one")
    listed: list[Entry] = []
    offset, discontinuity = 0.0, reader.first_discontinuity
    ends: dict[str, int] = {}
    for number, segment in enumerate(found, reader.first_number + reader.skipped):
        line = segment.get("line", 0)
        discontinuity += bool(segment.get("discontinuity"))
        byte_range = _byte_range(segment.get("byterange"), f"{where} line {line}", ends.get(segment["uri"], 0))
        if byte_range is not None:
            ends[segment["uri"]] = byte_range.offset + byte_range.length
        init = segment.get("init_section") or {}
        listed.append(
            Entry(
                uri=segment["uri"],
                line=line,
                number=number,
                discontinuity_sequence=discontinuity,
                offset_seconds=offset,
                duration_seconds=segment.get("duration"),
                byte_range=byte_range,
                init_uri=init.get("uri"),
                init_range=_byte_range(init.get("byterange"), f"{where} line {line} (EXT-X-MAP)", 0),
                key=_key(segment.get("key")),
                date_time_seconds=segment.get("date_time_seconds"),
                gap=bool(segment.get("gap_tag")),
                init_key=_key(segment.get("init_key")),
                key_stated=bool(segment.get("key")),
                cues=tuple(segment.get("cues", ())),
            )
        )
        offset += segment.get("duration") or max(0.0, reader.target_seconds)
    entries = tuple(entry for entry in listed if not entry.gap)
    if gaps := len(listed) - len(entries):
        reader.note(f"passed over: {gaps} segments marked as gaps (EXT-X-GAP)")
    if not entries and not may_be_empty:
        raise BadPlaylist(f"{where}: every segment is marked as a gap (EXT-X-GAP); nothing can be read")
    first = reader.first_number + reader.skipped
    return Media(
        entries,
        parsed["is_endlist"] or reader.playlist_type == "VOD",
        tuple(reader.notes),
        listed=tuple(listed),
        target_seconds=reader.target_seconds if 0 < reader.target_seconds <= LONGEST_SEGMENT_SECONDS else 0.0,
        first_number=reader.first_number,
        first_discontinuity=reader.first_discontinuity,
        skipped=reader.skipped,
        playlist_type=reader.playlist_type,
        control=reader.control,
        part_target_seconds=reader.part_target_seconds,
        parts=tuple(reader.parts),
        date_ranges=tuple(DateRange(attributes, first + index) for attributes, index in reader.date_ranges),
        zoneless=reader.zoneless,
    )


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
