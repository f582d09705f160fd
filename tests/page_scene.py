"""Makes what the page is shown with: a live ladder in which all happens that a chart can show, a title, a fleet."""

import io
import math
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from PIL import Image
from series_factory import point, skipped
from skimage import data

from pipeline.history import PictureEntry
from pipeline.series import PictureStore, SeriesStore
from pipeline.series.pictures import Picture
from schemas import (
    ContentLabel,
    FindingKind,
    ManifestFinding,
    ManifestFindingKind,
    QualityPoint,
    SegmentSkipped,
    Severity,
    TimeBasis,
)

NEWS = "news-hd"
TITLE = "harbour (feature)"
HOSTILE = "<b onmouseover=alert(1)>x</b></script><script>document.title='owned'</script>\u202egnp.exe\x07"
FLEET = 130
"""Other streams: more than the page shows at once."""
Ladder = dict[str, tuple[int, float]]
LADDER: Ladder = {
    "1080p": (5_800_000, 95.0),
    "720p": (3_400_000, 91.0),
    "540p": (2_100_000, 84.0),
    "432p": (1_300_000, 76.0),
    "360p": (780_000, 66.0),
    "240p": (390_000, 51.0),
}
"""Bitrate and usual score."""
SEGMENT_SECONDS = 2.0
# Seconds before now: an ad on all rungs, a rung that starves, segments that are missing, a rung that stands still,
# segments that came too late to be scored.
AD = (2400.0, 2280.0)
STARVED = ("360p", 1860.0, 1680.0)
MISSING = (1320.0, 1270.0)
FROZEN = ("720p", 840.0, 806.0)
SKIPPED = ("240p", 420.0, 404.0)
FLEET_NAMES = ("sport", "movies", "kids", "music", "weather", "regional", "documentary", "shop")


def live_points(
    now_seconds: float,
    past_seconds: float = 4000.0,
    *,
    stream: str = NEWS,
    ladder: dict[str, tuple[int, float]] = LADDER,
) -> Iterator[QualityPoint]:
    """Give the points of the last `past_seconds`, the newest of which ends at `now_seconds`, cut to whole segments."""
    count = int(past_seconds // SEGMENT_SECONDS)
    end = now_seconds // SEGMENT_SECONDS * SEGMENT_SECONDS
    for index in range(count):
        start = end - (count - index) * SEGMENT_SECONDS
        yield from instant(start, now_seconds, stream=stream, ladder=ladder)


def instant(start: float, now_seconds: float, *, stream: str = NEWS, ladder: Ladder = LADDER) -> Iterator[QualityPoint]:
    """Give the points of all rungs of one segment."""
    before = now_seconds - start
    if MISSING[1] <= before < MISSING[0]:
        return
    is_ad = AD[1] <= before < AD[0]
    content = 2.2 * math.sin(start / 97) + 1.6 * math.sin(start / 31) + (2.5 if is_ad else 0)
    for rendition, (bitrate, usual) in ladder.items():
        chance = random.Random(f"{stream}/{rendition}/{start}")
        if rendition == SKIPPED[0] and SKIPPED[2] <= before < SKIPPED[1]:
            continue
        score = usual + content * (105 - usual) / 30 + chance.gauss(0, 0.9)
        findings: tuple[FindingKind, ...] = ()
        rate = bitrate * (1 + 0.08 * math.sin(start / 13) + chance.gauss(0, 0.05))
        if rendition == STARVED[0] and STARVED[2] <= before < STARVED[1]:
            score, rate = score - 34, rate * 0.35
        if rendition == FROZEN[0] and FROZEN[2] <= before < FROZEN[1]:
            score, findings = 24 + chance.gauss(0, 1), (FindingKind.FROZEN,)
        made = point(
            start,
            min(99.0, max(1.0, score)),
            stream=stream,
            rendition=rendition,
            bitrate_bps=round(rate),
            findings=findings,
            time_basis=TimeBasis.PROGRAM_DATE_TIME,
        )
        yield made.model_copy(update={"label": ContentLabel.AD}) if is_ad else made


def too_late(now_seconds: float) -> list[SegmentSkipped]:
    rendition, first, past = SKIPPED
    starts = [now_seconds // 2 * 2 - before for before in range(int(first), int(past), -2)]
    return [skipped(start, stream=NEWS, rendition=rendition) for start in starts]


def findings(now_seconds: float) -> list[ManifestFinding]:
    return [
        manifest_finding("stale", now_seconds - MISSING[0], now_seconds - MISSING[1]),
        manifest_finding("slow_origin", now_seconds - 200, None, text="edge-2.example.org takes 1.8 s a segment"),
    ]


def manifest_finding(
    kind: str, found: float, over: float | None, *, stream: str = NEWS, text: str = "nothing new for 50 s"
) -> ManifestFinding:
    return ManifestFinding(
        finding_id=f"{stream}/{kind}",
        stream_id=stream,
        kind=ManifestFindingKind(kind),
        severity=Severity.WARNING,
        text=text,
        found_at=datetime.fromtimestamp(found, UTC),
        over_at=None if over is None else datetime.fromtimestamp(over, UTC),
    )


def pictures(points: Iterable[QualityPoint]) -> Iterator[Picture]:
    """Give a picture of every point that is poor or bad: of a frame that is as soft as its score is low."""
    frame = Image.fromarray(data.coffee()[30:367]).resize((320, 180))
    for each in points:
        if each.score >= 40:
            continue
        lost = 2 + int(40 - each.score) // 4
        soft = frame.resize((320 // lost, 180 // lost)).resize((320, 180), Image.Resampling.NEAREST)
        jpeg = io.BytesIO()
        soft.save(jpeg, "JPEG", quality=60)
        entry = PictureEntry(
            each.stream_id, each.rendition_id, each.start_seconds, each.worst_seconds, each.worst_score
        )
        yield Picture(entry, jpeg.getvalue(), has_fault=bool(each.findings))


def title_points(segments: int = 150) -> Iterator[QualityPoint]:
    """Give the points of a title on media time, in segments of 4 s."""
    for index in range(segments):
        hard = 14 * math.exp(-(((index - segments * 0.6) / 9) ** 2))
        for rendition, (bitrate, usual) in LADDER.items():
            chance = random.Random(f"{rendition}/{index}")
            yield point(
                4.0 * index,
                max(1.0, min(99.0, usual - hard * (100 - usual) / 20 + chance.gauss(0, 0.8))),
                stream=TITLE,
                rendition=rendition,
                seconds=4.0,
                bitrate_bps=round(bitrate * (1 + chance.gauss(0, 0.07))),
            )


def fleet_points(now_seconds: float, streams: int) -> Iterator[QualityPoint]:
    """Give the newest two points of every rung of many streams: most are well, some are not."""
    for index in range(streams):
        chance = random.Random(index)
        stream = f"{FLEET_NAMES[index % len(FLEET_NAMES)]}-{index:03d}"
        silent = 900.0 if index % 37 == 5 else chance.random() * 4
        trouble = chance.random()
        for rendition, (bitrate, usual) in list(LADDER.items())[: 4 + index % 3]:
            lost = 45.0 if trouble > 0.97 and rendition != "1080p" else 18.0 if trouble > 0.9 else 0.0
            for step in (2, 1):
                yield point(
                    (now_seconds - silent) // 2 * 2 - 2.0 * step,
                    max(4.0, min(98.0, usual + 8 + chance.gauss(0, 2.5) - lost)),
                    stream=stream,
                    rendition=rendition,
                    bitrate_bps=bitrate,
                    time_basis=TimeBasis.PROGRAM_DATE_TIME,
                )


def fill(
    store: SeriesStore,
    kept: PictureStore,
    now_seconds: float,
    *,
    past_seconds: float = 4000.0,
    streams: int = FLEET,
) -> None:
    """Write all of it."""
    store.write(list(fleet_points(now_seconds, streams)))
    store.write(list(title_points()))
    live = list(live_points(now_seconds, past_seconds))
    store.write(live)
    for picture in pictures(live):
        kept.keep(picture)
    store.skip(too_late(now_seconds))
    store.find(findings(now_seconds))
