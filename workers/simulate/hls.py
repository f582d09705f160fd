"""The playlists of the live origin: HLS version 7, a sliding window, wall clocks, discontinuities and ad breaks."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil

from workers.simulate.encodes import Container, Encodes, Rung
from workers.simulate.scte35 import TICKS_A_SECOND, splice_insert
from workers.simulate.timeline import Entry, Run, Stream

EXTENSIONS: dict[Container, str] = {"cmaf": "m4s", "ts": "ts"}
PARTS_LISTED = 3
"""Segments at the end of a playlist that are also listed by their parts."""
SKIPPED_TARGETS = 6
"""Target durations from the end, up to which a delta update must list segments; RFC 8216bis asks for 6 at least."""
CHANGED_SHARE = 0.9
"""Of its duration: what a listed segment is said to last after it was changed."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a master playlist or a manifest says of a rung, be it true or not."""

    rung: Rung
    container: Container
    codecs: str
    bandwidth_factor: float = 1.0

    @property
    def bandwidth_bps(self) -> int:
        return round(self.rung.bandwidth_bps[self.container][0] * self.bandwidth_factor)

    @property
    def average_bps(self) -> int:
        return round(self.rung.bandwidth_bps[self.container][1] * self.bandwidth_factor)


@dataclass(frozen=True, slots=True)
class LowLatency:
    """What an LL-HLS playlist says beyond whole segments."""

    begun: Entry | None
    """The segment whose first parts are published; None: it has none yet."""
    parts: int
    """How many of them."""
    delta: bool
    """Leave out what a player has already (EXT-X-SKIP)."""

    def skipped(self, stream: Stream, listed: int) -> int:
        """Return how many of the listed segments are left out: those that are older than the skip boundary."""
        if not self.delta:
            return 0
        begun_seconds = sum(stream.part_seconds(part) for part in range(self.parts))
        boundary = SKIPPED_TARGETS * round(stream.encodes.segment_seconds)
        fresh = ceil((boundary - begun_seconds) / stream.encodes.segment_seconds)
        return max(0, listed - fresh)


def master(encodes: Encodes, rungs: Sequence[Declared], bases: Sequence[str]) -> str:
    """Return the master playlist; every base address is a CDN with all rungs on it, "" being beside the master."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for base in bases:
        for each in rungs:
            plan = each.rung.plan
            lines.append(
                f"#EXT-X-STREAM-INF:BANDWIDTH={each.bandwidth_bps},AVERAGE-BANDWIDTH={each.average_bps},"
                f"RESOLUTION={plan.width_px}x{plan.height_px},FRAME-RATE={float(encodes.frame_rate):.3f},"
                f'CODECS="{each.codecs}"'
            )
            lines.append(f"{base}{plan.name}/{each.container}.m3u8")
    return "\n".join(lines) + "\n"


def media(
    stream: Stream,
    rung: Rung,
    container: Container,
    entries: Sequence[Entry],
    *,
    target_factor: float = 1.0,
    changed: bool = False,
    low_latency: "LowLatency | None" = None,
) -> str:
    """Return the media playlist of a rung with these entries.

    Args:
        target_factor: The promised target duration is this share of the true one.
        changed: List the segments at other addresses and with other durations than before.
        low_latency: What is said of parts; None: nothing.
    """
    seconds = stream.encodes.segment_seconds
    first = entries[0]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, int(round(seconds) * target_factor))}",
        f"#EXT-X-MEDIA-SEQUENCE:{first.number}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{_discontinuities_before(stream, rung, first)}",
    ]
    if low_latency is None:
        for entry in entries:
            lines += _entry_lines(stream, rung, container, entry, first, changed)
        return "\n".join(lines) + "\n"
    lines[1] = "#EXT-X-VERSION:9"
    lines += _control_lines(stream)
    skipped = low_latency.skipped(stream, len(entries))
    if skipped:
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")
    for entry in entries[skipped:]:
        said = list(_entry_lines(stream, rung, container, entry, first, changed))
        if entry.number > entries[-1].number - PARTS_LISTED:
            said[-2:-2] = _part_lines(stream, entry, stream.parts)
        lines += said
    if low_latency.begun is not None:
        lines += list(_entry_lines(stream, rung, container, low_latency.begun, first, changed))[:-2]
        lines += _part_lines(stream, low_latency.begun, low_latency.parts)
    hint = f"{entries[-1].number + 1}.{low_latency.parts}.m4s"
    lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{hint}"')
    return "\n".join(lines) + "\n"


def _control_lines(stream: Stream) -> Iterator[str]:
    target = _part_target(stream)
    skip = f"CAN-SKIP-UNTIL={SKIPPED_TARGETS * round(stream.encodes.segment_seconds):.1f},"
    yield f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,{skip}PART-HOLD-BACK={3 * target:.3f}"
    yield f"#EXT-X-PART-INF:PART-TARGET={target:.3f}"


def _part_target(stream: Stream) -> float:
    return float(max(stream.part_seconds(part) for part in range(stream.parts)))


def _part_lines(stream: Stream, entry: Entry, count: int) -> Iterator[str]:
    for part in range(count):
        independent = ",INDEPENDENT=YES" if part == 0 else ""
        yield (
            f'#EXT-X-PART:DURATION={float(stream.part_seconds(part)):.5f},URI="{entry.number}.{part}.m4s"{independent}'
        )


def date_time(seconds: float | Fraction) -> str:
    """Return a moment as both HLS and DASH write it."""
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _discontinuities_before(stream: Stream, rung: Rung, first: Entry) -> int:
    return first.run.index - _begins_run(first) + stream.marks_before(rung.name, first.number)


def _begins_run(entry: Entry) -> bool:
    return entry.number == entry.run.first and entry.run.index > 0


def _entry_lines(
    stream: Stream, rung: Rung, container: Container, entry: Entry, first: Entry, changed: bool
) -> Iterator[str]:
    begins = _begins_run(entry)
    if begins or entry.marked(rung.name):
        yield "#EXT-X-DISCONTINUITY"
    if container == "cmaf" and (begins or entry is first):
        yield f'#EXT-X-MAP:URI="{init_name(entry.run)}"'
    yield from _ad_lines(stream, entry)
    yield f"#EXT-X-PROGRAM-DATE-TIME:{date_time(entry.start_seconds + Fraction(entry.shift_seconds(rung.name)))}"
    seconds = float(stream.encodes.segment_seconds) * (CHANGED_SHARE if changed else 1.0)
    yield f"#EXTINF:{seconds:.5f},"
    yield f"{entry.number}{'-b' if changed else ''}.{EXTENSIONS[container]}"


def init_name(run: Run) -> str:
    return "init-ad.mp4" if run.take == "ad" else "init.mp4"


def _ad_lines(stream: Stream, entry: Entry) -> Iterator[str]:
    seconds = float(stream.encodes.segment_seconds)
    if entry.after is not None:
        began = stream.begin_seconds + entry.after.first * stream.encodes.segment_seconds
        lasted = (entry.number - entry.after.first) * seconds
        yield (
            f'#EXT-X-DATERANGE:ID="ad-{entry.after.first}",START-DATE="{date_time(began)}",'
            f'END-DATE="{date_time(entry.start_seconds)}",DURATION={lasted:.3f},'
            f"SCTE35-IN=0x{splice_in(stream, entry.after, entry.number).hex().upper()}"
        )
        yield "#EXT-X-CUE-IN"
    if entry.run.take != "ad":
        return
    planned = entry.run.planned_segments * seconds
    message = base64.b64encode(splice_out(stream, entry.run)).decode()
    if entry.number == entry.run.first:
        yield (
            f'#EXT-X-DATERANGE:ID="ad-{entry.number}",START-DATE="{date_time(entry.start_seconds)}",'
            f"PLANNED-DURATION={planned:.3f},SCTE35-OUT=0x{splice_out(stream, entry.run).hex().upper()}"
        )
        yield f"#EXT-OATCLS-SCTE35:{message}"
        yield f"#EXT-X-CUE-OUT:DURATION={planned:.3f}"
    else:
        elapsed = (entry.number - entry.run.first) * seconds
        yield f"#EXT-X-CUE-OUT-CONT:ElapsedTime={elapsed:.3f},Duration={planned:.3f},SCTE35={message}"


def splice_out(stream: Stream, run: Run) -> bytes:
    """Return the message with which the ad break began."""
    seconds = stream.encodes.segment_seconds
    pts = round((run.first - run.splice_zero) * seconds * TICKS_A_SECOND)
    return splice_insert(run.first, out=True, pts=pts, duration_seconds=float(run.planned_segments * seconds))


def splice_in(stream: Stream, run: Run, number: int) -> bytes:
    """Return the message with which the ad break ended, before the segment `number`."""
    pts = round((number - run.splice_zero) * stream.encodes.segment_seconds * TICKS_A_SECOND)
    return splice_insert(run.first, out=False, pts=pts, duration_seconds=0)
