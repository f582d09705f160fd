"""The service as a user runs it: commands on a real Kafka and a real Redis; and `watch`, which needs neither."""

import json
import signal
import time
from pathlib import Path

import pytest
from command_line import WAIT_SECONDS, Commands, points_of_state, wait_for
from ladder_factory import write_presentation

from pipeline.series import EmbeddedRedis
from schemas import SegmentReady, SegmentScored


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "film"
    folder.mkdir()
    write_presentation(folder, seconds=8)
    return folder


def as_score_says(commands: Commands, media: Path) -> dict[tuple[str, float], float]:
    scored = commands.run("score", media, "--format", "jsonl", "-q")
    records = [SegmentScored.model_validate_json(line) for line in scored.stdout.splitlines()]
    return {(record.rendition_id, round(record.start_seconds, 3)): record.score for record in records}


def series(commands: Commands, *words: str | Path) -> dict[tuple[str, float], float]:
    """Return what `rungwatch series query` prints."""
    found = commands.run("series", "query", "film", "--resolution", "raw", "--format", "json", *words)
    if found.returncode:
        return {}
    return {
        (line["rendition_id"], round(point["start_seconds"], 3)): point["score"]
        for line in json.loads(found.stdout)["renditions"]
        for point in line["points"]
    }


def test_two_workers_of_which_one_is_killed_write_the_numbers_of_score(commands: Commands, media: Path) -> None:
    with (
        commands.running("worker", "--root", media, "--instance", "one") as first,
        commands.running("worker", "--root", media, "--instance", "two") as second,
        commands.running("series", "run") as writer,
    ):
        assert commands.run("ingest", media).returncode == 0
        wait_for(commands, 1)
        first.kill()  # whichever had the stream: its partition moves, or its work was done
        wait_for(commands, 12)
        second.send_signal(signal.SIGTERM)
        writer.send_signal(signal.SIGTERM)
        assert (second.wait(60), writer.wait(60)) == (0, 0)
    assert series(commands) == as_score_says(commands, media)


def test_what_cannot_be_scored_is_listed_and_comes_back_once_it_can(commands: Commands, media: Path) -> None:
    lost = media / "low.1.m4s"
    kept = lost.read_bytes()
    lost.unlink()
    with commands.running("worker", "--root", media), commands.running("series", "run"):
        assert commands.run("ingest", media).returncode == 0
        wait_for(commands, 11)
        end = time.monotonic() + WAIT_SECONDS
        while (listed := commands.run("replay", "--list")).returncode:
            assert time.monotonic() < end
            time.sleep(0.5)
        assert "not_found" in listed.stdout
        assert "low.1.m4s" in listed.stdout
        lost.write_bytes(kept)
        assert "published 1 event" in commands.run("replay", "--reason", "not_found").stderr
        wait_for(commands, 12)
        assert series(commands) == as_score_says(commands, media)


def test_rescoring_puts_another_series_beside_the_old_one(commands: Commands, media: Path) -> None:
    with commands.running("worker", "--root", media), commands.running("series", "run"):
        assert commands.run("ingest", media).returncode == 0
        wait_for(commands, 12)
        again = commands.run("rescore", "--frames", "4", "--root", media)
        assert again.returncode == 0, again.stderr
        assert "read 12 segments" in again.stderr
        end = time.monotonic() + WAIT_SECONDS
        # A new series is shown once it reaches as far as the old one, with what is written of it by then.
        while "4 frames" not in commands.run("series", "query", "film").stdout or len(series(commands)) != 12:
            assert time.monotonic() < end
            time.sleep(0.5)


def test_ingest_announces_what_can_be_read_and_says_what_cannot(commands: Commands, media: Path) -> None:
    (media / "song.mp4").write_bytes(b"no media at all")
    found = commands.run("ingest", media, "--dry-run")
    assert found.returncode == 3
    assert "song.mp4" in found.stderr
    assert [SegmentReady.model_validate_json(line).stream_id for line in found.stdout.splitlines()] == ["film"] * 12
    assert commands.run("ingest", media / "nothing.m3u8").returncode == 4
    assert commands.run("ingest").returncode == 2


def test_watch_that_is_killed_goes_on_where_it_was(tmp_path: Path, media: Path) -> None:
    alone, state = Commands(tmp_path), tmp_path / "state"
    with alone.running("watch", media, "--state", state) as process:
        # Where this process gets no time, all may be done, and the Redis gone with it, before it looks.
        while process.poll() is None and points_of_state(state) < 2:
            time.sleep(0.05)
        process.kill()
    again = alone.run("watch", media, "--state", state)
    assert again.returncode == 0, again.stderr
    assert "12 segments shown" in again.stdout
    assert series(alone, "--state", state) == as_score_says(alone, media)
    once_more = alone.run("watch", media, "--state", state)
    assert "0 of 0 segments scored, 12 scored before" in once_more.stderr
    assert "12 segments shown" in once_more.stdout


def test_watch_says_what_cannot_be_scored_and_scores_the_rest(tmp_path: Path, media: Path) -> None:
    (media / "next.0.m4s").unlink()
    watched = Commands(tmp_path).run("watch", media, "--state", tmp_path / "state")
    assert watched.returncode == 3
    assert "next.0.m4s" in watched.stderr
    assert "11 segments shown" in watched.stdout


def test_a_folder_that_another_process_has_is_refused(tmp_path: Path, media: Path) -> None:
    state = tmp_path / "state"
    with EmbeddedRedis(state / "redis"):
        second = Commands(tmp_path).run("watch", media, "--state", state)
    assert second.returncode == 2
    assert "another process" in second.stderr
