"""Other players' own test media: each file decodes, or is refused with one clear line."""

from pathlib import Path

import pytest

from pipeline.decode import MediaSource, open_media
from pipeline.errors import Rejected
from pipeline.settings import DecodeLimits

SHARED = Path(__file__).parents[3] / "shared" / "fixtures"
needs_fixtures = pytest.mark.skipif(
    not SHARED.is_dir(), reason="not run: the folder ../shared/fixtures with other players' media is absent"
)
LIMITS = DecodeLimits()
MEDIA = sorted(
    path
    for folder in ("segments", "dash-contents")
    for path in (SHARED / folder).rglob("*")
    if path.is_file() and path.suffix not in (".mpd", ".m3u8", ".md", ".xml")
)


def outcome(source: MediaSource) -> int | Rejected:
    """Return the number of pictures, of at most 40, or the refusal."""
    try:
        with open_media(source, LIMITS) as media:
            count, last = 0, float("-inf")
            for picture in media.frames():
                assert picture.luma.shape == (media.height_px, media.width_px)
                assert picture.time_seconds >= last
                count, last = count + 1, picture.time_seconds
                if count == 40:
                    break
            return count
    except Rejected as error:
        assert str(error).startswith(source.name)
        assert "\n" not in str(error)
        return error


@needs_fixtures
def test_every_file_decodes_or_is_refused() -> None:
    assert len(MEDIA) > 50
    outcomes = {path: outcome(MediaSource.of_path(path)) for path in MEDIA}
    assert sum(isinstance(result, int) and result > 0 for result in outcomes.values()) > 10


@needs_fixtures
def test_video_segments_decode_behind_their_init_segment() -> None:
    timeline = SHARED / "dash-contents" / "DASH_static_SegmentTimeline" / "media" / "dash"
    for rate in ("400000", "795000", "1996000"):
        init = (timeline / f"ateam-video={rate}.dash").read_bytes()
        segment = (timeline / f"ateam-video={rate}-9009000.dash").read_bytes()
        assert outcome(MediaSource(rate, data=init + segment)) == 33
    periods = SHARED / "dash-contents" / "DASH_static_SegmentTemplate_Multi_Periods" / "media"
    for rung in ("low", "mid", "hd", "full"):
        init = (periods / f"mp4-live-periods-h264bl_{rung}-.mp4").read_bytes()
        segment = (periods / f"mp4-live-periods-h264bl_{rung}-1.m4s").read_bytes()
        assert outcome(MediaSource(rung, data=init + segment)) == 40


@needs_fixtures
@pytest.mark.parametrize("codec", ["libx264", "vp9"])
def test_a_real_ladder_decodes(codec: str) -> None:
    rungs = sorted((SHARED / "dash-contents" / "DASH_static_SegmentBase" / "media").glob(f"v-*-{codec}*"))
    assert len(rungs) >= 3
    for rung in rungs:
        assert outcome(MediaSource.of_path(rung)) == 40
