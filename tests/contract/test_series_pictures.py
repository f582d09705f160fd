"""What holds for pictures of worst frames, over Redis 7, Redis 6.2 and a cluster."""

import math
import random

import pytest
from redis.crc import key_slot
from services.redis_fixtures import Series

from pipeline.errors import Unavailable
from pipeline.history import PictureEntry
from pipeline.series import Link, Picture, PictureStore
from pipeline.settings import PictureSettings, RedisSettings

HOUR = 3600


def _store(series: Series, **settings: float) -> PictureStore:
    return PictureStore(series.link, series.settings, PictureSettings(**settings))  # type: ignore[arg-type]


def _picture(
    start: float, score: float = 50.0, *, rendition: str = "720p", stream: str = "demo", fault: bool = False
) -> Picture:
    entry = PictureEntry(stream, rendition, start, start + 0.5, score)
    return Picture(entry, b"\xff\xd8" + f"{rendition} {start} {score}".encode(), has_fault=fault)


def _starts(store: PictureStore, **asked: object) -> list[float]:
    return [entry.start_seconds for entry in store.kept("demo", **asked)]  # type: ignore[arg-type]


def test_what_is_kept_is_read_back_exactly(series: Series) -> None:
    store, picture = _store(series), _picture(1_790_000_000.125, 41.25, rendition="a|b/c {d}")
    assert store.keep(picture) == math.inf
    assert store.kept("demo") == [picture.entry]
    assert store.jpeg("demo", "a|b/c {d}", 1_790_000_000.125) == picture.jpeg


def test_what_is_not_kept_is_nothing(series: Series) -> None:
    store = _store(series)
    assert store.kept("demo") == []
    assert store.jpeg("demo", "720p", 0.0) is None
    store.keep(_picture(2.0))
    assert store.jpeg("demo", "720p", 4.0) is None
    assert store.jpeg("demo", "480p", 2.0) is None
    assert store.kept("other") == []


def test_of_an_hour_the_worst_are_kept_and_the_newest(series: Series) -> None:
    store = _store(series, each_hour=3)
    scores = [80, 20, 70, 30, 60, 10, 90]
    limits = [store.keep(_picture(2.0 * n, score)) for n, score in enumerate(scores)]
    assert [entry.score for entry in store.kept("demo")] == [20, 30, 10, 90]
    assert limits == [math.inf, math.inf, 80, 70, 60, 30, 30]
    assert all(store.jpeg("demo", "720p", start) is not None for start in (2.0, 6.0, 10.0, 12.0))
    assert store.jpeg("demo", "720p", 0.0) is None


def test_hours_and_renditions_have_room_of_their_own(series: Series) -> None:
    store = _store(series, each_hour=1)
    for start in (0.0, HOUR, 2 * HOUR, -HOUR):
        for rendition in ("720p", "480p"):
            store.keep(_picture(start, rendition=rendition))
    assert len(store.kept("demo")) == 8


def test_a_picture_with_a_fault_comes_before_one_that_is_only_bad(series: Series) -> None:
    store = _store(series, each_hour=1)
    store.keep(_picture(0.0, 70.0, fault=True))
    store.keep(_picture(2.0, 5.0))
    store.keep(_picture(4.0, 90.0))
    assert _starts(store) == [0.0, 4.0]


def test_a_picture_at_the_same_place_is_replaced(series: Series) -> None:
    store = _store(series)
    store.keep(_picture(0.0, 30.0))
    again = _picture(0.0, 60.0)
    store.keep(again)
    assert store.kept("demo") == [again.entry]
    assert store.jpeg("demo", "720p", 0.0) == again.jpeg


@pytest.mark.parametrize("seed", range(3))
def test_order_and_repeats_do_not_matter(series: Series, seed: int) -> None:
    dice = random.Random(seed)
    pictures = [_picture(2.0 * n, dice.randrange(100), fault=dice.random() < 0.2) for n in range(40)]
    store = _store(series, each_hour=5)
    for picture in dice.choices(pictures, k=30) + dice.sample(pictures, 40):
        store.keep(picture)
    worst = sorted(pictures, key=lambda each: (each.rank, each.entry.start_seconds))[:5]
    kept = {each.entry.start_seconds for each in worst} | {pictures[-1].entry.start_seconds}
    assert set(_starts(store)) == kept


def test_a_range_is_half_open_and_of_one_rendition_where_that_is_asked(series: Series) -> None:
    store = _store(series)
    for start in (0.0, 2.0, 4.0, HOUR, HOUR + 2.0):
        store.keep(_picture(start))
        store.keep(_picture(start, rendition="480p"))
    assert _starts(store, rendition_id="720p", start_seconds=2.0, end_seconds=HOUR) == [2.0, 4.0]
    assert _starts(store, rendition_id="720p", start_seconds=HOUR) == [HOUR, HOUR + 2]
    assert [each.rendition_id for each in store.kept("demo", None, 0.0, 2.0)] == ["480p", "720p"]


def test_pictures_expire(series: Series) -> None:
    store = _store(series, age_seconds=100)
    store.keep(_picture(0.0))
    keys = list(series.client.scan_iter(f"{series.settings.prefix}:*"))
    assert len(keys) == 3
    assert all(0 < series.client.ttl(key) <= 100 for key in keys)
    assert len({key_slot(key) for key in keys}) == 1
    gone = next(key for key in keys if key.endswith(b"pictures:720p:0"))
    series.client.delete(gone)
    assert store.kept("demo") == []


def test_a_redis_that_is_away_is_said(series7: Series) -> None:
    link = Link(RedisSettings(url="redis://127.0.0.1:1", timeout_seconds=0.5))  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        PictureStore(link, series7.settings).keep(_picture(0.0))
    with pytest.raises(Unavailable):
        PictureStore(link, series7.settings).kept("demo")
