"""Other players' own manifests are followed to their end: every segment once, in order, none lost."""

import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from ingest_playlists import limits

from pipeline.errors import Rejected, Transient
from pipeline.ingest import Fetcher
from pipeline.ingest.dash_live import DashPresentation
from pipeline.ingest.presentation import Update
from schemas import Segment

FIXTURES = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures"
CONTENTS = FIXTURES / "dash-contents"
DYNAMIC = CONTENTS / "DASH_dynamic_SegmentTemplate" / "media"
MANIFESTS = sorted(FIXTURES.glob("dash-*/**/*.mpd"))
# Number 776759063 of the public live stream starts here; the folder holds 17 segments of 2 s.
FIRST_NUMBER, FIRST_SECONDS, HELD = 776_759_063, 1_553_518_126.0, 17

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the shared fixtures are not beside this repository")


def follow(
    path: Path,
    fetcher: Fetcher,
    begin: float,
    seconds: float,
    *,
    step: Callable[[Update], float] | None = None,
    start_back_seconds: float = 0.5,
) -> list[Update]:
    """Look again and again, from `begin` on for some seconds of a clock of its own."""
    now = begin
    live = DashPresentation(
        str(path), "fixture", fetcher, limits(hosts=("*",)), clock=lambda: now, start_back_seconds=start_back_seconds
    )
    updates = [live.look()]
    while now < begin + seconds and not updates[-1].is_over:
        now += step(updates[-1]) if step else updates[-1].wait_seconds
        updates.append(live.look())
    return updates


def segments_of(updates: list[Update]) -> dict[str, list[Segment]]:
    found: dict[str, list[Segment]] = {}
    for segment in (segment for update in updates for segment in update.segments):
        found.setdefault(segment.rendition_id, []).append(segment)
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_every_public_manifest_is_followed_or_refused_in_words(path: Path) -> None:
    with Fetcher(limits(hosts=("*",), attempts=1, timeout_seconds=0.2)) as fetcher:
        try:
            updates = follow(path, fetcher, 1_567_781_300.0, 20, step=lambda _: 2.0)
        except (Rejected, Transient) as error:
            assert ";" in str(error) or "not read" in str(error) or "attempts" in str(error)
            return
    for segments in segments_of(updates).values():
        assert len({(s.discontinuity_sequence, s.number) for s in segments}) == len(segments)
        for before, after in pairwise(segments):
            assert after.start_seconds > before.start_seconds


@pytest.mark.parametrize(
    ("name", "clock"),
    [("Manifest", 1_553_521_748.0), ("Manifest_no-timeShiftBufferDepth", 1_553_521_748.0)],
)
def test_a_public_live_stream_is_followed_by_its_direct_clock(name: str, clock: float) -> None:
    with Fetcher(limits(hosts=("time.akamai.com",), attempts=1)) as fetcher:
        # What the local clock says does not matter: the manifest tells the time.
        updates = follow(DYNAMIC / f"{name}.mpd", fetcher, clock - 5_000_000, 60)
    (segments,) = segments_of(updates).values()
    assert 29 <= len(segments) <= 32
    for before, after in pairwise(segments):
        assert after.number == before.number + 1
        assert after.start_seconds == before.start_seconds + 2
    # An offset of availabilityStartTime moves what is on air, not its numbers.
    start = 0.0 if name == "Manifest" else 300.0
    assert segments[0].start_seconds == pytest.approx(start + 1_553_518_800 + 2 * (segments[0].number - 776_759_400))


def test_the_segments_of_a_public_live_stream_are_the_files_that_it_came_with(tmp_path: Path) -> None:
    shutil.copytree(DYNAMIC / "V300", tmp_path / "V300")
    # Without its clocks: the files are from before what the manifest says of the time.
    page = re.sub(r"<UTCTiming[^>]*>", "", (DYNAMIC / "Manifest.mpd").read_text())
    manifest = tmp_path / "Manifest.mpd"
    manifest.write_text(page)
    with Fetcher(limits()) as fetcher:
        updates = follow(manifest, fetcher, FIRST_SECONDS + 2.5, 2 * HELD - 3, start_back_seconds=2)
        (found,) = segments_of(updates).values()
        assert [s.number for s in found] == [*range(FIRST_NUMBER, FIRST_NUMBER + HELD)]
        for segment in found:
            assert b"moof" in fetcher.segment_bytes(segment)


def test_the_periods_of_a_public_live_stream_follow_one_another() -> None:
    path = CONTENTS / "DASH_dynamic_SegmentTemplate_Multi_Periods" / "media" / "Manifest.mpd"
    with Fetcher(limits(hosts=("*",))) as fetcher:
        updates = follow(path, fetcher, 1_567_781_250.0, 120)
    (segments,) = segments_of(updates).values()
    assert len({s.discontinuity_sequence for s in segments}) >= 2
    for before, after in pairwise(segments):
        assert after.start_seconds == before.start_seconds + 2
        assert after.number == before.number + 1
    assert [f for update in updates for f in update.findings] == []


@pytest.mark.parametrize(
    ("manifest", "renditions", "segments"),
    [
        ("DASH_static_SegmentTimeline/media/ateam.mpd", 4, 26),
        ("DASH_static_SegmentTemplate_Multi_Periods/media/mp4-live-periods-mpd.mpd", 4, 24),
        ("DASH_static_SegmentTimeline/media/event-streams.mpd", 4, None),
    ],
)
def test_a_public_manifest_that_does_not_change_is_over_at_once(
    manifest: str, renditions: int, segments: int | None
) -> None:
    with Fetcher(limits()) as fetcher:
        (update,) = follow(CONTENTS / manifest, fetcher, 0.0, 60)
    assert update.is_over
    found = segments_of([update])
    assert len(found) == renditions
    assert len({len(each) for each in found.values()}) == 1
    assert segments is None or all(len(each) == segments for each in found.values())
