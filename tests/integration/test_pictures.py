"""Pictures of worst frames, from the scoring worker to Redis: of the right frame, and never in the way of a score."""

import io
import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import av
import media_factory
import numpy as np
import pytest
from cheap_model import CheapModel
from command_line import WAIT_SECONDS, Commands, wait_for
from ladder_factory import RATE, write_presentation
from media_factory import scene
from numpy.typing import NDArray
from pydantic import SecretStr
from score_factory import frozen, scored
from services.redis_fixtures import Series

from pipeline.clips import ClipJob, clips
from pipeline.decode.source import MediaSource
from pipeline.history import PictureEntry
from pipeline.series import EmbeddedRedis, Link, PictureStore, connect
from pipeline.settings import DecodeLimits, PictureSettings, RedisSettings
from schemas import SegmentScored
from workers.scoring import Scored
from workers.service.observer import PictureFate, Silent
from workers.service.pictures import PictureKeeper, keeping

NAMES = {"192p-188k": "best", "192p-125k": "next", "96p-100k": "low"}
"""The renditions of `write_presentation`, as ingest calls them, and their files."""


class Counted(Silent):
    def __init__(self) -> None:
        self.fates: Counter[PictureFate] = Counter()

    def picture(self, fate: PictureFate) -> None:
        self.fates[fate] += 1


@pytest.fixture(scope="module")
def some_clip(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Something scored, whose record a test replaces."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    media_factory.write_video(path, frames=25, fps=RATE, size=(160, 96), pattern=scene)
    (clip,) = clips(ClipJob(MediaSource(name=path.name, path=path), DecodeLimits()))
    measured = CheapModel().measure(clip, hide_stream=False)  # type: ignore[arg-type]
    return Scored(scored(50), b"\xff\xd8 a picture", measured, clip)  # type: ignore[arg-type]


def _of(some: Scored, record: SegmentScored) -> Scored:
    return Scored(record, b"\xff\xd8" + f"{record.start_seconds}".encode(), some.measured, some.clip)


def _luma(jpeg: bytes) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        return next(container.decode(video=0)).to_ndarray(format="gray")


def _frames(folder: Path, rendition: str, number: int) -> list[NDArray[np.uint8]]:
    data = (folder / f"{rendition}.init.mp4").read_bytes() + (folder / f"{rendition}.{number}.m4s").read_bytes()
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def _nearest(picture: NDArray[np.uint8], frames: Sequence[NDArray[np.uint8]]) -> int:
    return int(np.argmin([np.abs(picture.astype(float) - frame).mean() for frame in frames]))


def _read(redis: RedisSettings, stream: str) -> dict[PictureEntry, bytes]:
    with closing(connect(redis)) as link:
        store = PictureStore(link, redis)
        found = {each: store.jpeg(stream, each.rendition_id, each.start_seconds) for each in store.kept(stream)}
    assert all(found.values())
    return {entry: jpeg for entry, jpeg in found.items() if jpeg}


def _write_with_a_frozen_rung(folder: Path) -> None:
    write_presentation(folder, seconds=6)
    init, parts = media_factory.fragments(
        frames=150,
        fps=RATE,
        size=(160, 96),
        options={"crf": "30", "g": "50", "sc_threshold": "0"},
        pattern=lambda index, w, h: scene(min(index, 50), w, h),
    )
    (folder / "low.init.mp4").write_bytes(init)
    for number, part in enumerate(parts):
        (folder / f"low.{number}.m4s").write_bytes(part)


def test_watch_keeps_pictures_of_the_right_frames(tmp_path: Path) -> None:
    folder, state = tmp_path / "film", tmp_path / "state"
    folder.mkdir()
    _write_with_a_frozen_rung(folder)
    watched = Commands(tmp_path).run("watch", folder, "--state", state)
    assert watched.returncode == 0, watched.stderr
    with EmbeddedRedis(state / "redis") as redis:
        kept = _read(RedisSettings(url=SecretStr(redis.url)), "film")
    assert len(kept) == 9
    for entry, jpeg in kept.items():
        picture, name = _luma(jpeg), NAMES[entry.rendition_id]
        assert picture.shape == ((96, 160) if name == "low" else (192, 320))
        if name != "low":
            frames = _frames(folder, name, round(entry.start_seconds / 2))
            shown = _nearest(picture, frames)
            assert shown == round((entry.worst_seconds - entry.start_seconds) * 25), entry
    (still,) = (
        jpeg for entry, jpeg in kept.items() if (NAMES[entry.rendition_id], round(entry.start_seconds)) == ("low", 4)
    )
    moving = [frame for number in range(3) for frame in _frames(folder, "low", number)]
    assert _nearest(_luma(still), moving) >= 50


def test_a_worker_keeps_pictures_beside_its_scores(commands: Commands, tmp_path: Path) -> None:
    folder = tmp_path / "film"
    folder.mkdir()
    write_presentation(folder, seconds=4)
    with commands.running("worker", "--root", folder), commands.running("series", "run"):
        assert commands.run("ingest", folder).returncode == 0
        wait_for(commands, 6)
        end = time.monotonic() + WAIT_SECONDS
        while len(kept := _read(commands.redis, "film")) < 6:
            assert time.monotonic() < end
            time.sleep(0.2)
    assert {(entry.rendition_id, round(entry.start_seconds)) for entry in kept} == {
        (rendition, start) for rendition in NAMES for start in (0, 2)
    }
    assert all(jpeg.startswith(b"\xff\xd8\xff") for jpeg in kept.values())


def test_only_what_may_be_among_the_worst_is_sent(series7: Series, some_clip: Scored) -> None:
    settings = PictureSettings(each_hour=2, newest_seconds=1e6)
    store, seen = PictureStore(series7.link, series7.settings, settings), Counted()
    keeper = PictureKeeper(store, settings, seen)
    for number, score in enumerate([50, 60, 70, 80, 90, 40]):
        keeper.take(_of(some_clip, scored(score, number)))
        _settled(seen, number + 1)
    keeper.close()
    assert seen.fates == {"kept": 3, "left": 3}
    assert [round(entry.start_seconds) for entry in store.kept("demo")] == [0, 20]


def test_a_fault_is_kept_before_what_is_only_bad(series7: Series, some_clip: Scored) -> None:
    # All are sent, also where the first is kept, and known to be worse, before the second is there.
    settings = PictureSettings(each_hour=1, newest_seconds=0.0)
    with keeping(series7.link, series7.settings, settings, Counted()) as pictures:
        pictures.take(_of(some_clip, scored(85, 0, findings=[frozen(0.0, 4.0)])))
        pictures.take(_of(some_clip, scored(20, 1)))
        pictures.take(_of(some_clip, scored(80, 2)))
    kept = PictureStore(series7.link, series7.settings).kept("demo")
    assert [round(entry.start_seconds) for entry in kept] == [0, 8]


def test_now_and_then_the_newest_is_sent(series7: Series, some_clip: Scored) -> None:
    settings, seen = PictureSettings(each_hour=1, newest_seconds=0.0), Counted()
    with keeping(series7.link, series7.settings, settings, seen) as pictures:
        for number in range(5):
            pictures.take(_of(some_clip, scored(50 + number, number)))
            _settled(seen, number + 1)
    kept = PictureStore(series7.link, series7.settings).kept("demo")
    assert [round(entry.start_seconds) for entry in kept] == [0, 16]
    assert seen.fates == {"kept": 5}


def test_a_picture_that_is_too_large_is_left(series7: Series, some_clip: Scored) -> None:
    seen = Counted()
    with keeping(series7.link, series7.settings, PictureSettings(most_bytes=1024), seen) as pictures:
        pictures.take(Scored(scored(50), b"\xff\xd8" * 1000, some_clip.measured, some_clip.clip))
    assert seen.fates == {"left": 1}


def test_none_is_made_where_none_is_wanted(series7: Series, some_clip: Scored) -> None:
    with keeping(series7.link, series7.settings, PictureSettings(each_hour=0), Counted()) as pictures:
        assert pictures.width_px == 0
        pictures.take(some_clip)
    assert PictureStore(series7.link, series7.settings).kept("demo") == []


def test_a_redis_that_is_away_holds_nothing_up_and_is_told_once(
    some_clip: Scored, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workers.service.pictures")
    redis = RedisSettings(url=SecretStr("redis://127.0.0.1:1"), timeout_seconds=0.5)
    seen = Counted()
    with closing(Link(redis)) as link, keeping(link, redis, PictureSettings(), seen) as pictures:
        begin = time.monotonic()
        for number in range(500):
            pictures.take(_of(some_clip, scored(50, number)))
        assert time.monotonic() - begin < 60, "half a second for each would be 250"
        _settled(seen, 500)
    assert seen.fates["kept"] == 0
    assert seen.fates["failed"] > 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Scores go on" in caplog.text


def _settled(seen: Counted, count: int) -> None:
    end = time.monotonic() + 30
    while sum(seen.fates.values()) < count:
        assert time.monotonic() < end
        time.sleep(0.01)
