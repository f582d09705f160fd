"""What the live origin answers to each address, and how the faults of the moment change it."""

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import urlsplit

from workers.simulate import dash, fmp4, hls, low_latency
from workers.simulate.encodes import CONTAINERS, Container, Encodes, Rung
from workers.simulate.faults import Fault, Faults
from workers.simulate.http import Request, Response
from workers.simulate.timeline import Entry, Stream
from workers.simulate.transport import CLOCK_HZ, moved

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
MANIFEST_TYPE = "application/dash+xml"
SEGMENT_TYPES: dict[Container, str] = {"cmaf": "video/mp4", "ts": "video/mp2t"}
FRESH = (("Cache-Control", "max-age=1"),)
LASTING = (("Cache-Control", "max-age=3600"),)
SEGMENT = re.compile(r"(\d{1,12})(?:-b)?\.(m4s|ts)")
PART = re.compile(r"(\d{1,12})\.(\d{1,3})\.m4s")
SEGMENTS_KEPT = 64
"""Moved segments that are kept for whoever asks next."""
GARBAGE = (
    b"<!DOCTYPE html><html><head><title>Sorry</title></head><body>This page is being looked after.</body></html>\n"
)
OTHER_CODECS = {"h264": "hvc1.1.6.L90.90", "hevc": "avc1.64001e"}
NOT_FOUND = Response(404, b"not found\n")


@dataclass(frozen=True, slots=True)
class _Text:
    """A playlist or manifest that was written, and what it was written for."""

    stamp: object
    body: bytes
    headers: tuple[tuple[str, str], ...]


class Site:
    """All streams. One thread asks it; faults may be switched on by others."""

    def __init__(
        self,
        encodes: Encodes,
        streams: Sequence[Stream],
        faults: Faults,
        *,
        window: int,
        addressing: dash.Addressing,
        clock: Callable[[], float],
    ) -> None:
        self._encodes = encodes
        self._streams = {stream.name: stream for stream in streams}
        self._faults = faults
        self._window = window
        self._addressing = addressing
        self._clock = clock
        self._texts: dict[tuple[str, ...], _Text] = {}
        self._segments: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self.cdn_ports: tuple[int, ...] = ()
        """Of the servers that stand for CDNs; none: the origin's own address is the only one."""
        self.asked: Counter[int] = Counter()
        """Answers by status."""

    def answer(self, request: Request, cdn: int = 0) -> Response:
        """Return the answer to a request that came to the origin itself (0) or to one of its CDNs (1, 2, ...)."""
        now = self._clock()
        response = self._late(self._answer(request, cdn, now), request, now)
        if not response.again_seconds:
            self.asked[response.status] += 1
        return response

    def _late(self, response: Response, request: Request, now: float) -> Response:
        """Return the answer as `slow` has it."""
        stream, rung = _place(request.path)
        for fault in self._faults.on(now):
            if fault.name == "slow" and stream in self._streams and fault.meets(stream, rung):
                seconds = fault.value * float(self._encodes.segment_seconds)
                return Response(response.status, response.body, response.content_type, response.headers, seconds)
        return response

    def _answer(self, request: Request, cdn: int, now: float) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"only GET and HEAD\n")
        if request.path == "/time":
            return Response(body=hls.date_time(now).encode(), headers=(("Cache-Control", "no-store"),))
        parts = request.path.strip("/").split("/")
        stream = self._streams.get(parts[0])
        if stream is None or not 2 <= len(parts) <= 3:
            return NOT_FOUND
        stream.advance(now)
        name = parts[1] if len(parts) == 3 else None
        rung = self._encodes.rung(name) if name else None
        if name and rung is None:
            return NOT_FOUND
        on = tuple(fault for fault in self._faults.on(now) if fault.stream in (None, stream.name))
        if any(fault.name == "cdn_down" and round(fault.value) == cdn for fault in on):
            return Response(drop=True)
        of_place = {fault.name: fault for fault in on if fault.meets(stream.name, name)}
        if "errors" in of_place:
            return Response(503, b"out of order\n")
        if rung is not None and "rung_gone" in of_place:
            return NOT_FOUND
        if rung is not None:
            return self._of_rung(stream, rung, parts[2], request, of_place, now)
        return self._of_stream(stream, parts[1], request, on, of_place, now)

    def _of_stream(
        self,
        stream: Stream,
        file: str,
        request: Request,
        on: tuple[Fault, ...],
        of_place: Mapping[str, Fault],
        now: float,
    ) -> Response:
        host = request.headers.get("host", "localhost")
        stamp = (stream.edge, on)
        if file in ("master.m3u8", "ts.m3u8"):
            container: Container = "ts" if file == "ts.m3u8" else "cmaf"
            if "garbage" in of_place:
                return Response(body=GARBAGE, content_type="text/html")
            write = lambda: hls.master(self._encodes, self._declared(stream, container, on), self._bases(stream, host))  # noqa: E731
            return self._text((stream.name, file, host), on, PLAYLIST_TYPE, write)
        if file == "manifest.mpd":
            if "garbage" in of_place:
                return Response(body=GARBAGE, content_type="text/html")
            return self._text(
                (stream.name, file, host), stamp, MANIFEST_TYPE, lambda: self._manifest(stream, host, on, of_place, now)
            )
        return NOT_FOUND

    def _of_rung(
        self, stream: Stream, rung: Rung, file: str, request: Request, of_place: Mapping[str, Fault], now: float
    ) -> Response:
        if file in ("init.mp4", "init-ad.mp4"):
            take = rung.takes["ad" if file == "init-ad.mp4" else "main"]
            return Response(body=take.init, content_type="video/mp4", headers=LASTING)
        name, _, extension = file.rpartition(".")
        if extension == "m3u8":
            packed = next((each for each in CONTAINERS[rung.plan.codec] if each == name), None)
            if packed is None:
                return NOT_FOUND
            if "garbage" in of_place:
                return Response(body=GARBAGE, content_type="text/html")
            return self._media(stream, rung, packed, request, of_place, now)
        if stream.parts and (match := PART.fullmatch(file)):
            return self._part(stream, rung, int(match[1]), int(match[2]), request, now)
        match = SEGMENT.fullmatch(file)
        entry = stream.available(int(match[1])) if match else None
        if match is None or entry is None or entry.missing(rung.name):
            return NOT_FOUND
        container: Container = "ts" if match[2] == "ts" else "cmaf"
        if container not in CONTAINERS[rung.plan.codec]:
            return NOT_FOUND
        return Response(
            body=self._segment(stream, rung, container, entry), content_type=SEGMENT_TYPES[container], headers=LASTING
        )

    def _media(
        self,
        stream: Stream,
        rung: Rung,
        container: Container,
        request: Request,
        of_place: Mapping[str, Fault],
        now: float,
    ) -> Response:
        """Return a media playlist; with parts it is held back until what is asked for is in it."""
        low: hls.LowLatency | None = None
        stamp: tuple[object, ...] = (stream.edge, tuple(of_place.values()))
        if stream.parts and container == "cmaf":
            held = None if "stale" in of_place else low_latency.held(stream, request, now)
            if held is not None:
                return held
            behind = {"stale", "sequence_back"} & set(of_place)
            parts = 0 if behind else stream.parts_published(now)
            begun = stream.entry(stream.edge + 1) if parts else None
            low = hls.LowLatency(begun, parts, low_latency.wants_delta(request))
            stamp = (*stamp, parts, low.delta)
        factor = of_place["target_duration"].value if "target_duration" in of_place else 1.0
        changed = "changed_segment" in of_place
        write = lambda: hls.media(  # noqa: E731
            stream,
            rung,
            container,
            self._listed(stream, rung.name, of_place, now),
            target_factor=factor,
            changed=changed,
            low_latency=low,
        )
        return self._text((stream.name, rung.name, container), stamp, PLAYLIST_TYPE, write)

    def _part(self, stream: Stream, rung: Rung, number: int, part: int, request: Request, now: float) -> Response:
        """Return a part; the one that comes next is waited for, as a player asks for it by the hint."""
        if part >= stream.parts or not stream.edge - low_latency.PARTS_KEPT < number <= stream.edge + 1:
            return NOT_FOUND
        wait = stream.part_published_seconds(number, part) - now
        if wait > 0:
            held = low_latency.waiting(stream, request, wait, now)
            return held if part <= stream.parts_published(now) else NOT_FOUND
        entry = stream.entry(number)
        if entry is None or entry.missing(rung.name):
            return NOT_FOUND
        name, index = entry.take(rung.name)
        fragment = fmp4.part(rung.takes[name].fragments[index], *stream.part_frames(part))
        time = (number - entry.run.zero) * dash.segment_ticks(stream, rung.timescale)
        return Response(body=fragment.at(number + 1, time), content_type="video/mp4", headers=LASTING)

    def _text(self, key: tuple[str, ...], stamp: object, content_type: str, write: Callable[[], str]) -> Response:
        """Return a playlist or manifest, written anew where what it depends on has changed."""
        text = self._texts.get(key)
        if text is None or text.stamp != stamp:
            if len(self._texts) > 100 * len(self._streams):  # other Host headers: nothing that a client means well by
                self._texts.clear()
            body = write().encode()
            tag = f'"{blake2b(body, digest_size=8).hexdigest()}"'
            text = self._texts[key] = _Text(stamp, body, (*FRESH, ("ETag", tag)))
        return Response(body=text.body, content_type=content_type, headers=text.headers)

    def _listed(self, stream: Stream, rung: str | None, of_place: Mapping[str, Fault], now: float) -> list[Entry]:
        """Return the entries that the playlist of a rung shows now, or the manifest as a whole (None)."""
        edge, window = stream.edge, self._window
        if "stale" in of_place:
            edge = min(edge, stream.edge_at(of_place["stale"].since_seconds))
        if "sequence_back" in of_place:
            edge -= min(round(of_place["sequence_back"].value), window)
        # What has left a playlist must not come back: after the fault the window grows from where it was.
        for fault in self._faults.begun("short_window", now):
            if fault.meets(stream.name, rung):
                short = max(1, min(window, round(fault.value)))
                window = min(window, max(short, edge - stream.edge_at(min(now, fault.until_seconds)) + short))
        return stream.listed(edge, window)

    def _declared(self, stream: Stream, container: Container, on: tuple[Fault, ...]) -> list[hls.Declared]:
        """Return what is declared of the rungs that are there."""
        declared = []
        for rung in self._encodes.rungs:
            of_rung = {fault.name: fault for fault in on if fault.meets(stream.name, rung.name)}
            if "rung_gone" in of_rung:
                continue
            codecs = OTHER_CODECS[rung.plan.codec] if "wrong_codec" in of_rung else rung.codecs
            factor = of_rung["wrong_bandwidth"].value if "wrong_bandwidth" in of_rung else 1.0
            packed: Container = container if container in CONTAINERS[rung.plan.codec] else "cmaf"
            declared.append(hls.Declared(rung, packed, codecs, factor))
        return declared

    def _manifest(
        self, stream: Stream, host: str, on: tuple[Fault, ...], of_place: Mapping[str, Fault], now: float
    ) -> str:
        listed = self._listed(stream, None, of_place, now)
        published = stream.published_seconds(listed[-1].number)
        if not {"stale", "sequence_back"} & set(of_place):
            published = max(published, self._faults.changed_seconds(now))
        rungs = {}
        for declared in self._declared(stream, "cmaf", on):
            name = declared.rung.name
            rungs[name] = (
                declared,
                self._listed(stream, name, {f.name: f for f in on if f.meets(stream.name, name)}, now),
            )
        longest = of_place.get("target_duration")
        told = dash.Told(
            publish_seconds=published,
            window=len(listed),
            bases=tuple(base for base in self._bases(stream, host) if base),
            time_uri=f"http://{host}/time",
            addressing=self._addressing,
            longest_factor=longest.value if longest else 1.0,
        )
        return dash.manifest(stream, rungs, told)

    def _bases(self, stream: Stream, host: str) -> list[str]:
        """Return the addresses of the stream on each CDN."""
        name = urlsplit(f"//{host}").hostname or "localhost"
        name = f"[{name}]" if ":" in name else name
        return [f"http://{name}:{port}/{stream.name}/" for port in self.cdn_ports] or [""]

    def _segment(self, stream: Stream, rung: Rung, container: Container, entry: Entry) -> bytes:
        key = (stream.name, rung.name, container, entry.number)
        data = self._segments.get(key)
        if data is None:
            data = self._segments[key] = _moved(stream, rung, container, entry)
            while len(self._segments) > SEGMENTS_KEPT:
                self._segments.popitem(last=False)
        return data


def _place(path: str) -> tuple[str, str | None]:
    """Return the stream and the rung that an address is of."""
    parts = path.strip("/").split("/")
    return parts[0], parts[1] if len(parts) == 3 else None


def _moved(stream: Stream, rung: Rung, container: Container, entry: Entry) -> bytes:
    """Return the bytes of a segment, with the time stamps of its place in the stream."""
    name, index = entry.take(rung.name)
    take = rung.takes[name]
    place = entry.number - entry.run.zero
    if container == "cmaf":
        return take.fragments[index].at(entry.number + 1, place * dash.segment_ticks(stream, rung.timescale))
    seconds = stream.encodes.segment_seconds
    shift = round((place - index) * seconds * CLOCK_HZ)
    return moved(take.transports[index], shift, take.continuity(index, entry.loops))
