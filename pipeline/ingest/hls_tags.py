"""Reads the tags of an HLS playlist that the library does not know, or where it gives up on one bad value."""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.ingest.hls_variables import LONGEST_VARIABLE, attributes

LONGEST_SEGMENT_SECONDS = 86_400

# What the parser is given. Everything else (date ranges, cues, parts, session data, ...) does not say where a
# segment is, and a mistake in it must not cost the playlist: what a live ladder needs of it is read here.
READ_TAGS = (
    "EXTM3U",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-ENDLIST",
    "EXT-X-GAP",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-MAP",
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
)
CUE_TAGS = (
    "EXT-X-CUE-OUT",
    "EXT-X-CUE-OUT-CONT",
    "EXT-X-CUE-IN",
    "EXT-OATCLS-SCTE35",
    "EXT-X-SCTE35",
    "EXT-X-SPLICEPOINT-SCTE35",
)
IDENTITY = "identity"
MOST_DATE_RANGES = 1000
MOST_CUES_AT_SEGMENT = 16
TAG = re.compile(r"#(EXT[A-Z0-9-]*)(?::(.*))?$", re.DOTALL)


@dataclass(slots=True)
class TagReader:
    """Hands tags on to the parser, and reads those itself where the parser would give up on one bad value."""

    lines: list[int]
    """Line in the playlist of every line that the parser sees."""
    line: int = 0
    first_number: int = 0
    first_discontinuity: int = 0
    target_seconds: float = 0.0
    playlist_type: str = ""
    skipped: int = 0
    control: dict[str, str] = field(default_factory=dict)
    part_target_seconds: float = 0.0
    parts: list[float] = field(default_factory=list)
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    map_key: dict[str, str] | None = None
    date_ranges: list[tuple[dict[str, str], int]] = field(default_factory=list)
    zoneless: bool = False
    announced: int = 0
    """Segments so far."""
    notes: dict[str, None] = field(default_factory=dict)

    def __call__(self, text: str, parsed_line: int, data: dict[str, Any], state: dict[str, Any]) -> bool:
        """Return True where the parser must not read this line."""
        self.line = self.lines[parsed_line - 1]
        match = TAG.match(text)
        name, value = (match[1], (match[2] or "").strip()) if match else ("", "")
        of_segment = name in ("EXTINF", "EXT-X-PROGRAM-DATE-TIME") or name in CUE_TAGS
        segment = state.setdefault("segment", {}) if of_segment else {}
        if name == "EXTINF":
            segment["duration"] = self._duration(value)
            segment["line"] = self.line
            segment["init_key"] = self.map_key
            state["expect_segment"] = True
            self.announced += 1
            self.parts.clear()
        elif name == "EXT-X-PROGRAM-DATE-TIME":
            segment["date_time_seconds"] = self._date_time(value)
        elif name == "EXT-X-TARGETDURATION":
            self.target_seconds = number(value) or 0.0
        elif name == "EXT-X-PLAYLIST-TYPE":
            self.playlist_type = value.upper() if value.upper() in ("VOD", "EVENT") else ""
        elif name == "EXT-X-MEDIA-SEQUENCE":
            self.first_number = self._count(name, value)
        elif name == "EXT-X-DISCONTINUITY-SEQUENCE":
            self.first_discontinuity = self._count(name, value)
        elif name == "EXT-X-SKIP":
            self.skipped = self._count("SKIPPED-SEGMENTS", attributes(value).get("SKIPPED-SEGMENTS", ""))
            self.note("a delta update: only the segments listed in it are read")
        elif name == "EXT-X-KEY":
            state["current_key"] = self._key(attributes(value))
        elif name == "EXT-X-MAP":
            self.map_key = state.get("current_key")
        elif name in CUE_TAGS:
            cues = segment.setdefault("cues", [])
            if len(cues) < MOST_CUES_AT_SEGMENT:
                cues.append((name, value[:LONGEST_VARIABLE]))
        elif name == "EXT-X-DATERANGE":
            self.date_ranges.append((attributes(value), self.announced))
            del self.date_ranges[:-MOST_DATE_RANGES]
        elif name == "EXT-X-SERVER-CONTROL":
            self.control = attributes(value)
        elif name == "EXT-X-PART-INF":
            self.part_target_seconds = max(0.0, number(attributes(value).get("PART-TARGET", "")) or 0.0)
        elif name == "EXT-X-PART":
            self.parts.append(max(0.0, number(attributes(value).get("DURATION", "")) or 0.0))
        elif name == "EXT-X-I-FRAME-STREAM-INF" and (uri := attributes(value).get("URI")):
            data.setdefault("i_frame_uris", []).append(uri)
        return name not in READ_TAGS

    def note(self, text: str) -> None:
        self.notes[text] = None

    def _duration(self, value: str) -> float | None:
        seconds = number(value.partition(",")[0])
        if seconds is None or not 0 < seconds <= LONGEST_SEGMENT_SECONDS:
            self.note("some segments have no usable duration (EXTINF)")
            return None
        return seconds

    def _key(self, given: dict[str, str]) -> dict[str, str]:
        """Return what holds from here on; one segment may be encrypted once and have a key for each of many systems."""
        if not given.get("METHOD"):
            raise ValueError("EXT-X-KEY names no METHOD")
        if given["METHOD"].upper() == "NONE":
            self.keys.clear()
            return {"method": "NONE"}
        key_format = given.get("KEYFORMAT") or IDENTITY
        method = given["METHOD"]
        known = {"method": method if key_format == IDENTITY else f"{method}, {key_format}"}
        known |= {name: given[name.upper()] for name in ("uri", "iv") if given.get(name.upper())}
        self.keys[key_format] = known
        return self.keys.get(IDENTITY, known)

    def _date_time(self, value: str) -> float | None:
        seconds, zoned = wall_clock(value)
        if seconds is None:
            self.note("some wall-clock times (EXT-X-PROGRAM-DATE-TIME) cannot be read")
        elif not zoned:
            self.zoneless = True
            self.note("wall-clock times state no time zone: taken as UTC")
        return seconds

    def _count(self, name: str, value: str) -> int:
        if not re.fullmatch(r"\d{1,18}", value):
            self.note(f"{name} is {value[:40]!r}: taken as 0")
            return 0
        return int(value)


def wall_clock(value: str) -> tuple[float | None, bool]:
    """Return (seconds since the epoch, whether a time zone is stated); None: it is no time."""
    text = re.sub(r"\s*(UTC|GMT)$", "Z", value.strip().strip('"').strip())
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC).timestamp(), False
        return moment.timestamp(), True
    except (ValueError, OverflowError):
        return None, False


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
