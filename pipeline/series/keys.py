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
    {prefix}:{{stream}}:ads                                   sorted set: duration in ms of a segment|its start in ms
    {prefix}:{{stream}}:annotations                           sorted set: annotation, by its start in ms
    {prefix}:{{stream}}:annotations:told                      hash: annotation -> what it says
    {prefix}:{{stream}}:pictures                              sorted set: rendition|hour, by when it was last written to
    {prefix}:{{stream}}:pictures:{rendition}:{hour}           hash: start in ms -> what a picture shows
    {prefix}:{{stream}}:pictures:{rendition}:{hour}:jpeg      hash: start in ms -> the picture
    {prefix}:{{stream}}:sent:{target}                         hash: what was sent elsewhere -> what is known of it
    {prefix}:sent:{target}:leader                             string: which process sends
    {prefix}:points:{{stream}}                                channel: every new or changed point
    {prefix}:findings:{{stream}}                              channel: every finding that begins or is over

The stream is percent-encoded and stands in the only braces of a key: all keys of a stream are in one slot of a cluster.
Minutes, hours and months (of 30 days) are counted from the epoch, or from the start of the media; both may be negative.
"""

from dataclasses import dataclass

from pipeline.history import quoted

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MONTH_MS = 720 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one installation."""

    prefix: str

    @property
    def streams(self) -> str:
        return f"{self.prefix}:streams"

    def channel(self, stream_id: str) -> str:
        return f"{self.prefix}:points:{{{quoted(stream_id)}}}"

    def findings_channel(self, stream_id: str) -> str:
        return f"{self.prefix}:findings:{{{quoted(stream_id)}}}"

    @property
    def channels(self) -> tuple[str, str]:
        """Patterns of the channels of all streams: points, findings."""
        return f"{self.prefix}:points:*", f"{self.prefix}:findings:*"

    def stream(self, stream_id: str) -> str:
        """Return what every key of the stream starts with."""
        return f"{self.prefix}:{{{quoted(stream_id)}}}:"

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

    def ads(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}ads"

    def annotations(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}annotations"

    def annotations_told(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}annotations:told"

    def picture_hours(self, stream_id: str) -> str:
        return f"{self.stream(stream_id)}pictures"

    def pictures(self, stream_id: str, rendition_id: str, hour: int) -> str:
        return f"{self.stream(stream_id)}pictures:{quoted(rendition_id)}:{hour}"

    def jpegs(self, stream_id: str, rendition_id: str, hour: int) -> str:
        return f"{self.pictures(stream_id, rendition_id, hour)}:jpeg"

    def sent(self, stream_id: str, target: str) -> str:
        return f"{self.stream(stream_id)}sent:{quoted(target)}"

    def leader(self, target: str) -> str:
        return f"{self.prefix}:sent:{quoted(target)}:leader"


def picture_hour(rendition_id: str, hour: int) -> str:
    return f"{quoted(rendition_id)}|{hour}"


def skipped_field(rendition_id: str, start_ms: int) -> str:
    return f"{quoted(rendition_id)}|{start_ms}"


def in_ms(seconds: float) -> int:
    return round(seconds * 1000)
