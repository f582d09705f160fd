"""The live origin as LL-HLS: parts, reloads that are held, delta updates."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import av
import m3u8
import numpy as np
import pytest
from simulate_factory import EDGE, RUNGS, Viewer, luma

from workers.simulate import Origin, fmp4


@pytest.fixture
def low(encodes, clock) -> Iterator[Viewer]:
    with Origin(encodes, clock=clock, low_latency=True) as origin:
        yield Viewer(origin, clock)


def test_parts_are_published_before_their_segment(low, clock) -> None:
    playlist = low.playlist("96p")
    assert playlist.version == 9 and playlist.part_inf.part_target == 0.5
    assert playlist.server_control.can_block_reload == "YES"
    assert [part.uri for part in playlist.segments[-1].parts] == [f"{EDGE + 1}.0.m4s", f"{EDGE + 1}.1.m4s"]
    assert playlist.preload_hint.uri == f"{EDGE + 1}.2.m4s"
    clock.now += 0.5
    assert low.playlist("96p").preload_hint.uri == f"{EDGE + 1}.3.m4s"
    clock.now += 0.5
    assert low.playlist("96p").preload_hint.uri == f"{EDGE + 2}.0.m4s"
    assert low.numbers("96p")[-1] == EDGE + 1


@pytest.mark.parametrize("rung", RUNGS)
def test_the_parts_of_a_segment_are_its_pictures(low, rung) -> None:
    init = low.get(f"{rung}/init.mp4")
    whole = low.segment(rung, EDGE)
    parts = [low.get(f"{rung}/{EDGE}.{part}.m4s") for part in range(4)]
    assert [(fmp4.decode_time(part) - fmp4.decode_time(whole)) / fmp4.timescale(init) for part in parts] == [
        0, 0.5, 1, 1.5,
    ]  # fmt: skip
    assert [len(luma(init + parts[0])), len(luma(init + b"".join(parts)))] == [5, 20]
    assert np.array_equal(luma(init + b"".join(parts)), luma(whole))


def test_a_reload_is_held_until_what_it_asks_for_is_there(low, clock) -> None:
    path = f"96p/cmaf.m3u8?_HLS_msn={EDGE + 1}&_HLS_part=2"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(low.get, path)
        with pytest.raises(TimeoutError):
            answer.result(0.6)
        clock.now += 0.5
        assert f"{EDGE + 1}.2.m4s".encode() in answer.result(20)


def test_the_part_of_the_hint_is_held_until_it_is_there(low, clock) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(low.get, f"96p/{EDGE + 1}.2.m4s")
        with pytest.raises(TimeoutError):
            answer.result(0.3)
        clock.now += 0.5
        assert fmp4.decode_time(answer.result(20)) > 0


@pytest.mark.parametrize(
    "query", [f"_HLS_msn={EDGE + 9}", "_HLS_msn=x", "_HLS_part=1", f"_HLS_msn={EDGE}&_HLS_part=99"]
)
def test_a_reload_that_makes_no_sense_is_refused(low, query) -> None:
    assert low.status(f"96p/cmaf.m3u8?{query}") == 400


def test_a_delta_update_leaves_out_what_is_old(encodes, clock) -> None:
    with Origin(encodes, clock=clock, low_latency=True, window=12) as origin:
        viewer = Viewer(origin, clock)
        whole = m3u8.loads(viewer.get("96p/cmaf.m3u8").decode())
        delta = m3u8.loads(viewer.get("96p/cmaf.m3u8?_HLS_skip=YES").decode())
        assert delta.skip.skipped_segments == 6 and delta.media_sequence == whole.media_sequence
        assert [each.uri for each in delta.segments] == [each.uri for each in whole.segments[6:]]


def test_the_hls_reader_of_ffmpeg_plays_low_latency_playlists_too(low) -> None:
    with av.open(f"{low.origin.url}/live/master.m3u8", options={"live_start_index": "-6"}) as container:
        stream = container.streams.video[0]
        packets = container.demux(stream)
        times = [float(next(packets).pts * stream.time_base) for _ in range(110)]
    assert np.allclose(np.diff(times), 0.1, atol=1e-4)


def test_dash_and_transport_streams_know_nothing_of_parts(low) -> None:
    assert low.dash_numbers("96p")[-1] == EDGE
    assert b"PART" not in low.get("96p/ts.m3u8")
