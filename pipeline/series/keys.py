"""The names of everything in Redis: keys, hash fields, the channel, and how time is cut into buckets.

    {prefix}:streams                                          sorted set: stream, by when it was last written (seconds)
    {prefix}:{{stream}}:series                                hash: series -> what is known of it, with its latest point
    {prefix}:{{stream}}:raw:{series}:{minute}                 hash: start in ms -> point
    {prefix}:{{stream}}:minutes:{series}:{hour}               hash: start of a minute in ms -> roll-up, 60 at most
    {prefix}:{{stream}}:hours:{series}:{month}                hash: start of an hour in ms -> roll-up, 720 at most
    {prefix}:{{stream}}:months:{series}                       sorted set: months that have hours
    {prefix}:{{stream}}:skipped                               sorted set: hours that have skipped segments
    {prefix}:{{stream}}:skipped:{hour}                        hash: rendition|start in ms -> skipped segment
    {prefix}:{{stream}}:findings                              sorted set: finding, by when it was found in ms
    {prefix}:{{stream}}:findings:told                         hash: finding -> what it says
    {prefix}:points:{{stream}}                                channel: every new or changed point

The stream is percent-encoded and stands in the only braces of a key: all keys of a stream are in one slot of a cluster.
Minutes, hours and months (of 30 days) are counted from the epoch, or from the start of the media; both may be negative.
"""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from schemas import QualityPoint

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MONTH_MS = 720 * HOUR_MS

_quoted = lru_cache(maxsize=16_384)(lambda text: quote(text, safe=""))


@dataclass(frozen=True, slots=True, order=True)
class SeriesId:
    """What may stand in one line: scores of two models, two displays or two samplers never mix."""

    rendition_id: str
    model_name: str
    display_height_px: int
    sampler_name: str
    sampler_frames: int

    @classmethod
    def of(cls, point: QualityPoint) -> "SeriesId":
        return cls(
            point.rendition_id, point.model_name, point.display_height_px, point.sampler_name, point.sampler_frames
        )

    @classmethod
    def parsed(cls, name: str) -> "SeriesId":
        rendition, model, height, sampler, frames = name.split("/")
        return cls(unquote(rendition), unquote(model), int(height), unquote(sampler), int(frames))

    @property
    def name(self) -> str:
        """As it stands in keys and fields."""
        return series_name(
            self.rendition_id, self.model_name, self.display_height_px, self.sampler_name, self.sampler_frames
        )


def series_name(rendition: str, model: str, height_px: int, sampler: str, frames: int) -> str:
    return f"{_quoted(rendition)}/{_quoted(model)}/{height_px}/{_quoted(sampler)}/{frames}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one installation."""

    prefix: str

    @property
    def streams(self) -> str:
        return f"{self.prefix}:streams"

    def channel(self, stream_id: str) -> str:
        return f"{self.prefix}:points:{{{_quoted(stream_id)}}}"

    def stream(self, stream_id: str) -> str:
        """Return what every key of the stream starts with."""
        return f"{self.prefix}:{{{_quoted(stream_id)}}}:"

    def series(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}series"

    def raw(self, stream_id: str, series: str, minute: int) -> str:
        return f"{self.stream(stream_id)}raw:{series}:{minute}"

    def minutes(self, stream_id: str, series: str, hour: int) -> str:
        return f"{self.stream(stream_id)}minutes:{series}:{hour}"

    def hours(self, stream_id: str, series: str, month: int) -> str:
        return f"{self.stream(stream_id)}hours:{series}:{month}"

    def months(self, stream_id: str, series: str) -> str:
        return f"{self.stream(stream_id)}months:{series}"

    def skipped_hours(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}skipped"

    def skipped(self, stream_id: str, hour: int) -> str:
        return f"{self.stream(stream_id)}skipped:{hour}"

    def findings(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}findings"

    def told(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}findings:told"


def skipped_field(rendition_id: str, start_ms: int) -> str:
    return f"{_quoted(rendition_id)}|{start_ms}"


def in_ms(seconds: float) -> int:
    return round(seconds * 1000)
