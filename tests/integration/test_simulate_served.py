"""What the live origin serves over real HTTP, and what players' own readers make of it."""

import re
import subprocess
import urllib.request
from datetime import UTC, datetime
from urllib.error import HTTPError

import av
import imageio_ffmpeg
import m3u8
import numpy as np
import pytest
from simulate_factory import DASH, EDGE, NOW_SECONDS, RUNGS, Viewer, luma

from workers.simulate import Origin, fmp4, transport


def _seconds(duration: str) -> float:
    return float(re.fullmatch(r"PT([\d.]+)S", duration)[1])


def test_the_master_playlist_lists_the_ladder(viewer) -> None:
    master = m3u8.loads(viewer.get("master.m3u8").decode())
    assert [playlist.uri for playlist in master.playlists] == [f"{rung}/cmaf.m3u8" for rung in RUNGS]
    assert [each.stream_info.resolution for each in master.playlists] == [(170, 96), (128, 72), (86, 48)]
    assert [each.stream_info.codecs[:5] for each in master.playlists] == ["avc1.", "avc1.", "hvc1."]


def test_hevc_stays_in_fragmented_mp4_where_h264_goes_into_transport_streams(viewer) -> None:
    master = m3u8.loads(viewer.get("ts.m3u8").decode())
    assert [playlist.uri for playlist in master.playlists] == ["96p/ts.m3u8", "72p/ts.m3u8", "48p/cmaf.m3u8"]
    assert viewer.status("48p/ts.m3u8") == 404


@pytest.mark.parametrize("container", ["cmaf", "ts"])
def test_a_media_playlist_lists_a_window_that_slides(viewer, clock, container) -> None:
    playlist = viewer.playlist("96p", container)
    assert (playlist.media_sequence, len(playlist.segments)) == (EDGE - 5, 6)
    assert playlist.target_duration == 2 and {segment.duration for segment in playlist.segments} == {2}
    assert not playlist.is_endlist
    clock.pass_segments(1)
    assert viewer.playlist("96p", container).media_sequence == EDGE - 4


def test_the_wall_clock_of_a_segment_is_when_its_first_picture_was_taken(viewer) -> None:
    last = viewer.playlist("96p").segments[-1]
    assert last.program_date_time == datetime.fromtimestamp(NOW_SECONDS - 1.25 - 2, UTC)


def test_hls_and_dash_agree_on_numbers_and_wall_clocks(viewer) -> None:
    manifest = viewer.manifest()
    begins = datetime.fromisoformat(manifest.get("availabilityStartTime")).timestamp()
    start = _seconds(manifest.find(f"{DASH}Period").get("start"))
    template = viewer.representation("48p").find(f"{DASH}SegmentTemplate")
    timescale, offset = int(template.get("timescale")), int(template.get("presentationTimeOffset"))
    first = template.find(f"{DASH}SegmentTimeline/{DASH}S")
    listed = viewer.playlist("48p").segments
    wall = begins + start + (int(first.get("t")) - offset) / timescale
    assert wall == pytest.approx(listed[0].program_date_time.timestamp(), abs=0.001)
    assert viewer.dash_numbers("48p") == viewer.numbers("48p")
    published = datetime.fromisoformat(manifest.get("publishTime")).timestamp()
    assert published == pytest.approx(wall + 6 * 2), "the newest one was published when it was over"


def test_the_clock_of_the_manifest_can_be_asked(viewer) -> None:
    timing = viewer.manifest().find(f"{DASH}UTCTiming")
    with urllib.request.urlopen(timing.get("value")) as response:
        assert datetime.fromisoformat(response.read().decode()).timestamp() == pytest.approx(NOW_SECONDS, abs=0.001)
        assert response.headers["Date"] == "Thu, 01 Jan 2026 00:00:01 GMT"


@pytest.mark.parametrize("rung", RUNGS)
def test_segments_decode_on_their_own_and_their_time_stamps_go_on_over_the_loop(viewer, clock, rung) -> None:
    times = []
    for _ in range(2):
        for number in viewer.numbers(rung):
            segment = viewer.segment(rung, number)
            assert len(luma(segment)) == 20
            times.append((number, fmp4.decode_time(segment), fmp4.timescale(segment)))
        clock.pass_segments(6)
    assert len({number for number, _, _ in times}) == 12, "three loops of four"
    assert [time for _, time, _ in times] == [2 * number * timescale for number, _, timescale in times]


def test_transport_segments_decode_and_have_the_time_stamps_of_the_others_within_33_bits(viewer) -> None:
    for number in viewer.numbers("72p"):
        data = viewer.get(f"72p/{number}.ts")
        assert len(luma(data)) == 20
        assert transport.first_time_stamp(data) == 2 * number * 90_000 % (1 << 33)


@pytest.mark.parametrize("master", ["master.m3u8", "ts.m3u8"])
def test_the_hls_reader_of_ffmpeg_plays_on_over_the_loop(viewer, master) -> None:
    url = f"{viewer.origin.url}/live/{master}"
    with av.open(url, options={"live_start_index": "-6"}) as container:
        assert [stream.height for stream in container.streams.video] == [96, 72, 48]
        stream = container.streams.video[0]
        packets = container.demux(stream)
        times = [float(next(packets).pts * stream.time_base) for _ in range(110)]
    assert np.allclose(np.diff(times), 0.1, atol=1e-4)


@pytest.mark.parametrize("addressing", ["timeline", "duration"])
def test_the_dash_reader_of_ffmpeg_plays_it(encodes, addressing) -> None:
    with Origin(encodes, addressing=addressing) as origin:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-i", origin.dash_url, "-map", "0:v:0"]
        # Pictures are counted, not seconds: where a segment is published while it starts, ffmpeg leaves one out.
        until = ["-frames:v", "30", "-f", "null", "-"]
        done = subprocess.run([*command, *until], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert [size in done.stderr for size in ("170x96", "128x72", "86x48")] == [True] * 3
    assert re.search(r"frame= *30 ", done.stderr), done.stderr


def test_a_segment_is_not_there_before_and_long_after_its_time(viewer, clock) -> None:
    assert viewer.status(f"96p/{EDGE + 1}.m4s") == 404
    clock.pass_segments(1)
    assert viewer.status(f"96p/{EDGE + 1}.m4s") == 200
    clock.pass_segments(18)
    assert viewer.status(f"96p/{EDGE + 1}.m4s") == 404


def test_a_playlist_that_did_not_change_is_not_sent_again(viewer, clock) -> None:
    url = f"{viewer.origin.url}/live/96p/cmaf.m3u8"
    with urllib.request.urlopen(url) as response:
        tag = response.headers["ETag"]
    request = urllib.request.Request(url, headers={"If-None-Match": tag})
    with pytest.raises(HTTPError, match="304") as caught:
        urllib.request.urlopen(request)
    caught.value.close()
    clock.pass_segments(1)
    with urllib.request.urlopen(request) as response:
        assert response.headers["ETag"] != tag


def test_byte_ranges_and_head_are_answered(viewer) -> None:
    url = f"{viewer.origin.url}/live/96p/{EDGE}.m4s"
    whole = viewer.get(f"96p/{EDGE}.m4s")
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=4-7"})) as response:
        assert (response.status, response.read()) == (206, b"styp")
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as response:
        assert (response.headers["Content-Length"], response.read()) == (str(len(whole)), b"")


def test_time_stamps_begin_again_with_the_loop_where_that_is_asked_for(encodes, clock) -> None:
    with Origin(encodes, at_loop="discontinuity", clock=clock) as origin:
        viewer = Viewer(origin, clock)
        segments = viewer.playlist("96p").segments
        marked = [int(segment.uri[:-4]) for segment in segments if segment.discontinuity]
        assert marked and all(number % 4 == 0 for number in marked)
        assert {fmp4.decode_time(viewer.segment("96p", number)) for number in marked} == {0}
        assert len(viewer.manifest().findall(f"{DASH}Period")) >= 2
        assert viewer.numbers("96p") == viewer.dash_numbers("96p")


def test_many_ladders_are_shifted_in_time(encodes, clock) -> None:
    with Origin(encodes, ladders=4, clock=clock) as origin:
        assert origin.streams == ("live-001", "live-002", "live-003", "live-004")
        walls = []
        for name in origin.streams:
            with urllib.request.urlopen(f"{origin.url}/{name}/96p/cmaf.m3u8") as response:
                walls.append(m3u8.loads(response.read().decode()).segments[-1].program_date_time.timestamp() % 2)
        assert walls == [0, 0.5, 1.0, 1.5]
