"""The manifest of the live origin: a dynamic MPD of the same segments, a period between any two discontinuities."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from workers.simulate.encoder import Codec
from workers.simulate.hls import Declared, date_time, init_name, splice_out
from workers.simulate.timeline import Entry, Run, Stream

PROFILE = "urn:mpeg:dash:profile:isoff-live:2011"
UTC_OVER_HTTP = "urn:mpeg:dash:utc:http-iso:2014"
SCTE35 = "urn:scte:scte35:2014:xml+bin"

Addressing = Literal["timeline", "duration"]
"""How segments are numbered out: SegmentTemplate with a SegmentTimeline, or with @duration. Both have $Number$."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the manifest says beside its segments."""

    publish_seconds: float
    window: int
    bases: tuple[str, ...]
    """Of the CDNs; empty: beside the manifest."""
    time_uri: str
    """Where the clock can be asked."""
    addressing: Addressing
    longest_factor: float = 1.0
    """The promised longest segment is this share of the true one."""


def manifest(stream: Stream, rungs: Mapping[str, tuple[Declared, Sequence[Entry]]], told: Told) -> str:
    """Return the MPD; every rung comes with the entries that are listed of it."""
    seconds = float(stream.encodes.segment_seconds)
    newest = max((entry for _, entries in rungs.values() for entry in entries), key=lambda entry: entry.number)
    shift = newest.shift_seconds(None)
    root = Element(
        "MPD",
        {
            "xmlns": "urn:mpeg:dash:schema:mpd:2011",
            "profiles": PROFILE,
            "type": "dynamic",
            "availabilityStartTime": date_time(stream.begin_seconds + Fraction(shift)),
            "publishTime": date_time(told.publish_seconds),
            "minimumUpdatePeriod": _duration(seconds),
            "minBufferTime": _duration(seconds),
            "timeShiftBufferDepth": _duration(told.window * seconds),
            "suggestedPresentationDelay": _duration(min(3, told.window) * seconds),
            "maxSegmentDuration": _duration(seconds * told.longest_factor),
        },
    )
    for number, base in enumerate(told.bases, 1):
        SubElement(root, "BaseURL", {"serviceLocation": f"cdn-{number}"}).text = base
    for run in _runs(rungs):
        _period(root, stream, run, rungs, told.addressing)
    SubElement(root, "UTCTiming", {"schemeIdUri": UTC_OVER_HTTP, "value": told.time_uri})
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, "unicode") + "\n"


def _runs(rungs: Mapping[str, tuple[Declared, Sequence[Entry]]]) -> list[Run]:
    found = {entry.run.index: entry.run for _, entries in rungs.values() for entry in entries}
    return [found[index] for index in sorted(found)]


def _period(
    root: Element,
    stream: Stream,
    run: Run,
    rungs: Mapping[str, tuple[Declared, Sequence[Entry]]],
    addressing: Addressing,
) -> None:
    seconds = stream.encodes.segment_seconds
    start = run.first
    period = SubElement(root, "Period", {"id": f"run-{run.index}", "start": _duration(float(start * seconds))})
    if run.take == "ad":
        _ad_events(period, stream, run)
    listed = [
        (declared, [entry for entry in entries if entry.run.index == run.index]) for declared, entries in rungs.values()
    ]
    by_codec = groupby(
        sorted(listed, key=lambda each: each[0].rung.plan.codec), key=lambda each: each[0].rung.plan.codec
    )
    for codec, group in by_codec:
        adaptation_set = SubElement(period, "AdaptationSet", _adaptation_set(stream, codec))
        for declared, entries in group:
            if entries:
                _representation(adaptation_set, stream, declared, run, start, entries, addressing)
        if not len(adaptation_set):
            period.remove(adaptation_set)


def _adaptation_set(stream: Stream, codec: Codec) -> dict[str, str]:
    return {
        "id": "1" if codec == "h264" else "2",
        "contentType": "video",
        "mimeType": "video/mp4",
        "segmentAlignment": "true",
        "startWithSAP": "1",
        "frameRate": str(stream.encodes.frame_rate),
    }


def _representation(
    adaptation_set: Element,
    stream: Stream,
    declared: Declared,
    run: Run,
    start: int,
    entries: Sequence[Entry],
    addressing: Addressing,
) -> None:
    rung = declared.rung
    representation = SubElement(
        adaptation_set,
        "Representation",
        {
            "id": rung.name,
            "codecs": declared.codecs,
            "width": str(rung.plan.width_px),
            "height": str(rung.plan.height_px),
            "bandwidth": str(declared.bandwidth_bps),
        },
    )
    ticks = segment_ticks(stream, rung.timescale)
    template = {
        "timescale": str(rung.timescale),
        "presentationTimeOffset": str((start - run.zero) * ticks),
        "initialization": f"$RepresentationID$/{init_name(run)}",
        "media": "$RepresentationID$/$Number$.m4s",
    }
    if addressing == "duration":
        SubElement(representation, "SegmentTemplate", template | {"startNumber": str(start), "duration": str(ticks)})
        return
    first = entries[0].number
    element = SubElement(representation, "SegmentTemplate", template | {"startNumber": str(first)})
    timeline = SubElement(element, "SegmentTimeline")
    row = {"t": str((first - run.zero) * ticks), "d": str(ticks)}
    SubElement(timeline, "S", row | ({"r": str(len(entries) - 1)} if len(entries) > 1 else {}))


def _ad_events(period: Element, stream: Stream, run: Run) -> None:
    """Say in the period of the ad break what it is: a SCTE-35 message in base64, at its start."""
    events = SubElement(period, "EventStream", {"schemeIdUri": SCTE35, "timescale": "1000"})
    milliseconds = round(run.planned_segments * stream.encodes.segment_seconds * 1000)
    event = SubElement(events, "Event", {"presentationTime": "0", "duration": str(milliseconds), "id": str(run.first)})
    signal = SubElement(event, "Signal", {"xmlns": "http://www.scte.org/schemas/35/2016"})
    SubElement(signal, "Binary").text = base64.b64encode(splice_out(stream, run)).decode()


def segment_ticks(stream: Stream, timescale: int) -> int:
    """Return the duration of a segment; whole, since the encoder's timescale holds whole pictures."""
    ticks = stream.encodes.segment_seconds * timescale
    if ticks.denominator != 1:
        raise ValueError(f"a segment lasts {ticks} ticks of 1/{timescale} s")
    return ticks.numerator


def _duration(seconds: float) -> str:
    return f"PT{seconds:.6f}S"
