"""`rungwatch score` on real files: every input has its own fate, and the exit code says which it was."""

import csv
import io
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import media_factory
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from media_factory import scene

from schemas import SegmentScored
from workers.cli.main import cli
from workers.cli.score import FORMATS

Run = Callable[..., Result]
RATE = Fraction(25)


@pytest.fixture
def run() -> Run:
    def call(*arguments: str | Path) -> Result:
        return CliRunner().invoke(cli, ["score", "--decoders", "2", *map(str, arguments)])

    return call


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files of which some can be scored."""
    folder = tmp_path_factory.mktemp("media")
    for name, codec in (("avc.mp4", "libx264"), ("hevc.mkv", "libx265"), ("vp9.webm", "libvpx-vp9")):
        media_factory.write_video(folder / name, codec, frames=30, fps=RATE)
    media_factory.write_still(folder / "still.png")
    media_factory.write_audio(folder / "song.mp3")
    (folder / "text.mp4").write_text("not a film\n" * 40)
    (folder / "empty.mp4").write_bytes(b"")
    whole = media_factory.write_video(folder / "whole.ts", frames=100, fps=RATE)
    media_factory.cut(whole, 0.6, folder / "cut.ts")
    data = whole.read_bytes()
    (folder / "flipped.ts").write_bytes(media_factory.flip_bytes(data, len(data) // 3, len(data), 40))
    return folder


def _records(result: Result) -> list[SegmentScored]:
    return [SegmentScored.model_validate_json(line) for line in result.stdout.splitlines()]


def test_a_file_is_cut_and_scored_over_time(run: Run, tmp_path: Path) -> None:
    film = media_factory.write_video(tmp_path / "film.mp4", frames=110, fps=RATE)
    result = run(film, "--format", "jsonl", "--segment-seconds", "2")
    assert result.exit_code == 0, result.stderr
    records = _records(result)
    assert [record.start_seconds for record in records] == [0, 2]  # the last 0.4 s join the second segment
    assert [record.media.frames for record in records] == [50, 60]
    assert all(0 <= record.low <= record.score <= record.high <= 100 for record in records)
    assert all(record.worst_frame.score == min(frame.score for frame in record.frames) for record in records)
    assert all(record.basis == "alone" and record.model.accuracy for record in records)


def test_a_folder_of_mixed_input_scores_what_has_pictures(run: Run, media: Path) -> None:
    result = run(media, "--format", "jsonl")
    assert result.exit_code == 3
    scored = {record.stream_id.split("/")[-1] for record in _records(result)}
    assert {"avc.mp4", "hevc.mkv", "vp9.webm", "still.png", "whole.ts", "cut.ts", "flipped.ts"} == scored
    refused = [line for line in result.stderr.splitlines() if "note:" not in line]
    for name, word in (("song.mp3", "audio"), ("text.mp4", "media"), ("empty.mp4", "zero bytes")):
        lines = [line for line in refused if name in line]
        assert len(lines) == 1, result.stderr
        assert word in lines[0].lower()


def test_a_file_without_pictures_ends_with_4(run: Run, media: Path) -> None:
    assert run(media / "song.mp3").exit_code == 4


def test_a_path_that_is_not_there_ends_with_4_and_says_so(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path / "nothing.mp4", "--format", "jsonl")
    assert result.exit_code == 4
    assert "nothing.mp4" in result.stderr
    assert result.stdout == ""


def test_good_input_beside_a_missing_path_is_scored(run: Run, media: Path, tmp_path: Path) -> None:
    result = run(tmp_path / "nothing.mp4", media / "avc.mp4", "--format", "jsonl")
    assert result.exit_code == 3
    assert len(_records(result)) == 1


def test_a_still_is_a_segment_of_one_frame(run: Run, media: Path) -> None:
    (record,) = _records(run(media / "still.png", "--format", "jsonl"))
    assert (record.media.frames, record.duration_seconds, len(record.frames)) == (1, 0, 1)
    assert record.media.bitrate_bps is None


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three renditions of one content: full size good, full size starved, half size good."""
    folder = tmp_path_factory.mktemp("ladder")
    kinds = {"best": (320, 192, "18"), "starved": (320, 192, "44"), "half": (160, 96, "20")}
    return [
        media_factory.write_video(
            folder / f"{name}.mp4", frames=50, fps=RATE, size=(width, height), options={"crf": crf}, pattern=scene
        )
        for name, (width, height, crf) in kinds.items()
    ]


def test_rungs_are_scored_against_the_best_one(run: Run, ladder: list[Path]) -> None:
    result = run("--ladder", *ladder, "--format", "jsonl")
    assert result.exit_code == 0, result.stderr
    by_name = {record.rendition_id: record for record in _records(result)}
    assert {name: str(record.basis) for name, record in by_name.items()} == {
        "best": "alone",
        "starved": "ladder",
        "half": "ladder",
    }
    assert by_name["starved"].reference_rendition_id == "best"
    assert by_name["starved"].score < by_name["best"].score - 10
    assert by_name["half"].score < by_name["best"].score - 5
    assert {record.display_height_px for record in by_name.values()} == {192}


def test_a_ladder_scored_twice_gives_the_same_lines(run: Run, ladder: list[Path]) -> None:
    first, second = (run("--ladder", *ladder, "--format", "jsonl").stdout for _ in range(2))
    assert first == second


def test_basis_alone_compares_nothing_and_keeps_the_display_height(run: Run, ladder: list[Path]) -> None:
    records = _records(run("--ladder", *ladder, "--basis", "alone", "--format", "jsonl"))
    assert {str(record.basis) for record in records} == {"alone"}
    assert {record.display_height_px for record in records} == {192}


def test_a_larger_display_shows_less_quality(run: Run, ladder: list[Path]) -> None:
    half = ladder[2]
    (own,) = _records(run(half, "--format", "jsonl"))
    (shown,) = _records(run(half, "--display-height", "384", "--format", "jsonl"))
    assert shown.display_height_px == 384
    assert shown.score < own.score - 10


def test_facts_none_ignores_the_bitrate(run: Run, ladder: list[Path]) -> None:
    (with_facts,) = _records(run(ladder[0], "--format", "jsonl"))
    (without,) = _records(run(ladder[0], "--facts", "none", "--format", "jsonl"))
    assert with_facts.score != without.score
    assert without.high - without.low > with_facts.high - with_facts.low


@pytest.mark.parametrize("sampler", ["uniform", "mixed", "frame_difference"])
def test_every_sampler_gives_the_frames_asked_for(run: Run, ladder: list[Path], sampler: str) -> None:
    (record,) = _records(run(ladder[0], "--sampler", sampler, "--frames", "4", "--format", "jsonl"))
    assert len(record.frames) == 4
    assert record.sampler.name == sampler


def test_a_mismatched_rung_is_scored_alone_and_told(run: Run, ladder: list[Path], tmp_path: Path) -> None:
    def mirrored(index: int, width: int, height: int) -> np.ndarray:
        return scene(index, width, height)[::-1, ::-1]

    other = media_factory.write_video(tmp_path / "other.mp4", frames=50, fps=RATE, size=(160, 96), pattern=mirrored)
    records = _records(run("--ladder", ladder[0], other, "--format", "jsonl"))
    (record,) = [record for record in records if record.rendition_id == "other"]
    assert record.basis == "alone"
    assert any(finding.kind == "mismatch" for finding in record.findings)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_holds_every_segment(run: Run, ladder: list[Path], tmp_path: Path, name: str) -> None:
    out = tmp_path / f"scores.{name}"
    result = run("--ladder", *ladder, "--format", name, "--out", out)
    assert result.exit_code == 0, result.stderr
    if name == "parquet":
        assert pq.read_table(out).num_rows == 3
    elif name == "csv":
        assert len(list(csv.DictReader(io.StringIO(out.read_text())))) == 3
    elif name == "json":
        assert len(json.loads(out.read_text())["streams"][0]["renditions"]) == 3
    elif name == "jsonl":
        assert len(out.read_text().splitlines()) == 3
    else:
        assert "best" in out.read_text()


def test_the_report_names_model_and_accuracy(run: Run, ladder: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = run("--ladder", *ladder, "--report", page, "--format", "jsonl")
    (record, *_) = _records(result)
    text = page.read_text(encoding="utf-8")
    assert record.model.weights_hash in text
    assert "SROCC" in text
    assert text.count("data:image/jpeg;base64,") == 3


def test_untrained_weights_need_the_flag(run: Run, ladder: list[Path]) -> None:
    result = run(ladder[0], "--model", "small")
    assert "--i-know-these-weights-are-untrained" in str(result.exception)
    allowed = run(ladder[0], "--model", "small", "--i-know-these-weights-are-untrained", "--format", "jsonl")
    (record,) = _records(allowed)
    assert record.model.weights_hash == "untrained"
    assert "UNTRAINED" in record.model.accuracy


def test_an_hls_ladder_is_scored_against_its_top_rung(run: Run, tmp_path: Path) -> None:
    lines = ["#EXTM3U"]
    for name, (width, height), crf in (("high", (320, 192), "20"), ("low", (160, 96), "34")):
        init, parts = media_factory.fragments(
            frames=100, fps=RATE, size=(width, height), options={"crf": crf, "g": "50"}, pattern=scene
        )
        (tmp_path / f"{name}.init.mp4").write_bytes(init)
        playlist = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f'#EXT-X-MAP:URI="{name}.init.mp4"']
        for number, part in enumerate(parts):
            (tmp_path / f"{name}.{number}.m4s").write_bytes(part)
            playlist += [f"#EXTINF:{4 / len(parts):.3f},", f"{name}.{number}.m4s"]
        (tmp_path / f"{name}.m3u8").write_text("\n".join([*playlist, "#EXT-X-ENDLIST"]))
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={height}000,RESOLUTION={width}x{height}", f"{name}.m3u8"]
    (tmp_path / "master.m3u8").write_text("\n".join(lines))
    result = run(tmp_path / "master.m3u8", "--format", "jsonl")
    assert result.exit_code == 0, result.stderr
    records = _records(result)
    lower = [record for record in records if record.media.height_px == 96]
    assert lower
    assert {str(record.basis) for record in lower} == {"ladder"}
    assert {record.display_height_px for record in records} == {192}
