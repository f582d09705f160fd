"""A ladder in trouble: a broken best rung is named and replaced, what is missing is told, the rest is scored."""

import threading
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import media_factory
import numpy as np
import pytest
from click.testing import CliRunner
from ladder_factory import write_presentation
from media_factory import scene

from schemas import SegmentScored
from workers.cli.main import cli

RATE = Fraction(25)


def scored(*arguments: str | Path) -> tuple[int, list[SegmentScored], str]:
    result = CliRunner().invoke(cli, ["score", "--decoders", "2", "--format", "jsonl", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return (
        result.exit_code,
        [SegmentScored.model_validate_json(line) for line in result.stdout.splitlines()],
        result.stderr,
    )


def test_a_best_rung_that_stands_still_is_replaced_by_the_next(tmp_path: Path) -> None:
    code, records, _ = scored(write_presentation(tmp_path, frozen_best=True))
    assert code == 0
    best = next(record for record in records if record.segment_number == 0 and record.media.height_px == 192)
    assert any(found.kind == "reference_replaced" and "stands still" in found.text for found in best.findings)
    low = [record for record in records if record.media.height_px == 96]
    references = {record.reference_rendition_id for record in low}
    assert len(low) == 2
    assert references == {record.rendition_id for record in records if record.rendition_id != best.rendition_id} - {
        low[0].rendition_id
    }
    assert all(any(found.kind == "reference_replaced" for found in record.findings) for record in low)


def test_transport_streams_and_fragments_share_their_clock(tmp_path: Path) -> None:
    master = write_presentation(tmp_path)
    media_factory.write_video(tmp_path / "best.0.ts", frames=50, fps=RATE, size=(320, 192), pattern=scene)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2.0,", "best.0.ts", "#EXT-X-ENDLIST"]
    (tmp_path / "best.m3u8").write_text("\n".join(lines))
    _, records, _ = scored(master)
    low = next(record for record in records if record.media.height_px == 96 and record.segment_number == 0)
    assert low.basis == "ladder"
    assert not any(found.kind == "offset" for found in low.findings)


def test_a_missing_segment_of_the_best_rung_leaves_the_others_compared(tmp_path: Path) -> None:
    master = write_presentation(tmp_path)
    (tmp_path / "best.1.m4s").unlink()
    code, records, messages = scored(master)
    assert code == 3
    assert messages.count("best.1.m4s") == 1
    low = {record.segment_number: record for record in records if record.media.height_px == 96}
    assert low[0].basis == low[1].basis == "ladder"
    assert low[0].reference_rendition_id != low[1].reference_rendition_id


def test_a_missing_playlist_of_one_rung_leaves_the_others_scored(tmp_path: Path) -> None:
    master = write_presentation(tmp_path)
    (tmp_path / "next.m3u8").unlink()
    code, records, messages = scored(master)
    assert code == 3
    assert "next.m3u8" in messages
    assert len({record.rendition_id for record in records}) == 2


def test_an_encrypted_rung_is_told_and_not_scored(tmp_path: Path) -> None:
    master = write_presentation(tmp_path)
    playlist = tmp_path / "low.m3u8"
    playlist.write_text(playlist.read_text().replace("#EXT-X-MAP", '#EXT-X-KEY:METHOD=AES-128,URI="key"\n#EXT-X-MAP'))
    code, records, messages = scored(master)
    assert code == 3
    assert "encrypted" in messages
    assert {record.media.height_px for record in records} == {192}


def test_one_decoder_is_enough_for_a_second_look(tmp_path: Path) -> None:
    def frozen(index: int, width: int, height: int) -> np.ndarray:
        return scene(0, width, height)

    rungs = [("best", (320, 192), frozen), ("next", (320, 192), scene), ("low", (160, 96), scene)]
    files = [
        media_factory.write_video(
            tmp_path / f"{name}.mp4", frames=200, fps=RATE, size=size, pattern=pattern, options={"b": str(rate)}
        )
        for (name, size, pattern), rate in zip(rungs, (800_000, 300_000, 200_000), strict=True)
    ]
    arguments = ["score", "--ladder", "--decoders", "1", "--segment-seconds", "1", "--format", "jsonl"]
    result = CliRunner().invoke(cli, [*arguments, *map(str, files)])
    records = [SegmentScored.model_validate_json(line) for line in result.stdout.splitlines()]
    assert len(records) == 24, result.stderr
    low = [record for record in records if record.rendition_id == "low"]
    assert {record.reference_rendition_id for record in low} == {"next"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing: the tests read stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()


def test_a_presentation_over_http_scores_as_it_does_from_disk(tmp_path: Path, server: str) -> None:
    master = write_presentation(tmp_path)
    _, local, _ = scored(master)
    code, remote, messages = scored(f"{server}/master.m3u8")
    assert code == 0, messages
    assert [(record.rendition_id, record.score) for record in remote] == [
        (record.rendition_id, record.score) for record in local
    ]


def test_a_rung_of_half_the_frame_rate_is_compared_at_frames_that_it_has(tmp_path: Path) -> None:
    fast = media_factory.write_video(
        tmp_path / "fast.mp4", frames=100, fps=Fraction(50), size=(320, 192), pattern=scene, options={"crf": "16"}
    )
    slow = media_factory.write_video(
        tmp_path / "slow.mp4",
        frames=50,
        fps=RATE,
        size=(160, 96),
        pattern=lambda index, width, height: scene(2 * index, width, height),
    )
    _, records, _ = scored("--ladder", fast, slow)
    best, rung = records
    assert rung.basis == "ladder"
    assert [frame.time_seconds for frame in rung.frames] == [frame.time_seconds for frame in best.frames]
    assert all(round(frame.time_seconds * 50) % 2 == 0 for frame in best.frames)
