"""Training data: what a tiny real run leaves on disk, and that the seed alone decides it."""

import hashlib
import json
import random
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from processes import descendants, has_ended

from workers.training import pristine
from workers.training.encoders import CODECS, CodecName, Encode, EncodeError, draw_encode, encode, scaled_size
from workers.training.faults import ORDER_ONLY
from workers.training.pristine import MIN_FRAMES, Pristine, make_pristine
from workers.training.sources import Content, find_contents, split_of
from workers.training.synthesize import (
    CASCADES_OF_RUNGS,
    FAULT_CLEAN_CLIPS,
    FAULT_SERIES,
    FAULT_SEVERITIES,
    WHOLE_LADDER_CLIPS,
    Progress,
    synthesize,
)
from workers.training.vmaf import measure_vmaf


def make_photo(path: Path, side: int = 288) -> None:
    """A picture with edges, gradients and texture at several scales."""
    generator = np.random.default_rng(1)
    photo = np.zeros((side, side, 3), np.float32)
    for cell in (64, 16, 4, 1):
        noise = generator.normal(0, 14, (side // cell, side // cell, 3)).astype(np.float32)
        photo += np.asarray(cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
    photo += 128
    cv2.rectangle(photo, (40, 60), (120, 200), (30, 200, 220), -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.clip(photo, 0, 255).astype(np.uint8))


def digest(folder: Path) -> dict[str, str]:
    """A hash for every file below a folder but the index, whose bytes tell the version of its writer."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(sources: Path, out: Path) -> list[Progress]:
    reports: list[Progress] = []
    synthesize(sources, out, contents=None, seed=18, jobs=1, report=reports.append)
    return reports


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    make_photo(folder / "photos" / "texture.png")
    (folder / "photos" / "broken.png").write_bytes(b"not a picture")
    return folder


@pytest.fixture(scope="module")
def finished(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Progress]]:
    out = tmp_path_factory.mktemp("out")
    return out, run(sources, out)


def make_moving(side: int, tmp_path: Path) -> Pristine:
    """A pristine pan over a textured photo."""
    path = tmp_path / "pan.png"
    make_photo(path, side + MIN_FRAMES * 2)
    photo = cv2.imread(str(path))
    assert photo is not None
    views = (np.ascontiguousarray(photo[:side, 2 * index : 2 * index + side]) for index in range(MIN_FRAMES))
    frames = tuple(np.asarray(cv2.cvtColor(view, cv2.COLOR_BGR2YUV_I420), np.uint8) for view in views)
    return Pristine(frames, side, side, Fraction(30), soft=False)


def test_every_row_of_the_index_has_its_file_and_a_label_in_range(
    finished: tuple[Path, list[Progress]],
) -> None:
    out, _ = finished
    rows = pq.read_table(out / "index.parquet").to_pylist()
    assert {row["kind"] for row in rows} >= {"ladder", "small", "still"}
    assert len(rows) >= 11
    for row in rows:
        assert (out / row["file"]).stat().st_size > 0
        assert len(row["vmaf_frames"]) == row["frames"]
        assert all(0 <= score <= 100 for score in row["vmaf_frames"])
        assert row["vmaf"] == pytest.approx(float(np.mean(row["vmaf_frames"])), abs=1e-3)
        assert row["frames"] == 1 if row["kind"] == "still" else row["frames"] >= MIN_FRAMES
        assert (row["crf"] is None) == (row["rate_control"] == "abr")
        assert row["width_px"] % 2 == 0
        assert row["display_height_px"] % 2 == 0
        assert row["split"] == split_of(row["source"])


def test_a_cascade_keeps_the_settings_of_its_first_encode(finished: tuple[Path, list[Progress]]) -> None:
    out, _ = finished
    rows = pq.read_table(out / "index.parquet").to_pylist()
    for row in rows:
        assert (row["first_encode"] is not None) == (row["kind"] == "cascade")
    firsts = [json.loads(row["first_encode"]) for row in rows if row["kind"] == "cascade"]
    assert all(first["codec"] in CODECS for first in firsts)


def test_a_broken_source_is_named_in_one_line_and_skipped(finished: tuple[Path, list[Progress]]) -> None:
    _, reports = finished
    lines = [line for progress in reports for line in progress.messages]
    assert lines == ["skipped broken: broken.png cannot be read as a picture: remove it or replace it"]
    assert [progress.done for progress in reports] == [1, 2]
    assert reports[-1].left_seconds == 0


def test_the_same_seed_gives_the_same_bytes(
    sources: Path, finished: tuple[Path, list[Progress]], tmp_path: Path
) -> None:
    run(sources, tmp_path)
    assert digest(tmp_path) == digest(finished[0])


def test_a_finished_content_is_not_made_again(sources: Path, finished: tuple[Path, list[Progress]]) -> None:
    out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (out / "clips").rglob("*.*")}
    reports = run(sources, out)
    assert {path: path.stat().st_mtime_ns for path in (out / "clips").rglob("*.*")} == before
    assert [(progress.content, progress.clips) for progress in reports] == [("broken", 0)]


def test_a_killed_run_leaves_no_process(sources: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workers.cli.main", "train", "synthesize", str(sources), str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while not (tmp_path / "out" / "clips" / "texture").exists():  # a process of the pool is at work
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        family = descendants(process.pid)
        assert family
        process.kill()
    until = time.monotonic() + 120
    while not all(map(has_ended, family)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_whole_ladders_have_a_near_pristine_top_and_an_id_of_their_own(sources: Path, tmp_path: Path) -> None:
    synthesize(sources, tmp_path, contents=None, seed=18, jobs=1, report=lambda _: None, making="ladders")
    rows = pq.read_table(tmp_path / "index.parquet").to_pylist()
    assert {row["content"] for row in rows} == {"texture-ladder"}
    kinds = [row["kind"] for row in rows]
    assert (kinds.count("ladder"), kinds.count("cascade")) == (WHOLE_LADDER_CLIPS, CASCADES_OF_RUNGS)
    assert len(rows) == WHOLE_LADDER_CLIPS + CASCADES_OF_RUNGS
    top = min(rows, key=lambda row: row["file"])
    assert (top["width_px"], top["height_px"]) == (top["display_width_px"], top["display_height_px"])
    assert top["vmaf"] > 94


def test_faulty_rungs_stand_in_series_below_a_near_pristine_top(sources: Path, tmp_path: Path) -> None:
    synthesize(sources, tmp_path, contents=None, seed=18, jobs=1, report=lambda _: None, making="faults")
    rows = pq.read_table(tmp_path / "index.parquet").to_pylist()
    assert {row["content"] for row in rows} == {"texture-faults"}
    assert len(rows) == FAULT_CLEAN_CLIPS + FAULT_SERIES * FAULT_SEVERITIES
    clean = [row for row in rows if row["fault"] is None]
    assert {row["kind"] for row in clean} == {"ladder"}
    assert clean[0]["vmaf"] > 94
    for name in {row["fault"] for row in rows} - {None}:
        series = [row for row in rows if row["fault"] == name]
        assert {row["kind"] for row in series} == {"order" if name in ORDER_ONLY else "fault"}
        assert [row["severity"] for row in series] == sorted(row["severity"] for row in series)
        assert len({(row["codec"], row["crf"], row["width_px"], row["bitrate_bps"]) for row in series}) == 1
        assert all(len(row["vmaf_neg_frames"]) == row["frames"] for row in series)


def test_all_windows_of_a_clip_are_on_one_side_of_the_split(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for index in range(200):
        (tmp_path / "videos" / f"clip_{index}.mp4").touch()
    contents = find_contents(tmp_path)
    assert len(contents) == 800
    sides = {(content.path, content.split) for content in contents}
    assert len(sides) == 200
    assert 0.08 < sum(split == "validation" for _, split in sides) / 200 < 0.22


def test_two_files_with_one_content_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "a.jpg"):
        (tmp_path / "photos" / name).touch()
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png give the same content id"):
        find_contents(tmp_path)


@pytest.mark.parametrize("codec", ["x264", "x265", "svtav1", "vp9", "mpeg2"])
def test_a_lower_crf_and_a_larger_size_score_higher_in_every_codec(codec: CodecName, tmp_path: Path) -> None:
    moving = make_moving(192, tmp_path)
    reference = tmp_path / "pristine.y4m"
    moving.write_y4m(reference, slice(None))
    low, high = CODECS[codec].crf

    def score(share: float, crf: int) -> float:
        size = scaled_size(codec, (192, 192), share)
        preset = CODECS[codec].presets[-1]
        settings = Encode(codec, preset, "crf", crf, None, *size, "bicubic", None, True)
        target = tmp_path / f"clip{CODECS[codec].suffix}"
        encode(reference, settings, target, MIN_FRAMES, moving.frame_rate)
        scores = measure_vmaf(
            target,
            reference,
            size=(192, 192),
            frames=MIN_FRAMES,
            frame_rate=moving.frame_rate,
            scratch=tmp_path,
        ).vmaf
        assert np.ptp(scores[1:]) < 25  # a shift by one frame in some places would show
        return float(np.mean(scores))

    best, coarse, small = score(1.0, low), score(1.0, high), score(0.5, low)
    assert best > 88
    assert best > coarse + 5
    assert best > small + 5


def test_a_clip_that_lost_its_last_frames_is_not_labelled(tmp_path: Path) -> None:
    moving = make_moving(128, tmp_path)
    reference, cut = tmp_path / "pristine.y4m", tmp_path / "cut.y4m"
    moving.write_y4m(reference, slice(None))
    moving.write_y4m(cut, slice(MIN_FRAMES - 2))
    with pytest.raises(EncodeError, match=f"{MIN_FRAMES - 2} frames of {MIN_FRAMES}"):
        measure_vmaf(
            cut,
            reference,
            size=(128, 128),
            frames=MIN_FRAMES,
            frame_rate=moving.frame_rate,
            scratch=tmp_path,
        )


def test_a_soft_photo_has_less_fine_detail_than_a_sharp_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_photo(tmp_path / "photo.png", 448)
    content = Content("photo", tmp_path / "photo.png", "photo", 0, "train")

    def detail(soft_share: float) -> float:
        monkeypatch.setattr(pristine, "SOFT_SHARE", soft_share)
        monkeypatch.setattr(pristine, "GRAIN_SHARE", 0.0)
        made = make_pristine(content, [], random.Random(1))
        assert made.soft == (soft_share == 1.0)
        luma = made.frames[-1][: made.height_px]
        return float(np.var(cv2.Laplacian(luma, cv2.CV_32F)))

    assert detail(1.0) < 0.6 * detail(0.0)


def test_rates_are_drawn_for_abr_and_capped_crf_only() -> None:
    rng = random.Random(1)
    drawn = [draw_encode("x264", (320, 180), Fraction(25), rng) for _ in range(200)]
    assert {settings.rate_control for settings in drawn} == {"crf", "capped_crf", "abr"}
    for settings in drawn:
        assert (settings.bitrate_bps is None) == (settings.rate_control == "crf")
