"""What can go wrong at the live origin on command, and what a monitor should make of it."""

import itertools
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pipeline.errors import UsageError

LONGEST_SECONDS = 86_400.0
REMEMBERED = 1000
"""Faults that are over; entries that were not asked for yet are still made as they were then."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault that can be switched on."""

    name: str
    help: str
    """What happens; one line."""
    finding: str
    """What a monitor should find; one line."""
    segments: float
    """How long it lasts where no time is given, in segment durations."""
    where: Literal["rung", "ladder", "origin"] = "ladder"
    """Where no rung is named: ``rung``: the second best; ``ladder``: all; ``origin``: it is never of one rung."""
    published: bool = False
    """It is in the segments that are published meanwhile; else it is in what is answered meanwhile."""
    value: float | None = None
    """How much, where there is a choice; None: there is none."""
    unit: str = ""


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("starved", "The rung is encoded at 8 % of its bitrate.", "quality drop of that rung (`starved`)", 10,
             where="rung", published=True),
        Kind("frozen", "The picture stands still.", "`frozen`; of all rungs `still`: the source stands still", 8,
             published=True),
        Kind("black", "The picture is black.", "black picture", 8, published=True),
        Kind("stale", "Playlists and manifest are not renewed.", "`stale`", 5),
        Kind("missing_segment", "Segments are listed and answered with 404.", "`missing_segment`", 1,
             where="rung", published=True),
        Kind("errors", "Every request is answered with 503.", "`failing_origin`", 4),
        Kind("slow", "Every answer comes late.", "`slow_origin`", 6, value=1.25, unit="segment durations"),
        Kind("time_jump", "EXT-X-PROGRAM-DATE-TIME, or availabilityStartTime, jumps, and back at the end.",
             "`time_jump`; with one rung `clock_skew`", 8, published=True, value=-36.0, unit="seconds"),
        Kind("ad_break", "Other content, marked as an ad break (CUE-OUT, DATERANGE; EventStream), in other encodes.",
             "segments labelled `ad`, no finding", 5, where="origin", published=True),
        Kind("discontinuity", "Time stamps begin again, and the playlist says so; with one rung only a mark.",
             "nothing for the ladder; with one rung `discontinuity_mismatch`", 1, published=True),
        Kind("sequence_back", "The playlist of a while ago is served, as a cache may do.", "`sequence_went_back`", 2,
             value=3, unit="segments"),
        Kind("rung_gone", "The rung is no longer listed, and answered with 404.", "`rung_gone`, then `rung_new`", 5,
             where="rung"),
        Kind("target_duration", "The promised longest duration is too short.", "`target_duration`", 6, value=0.5,
             unit="of the true one"),
        Kind("wrong_bandwidth", "The rung declares too little bandwidth.", "`bandwidth`", 10, where="rung", value=0.4,
             unit="of the true one"),
        Kind("wrong_codec", "The rung declares another codec.", "`codec`", 10, where="rung"),
        Kind("changed_segment", "Listed segments get other addresses and durations.", "`changed_segment`", 4,
             where="rung"),
        Kind("short_window", "Playlists and manifest list fewer segments.", "`window_shrinking`", 8, value=2,
             unit="segments"),
        Kind("garbage", "A page of HTML is answered instead of playlists and manifest.", "`bad_playlist`", 4),
        Kind("cdn_down", "One of the CDNs (see --cdns) drops every connection.",
             "`failing_origin` of that CDN; the ladder goes on over the other", 8, where="origin", value=1,
             unit="(which: 1 is the first)"),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of trouble over (since, until] of the wall clock."""

    fault_id: int
    kind: Kind
    rung: str | None
    """None: every rung."""
    since_seconds: float
    until_seconds: float
    value: float = 0.0
    stream: str | None = None
    """None: every stream."""
    take: str = ""
    """Of `frozen`: the segments that stand still."""

    @property
    def name(self) -> str:
        return self.kind.name

    def on_at(self, seconds: float) -> bool:
        return self.since_seconds < seconds <= self.until_seconds

    def meets(self, stream: str | None, rung: str | None = None) -> bool:
        """Say whether it concerns this stream and rung; None: what belongs to no rung, such as a master playlist."""
        return self.stream in (None, stream) and self.rung in (None, rung)

    def told(self) -> dict[str, Any]:
        """Return it as the control tells it."""
        return {
            "id": self.fault_id,
            "fault": self.name,
            "stream": self.stream,
            "rung": self.rung,
            "value": self.value,
            "since": self.since_seconds,
            "until": self.until_seconds,
            "finding": self.kind.finding,
        }


@dataclass(slots=True)
class Faults:
    """All faults that were switched on. Written by any thread, read by the server's."""

    _all: tuple[Fault, ...] = ()
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, seconds: float) -> tuple[Fault, ...]:
        """Return those that are on at this moment, the oldest first."""
        return tuple(fault for fault in self._all if fault.on_at(seconds))

    def changed_seconds(self, seconds: float) -> float:
        """Return when a fault last came or went, up to this moment; 0: never."""
        moments = (each for fault in self._all for each in (fault.since_seconds, fault.until_seconds))
        return max((each for each in moments if each <= seconds), default=0.0)

    def begun(self, name: str, seconds: float) -> tuple[Fault, ...]:
        """Return those of a kind that are on or were."""
        return tuple(fault for fault in self._all if fault.name == name and fault.since_seconds < seconds)

    def to_come(self, seconds: float) -> tuple[Fault, ...]:
        """Return those that are on or will be."""
        return tuple(fault for fault in self._all if fault.until_seconds >= seconds)

    def add(self, fault: Mapping[str, Any]) -> Fault:
        with self._lock:
            made = Fault(fault_id=next(self._numbers), **fault)
            self._all = (*self._all[-REMEMBERED:], made)
        return made

    def clear(self, which: int | str | None, seconds: float) -> tuple[Fault, ...]:
        """End those with this id or name, None: all, at this moment; return what was ended."""
        with self._lock:
            ended = tuple(
                fault
                for fault in self._all
                if fault.until_seconds > seconds and (which is None or which in (fault.fault_id, fault.name))
            )
            self._all = tuple(replace(fault, until_seconds=seconds) if fault in ended else fault for fault in self._all)
        return ended


@dataclass(frozen=True, slots=True)
class Scripted:
    """A fault that is to come on by itself."""

    name: str
    start_seconds: float
    """After the start of the origin."""
    seconds: float | None
    rung: str | None
    value: float | None = None


SCRIPTED = re.compile(
    r"(?P<name>[\w-]+)@(?P<start>[\d.]+)(?:\+(?P<seconds>[\d.]+))?(?::(?P<rung>[\w-]+))?(?:=(?P<value>-?[\d.]+))?"
)


def scripted(text: str) -> Scripted:
    """Return what ``NAME@START+DURATION:RUNG=VALUE`` says; all after START may be left out. Raises UsageError."""
    match = SCRIPTED.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a fault such as starved@30+20:270p (name@start+duration:rung, in seconds)")
    try:
        return Scripted(
            kind_of(match["name"]).name,
            float(match["start"]),
            None if match["seconds"] is None else float(match["seconds"]),
            match["rung"],
            None if match["value"] is None else float(match["value"]),
        )
    except ValueError as exc:
        raise UsageError(f"{text!r}: {exc}; write numbers such as 30 or 2.5") from exc


def scripted_list(document: Any, where: str) -> tuple[Scripted, ...]:
    """Return the faults of a parsed YAML document: a list of texts, or of ``{fault, at, for, rung, value}``.

    Raises:
        UsageError: It is something else.
    """
    if not isinstance(document, list):
        raise UsageError(f"{where}: expected a list of faults, such as `- starved@30+20:270p`")
    return tuple(_listed(entry, f"{where}, entry {number}") for number, entry in enumerate(document, 1))


def _listed(entry: Any, where: str) -> Scripted:
    if isinstance(entry, str):
        return scripted(entry)
    if not isinstance(entry, Mapping) or not {"fault", "at"} <= set(entry) <= {"fault", "at", "for", "rung", "value"}:
        raise UsageError(f"{where}: expected `fault` and `at`, and perhaps `for`, `rung` and `value`")
    try:
        return Scripted(
            kind_of(str(entry["fault"])).name,
            float(entry["at"]),
            None if entry.get("for") is None else float(entry["for"]),
            None if entry.get("rung") is None else str(entry["rung"]),
            None if entry.get("value") is None else float(entry["value"]),
        )
    except (TypeError, ValueError) as exc:
        raise UsageError(f"{where}: {exc}; write numbers of seconds") from exc


def kind_of(name: str) -> Kind:
    """Return the kind with this name; dashes are as good as underscores. Raises UsageError."""
    kind = KINDS.get(name.replace("-", "_"))
    if kind is None:
        raise UsageError(f"there is no fault {name!r}; there are {', '.join(KINDS)}")
    return kind


def rung_of(kind: Kind, asked: str | None, rungs: Sequence[str]) -> str | None:
    """Return the rung that a fault meets, None: all of them. Raises UsageError."""
    if kind.where == "origin":
        if asked not in (None, "all"):
            raise UsageError(f"{kind.name} is not of one rung; leave the rung out")
        return None
    if asked is None:
        return rungs[1] if kind.where == "rung" else None
    if asked == "all":
        return None
    if asked not in rungs:
        raise UsageError(f"there is no rung {asked!r}; there are {', '.join(rungs)}, or all")
    return asked
