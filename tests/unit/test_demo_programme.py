"""The demo's ladder: real HLS with the faults that it says it has, the same bytes every time."""

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import media_factory
import numpy as np
import pytest
from score_factory import demo_scores

from pipeline.errors import UsageError
from pipeline.report.summary import summarise
from workers.cli.demo_programme import DemoProgramme, Fault, build_programme
from workers.simulate.footage import SHOT_FRAMES, from_video, photographs

SIZE = (320, 180)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """Return three seconds of a moving camera at 10 frames/s, which keeps the ladder small and quick."""
    path = tmp_path_factory.mktemp("video") / "user.mp4"
    return media_factory.write_video(path, frames=30, size=SIZE, fps=Fraction(10))


@pytest.fixture(scope="module")
def programme(video, tmp_path_factory) -> DemoProgramme:
    return build_programme(tmp_path_factory.mktemp("demo"), video=video)


def _pictures(programme, rung) -> list[tuple[float, np.ndarray]]:
    with av.open(str(programme.master.parent / rung / "index.m3u8")) as container:
        return [(frame.time, frame.to_ndarray()[: frame.height].copy()) for frame in container.decode(video=0)]


def _variants(programme) -> list[tuple[str, str]]:
    lines = programme.master.read_text().splitlines()
    return [(above, below) for above, below in pairwise(lines) if above.startswith("#EXT-X-STREAM-INF")]


def test_the_ladder_has_four_rungs_in_two_codecs(programme) -> None:
    variants = _variants(programme)
    assert [uri for _, uri in variants] == [f"{height}p/index.m3u8" for height in (180, 136, 90, 54)]
    codecs = [re.search(r'CODECS="([^"]+)"', line)[1] for line, _ in variants]
    assert [codec[:5] for codec in codecs] == ["avc1.", "avc1.", "hvc1.", "avc1."]
    assert all("FRAME-RATE=10.000" in line for line, _ in variants)


def test_the_declared_avc_string_is_that_of_the_stream(programme) -> None:
    segment = (programme.master.parent / "180p/0.ts").read_bytes()
    parameter_set = segment[segment.index(b"\x00\x00\x01\x67") + 4 :]  # profile, constraints, level
    assert f'CODECS="avc1.{parameter_set[:3].hex()}"' in _variants(programme)[0][0]


def test_the_declared_hevc_string_is_that_of_the_init_segment(programme) -> None:
    init = (programme.master.parent / "90p/init.mp4").read_bytes()
    record = init[init.index(b"hvcC") + 4 :]  # ISO 14496-15: version, profile, compatibility, constraints, level
    compatibility = int(f"{int.from_bytes(record[2:6], 'big'):032b}"[::-1], 2)
    expected = f"hvc1.{record[1] & 31}.{compatibility:X}.L{record[12]}"
    assert f'CODECS="{expected}' in _variants(programme)[2][0]


@pytest.mark.parametrize("rung", ["180p", "136p", "90p", "54p"])
def test_every_rung_has_all_pictures_in_step(programme, rung) -> None:
    times = [time for time, _ in _pictures(programme, rung)]
    assert len(times) == 240
    assert np.allclose(np.diff(times), 0.1, atol=1e-3)


@pytest.mark.parametrize("rung", ["180p", "136p", "90p", "54p"])
def test_every_segment_is_four_seconds_and_begins_with_a_key_picture(programme, rung) -> None:
    playlist = programme.master.parent / rung / "index.m3u8"
    lengths = [float(length) for length in re.findall(r"#EXTINF:([\d.]+)", playlist.read_text())]
    assert lengths == pytest.approx([4.0] * 6)
    with av.open(str(playlist)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    keys = [packet.pts * packet.time_base for packet in packets if packet.is_keyframe]
    assert [round(float(time - keys[0]), 2) for time in keys] == [0, 4, 8, 12, 16, 20]


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(101, 10)])
def test_a_rate_that_does_not_divide_the_segments_keeps_the_ladder_aligned(rate, tmp_path) -> None:
    path = media_factory.write_video(tmp_path / "user.mp4", frames=30, size=(64, 48), fps=rate)
    master = build_programme(tmp_path / "demo", video=path).master
    playlists = [playlist.read_text() for playlist in master.parent.glob("*/index.m3u8")]
    lengths = [[float(length) for length in re.findall(r"#EXTINF:([\d.]+)", text)] for text in playlists]
    assert len(lengths) == 4
    assert lengths == [pytest.approx([float(round(4 * rate) / rate)] * 6, abs=2e-3)] * 4


def test_the_frozen_rung_stands_still_over_its_span_only(programme) -> None:
    pictures = [luma.astype(int) for _, luma in _pictures(programme, "90p")]
    changes = [np.abs(after - before).mean() for before, after in pairwise(pictures)]  # [i]: from i to i + 1
    frozen = changes[59:79] + changes[80:119]  # [6 s, 12 s), without the key picture in it
    assert max(frozen) < 0.6
    assert min(changes[20:28] + changes[152:158]) > 1.0


def test_the_starved_rung_gets_a_fraction_of_its_bits(programme) -> None:
    sizes = [(programme.master.parent / f"136p/{number}.ts").stat().st_size for number in range(6)]
    assert max(sizes[3:]) < 0.75 * min(sizes[:3])  # 60 kbit/s at least, so that this tiny ladder stays decodable


def test_the_faults_are_told_in_words(programme) -> None:
    assert [fault.told() for fault in programme.faults] == [
        "136p gets only 10% of its bitrate from 12 s on",
        "90p stands still from 6 s to 12 s",
    ]


def test_the_same_call_gives_the_same_bytes(programme, video, tmp_path) -> None:
    again = build_programme(tmp_path, video=video)
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 1 + 4 * (1 + 6) + 1
    for file in files:
        assert (again.master.parent / file).read_bytes() == (programme.master.parent / file).read_bytes(), file


def test_a_fault_is_found_in_the_note_that_names_it() -> None:
    (stream,) = summarise(demo_scores())
    assert Fault("starved", 360, 12, 24).found_in(stream).kind == "starved"
    assert Fault("frozen", 540, 6, 12).found_in(stream).kind == "frozen"


def test_a_fault_elsewhere_is_not_found() -> None:
    (stream,) = summarise(demo_scores())
    assert Fault("starved", 216, 12, 24).found_in(stream) is None
    assert Fault("frozen", 540, 16, 22).found_in(stream) is None


def test_the_photographs_move_and_are_cut() -> None:
    footage = photographs(4)
    assert (footage.width_px, footage.height_px, footage.frames) == (1280, 720, 100)
    thumbs = [
        picture.reformat(160, 90).to_ndarray()[:90].astype(int)
        for index, picture in enumerate(footage.pictures)
        if SHOT_FRAMES - 4 <= index < SHOT_FRAMES + 4
    ]
    changes = [np.abs(after - before).mean() for before, after in pairwise(thumbs)]
    assert min(changes) > 0.8
    assert changes[3] > 5 * sorted(changes)[-2]


def test_a_turned_video_stands_upright(tmp_path) -> None:
    upright = media_factory.write_video(tmp_path / "upright.mp4", frames=2, size=(192, 320))
    turned = media_factory.write_video(
        tmp_path / "turned.mp4",
        frames=2,
        size=(320, 192),
        pattern=lambda index, width, height: np.rot90(media_factory.pan(index, height, width), -1),
        rotation_degrees=90,
    )
    shown = []
    for path in (upright, turned):
        footage = from_video(path, 0.1)
        assert (footage.width_px, footage.height_px) == (192, 320)
        shown.append(next(footage.pictures).to_ndarray()[:320].astype(int))
    assert np.abs(shown[0] - shown[1]).mean() < 4


def test_a_fast_video_is_brought_to_thirty_frames_a_second_at_most(tmp_path) -> None:
    path = media_factory.write_video(tmp_path / "fast.mp4", frames=12, size=SIZE, fps=Fraction(60000, 1001))
    footage = from_video(path, 0.4)
    assert footage.frame_rate == Fraction(30000, 1001)
    assert len(list(footage.pictures)) == footage.frames


def test_what_is_no_video_is_refused_with_what_to_do(tmp_path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    sound = media_factory.write_audio(tmp_path / "song.mp3")
    for path in (tmp_path / "absent.mp4", text, sound):
        with pytest.raises(UsageError, match="name a"):
            from_video(path, 1)


def test_a_video_in_hdr_is_refused(tmp_path) -> None:
    path = media_factory.write_video(
        tmp_path / "hdr.mp4", "libx265", frames=2, size=SIZE, pixel_format="yuv420p10le", transfer=16
    )
    with pytest.raises(UsageError, match="HDR"):
        from_video(path, 1)
