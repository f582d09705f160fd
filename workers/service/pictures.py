"""Keeps small pictures of worst frames in Redis, beside the scores: in a thread of its own, and never in their way."""

import logging
import math
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from pipeline.errors import RungwatchError
from pipeline.history import PictureEntry
from pipeline.series import Link, Picture, PictureStore
from pipeline.settings import PictureSettings, RedisSettings
from schemas import FindingKind
from workers.scoring import Scored
from workers.service.observer import WorkObserver

log = logging.getLogger(__name__)

MOST_WAITING = 64
"""Pictures, some 10 KB each."""
MOST_REMEMBERED = 20_000
"""Renditions and hours of which the limit is known."""
PAUSE_SECONDS = 5.0
"""Without tries, after Redis failed."""
CLOSE_SECONDS = 10.0
"""For what still waits at the end."""
FAULTS = frozenset({FindingKind.FROZEN, FindingKind.BLACK, FindingKind.DAMAGED})

_Key = TypeVar("_Key")


class PictureSink(Protocol):
    """Takes what was scored. Called from many threads."""

    @property
    def width_px(self) -> int:
        """Of the pictures that are wanted; 0: none is."""

    def take(self, scored: Scored) -> None:
        """Take the picture of the worst frame: neither waits nor raises."""


class NoPictures:
    """Wants none."""

    width_px = 0

    def take(self, scored: Scored) -> None: ...


class PictureKeeper:
    """Implements `PictureSink`: sends the pictures that are among the worst of their hour, and now and then the newest.

    What does not fit into the queue is dropped, and while Redis is away everything is.
    """

    def __init__(self, store: PictureStore, settings: PictureSettings, observer: WorkObserver) -> None:
        self.width_px = settings.width_px
        self._store, self._settings, self._observer = store, settings, observer
        self._queue: queue.Queue[Picture | None] = queue.Queue(MOST_WAITING)
        self._limits: OrderedDict[tuple[str, str, int], float] = OrderedDict()
        """By stream, rendition, hour."""
        self._sent: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._away_until = 0.0
        self._is_away = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="pictures", daemon=True)
        self._thread.start()

    def take(self, scored: Scored) -> None:
        """See `PictureSink.take`."""
        if scored.worst_picture is None or self._closed:
            return
        picture = _picture(scored, scored.worst_picture)
        if len(picture.jpeg) > self._settings.most_bytes or not self._is_wanted(picture):
            self._observer.picture("left")
            return
        try:
            self._queue.put_nowait(picture)
        except queue.Full:
            self._observer.picture("dropped")

    def close(self) -> None:
        """Send what waits, for a while, and end the thread."""
        self._closed = True
        try:
            self._queue.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(CLOSE_SECONDS)

    def _is_wanted(self, picture: Picture) -> bool:
        """Say whether it may be among the worst, as far as is known, or the newest is due."""
        entry = picture.entry
        # Reads of a dictionary that another thread writes to: at worst a picture is sent for nothing.
        if picture.rank < self._limits.get((entry.stream_id, entry.rendition_id, picture.hour), math.inf):
            return True
        sent = self._sent.get((entry.stream_id, entry.rendition_id), -math.inf)
        return time.monotonic() - sent >= self._settings.newest_seconds

    def _work(self) -> None:
        while (picture := self._queue.get()) is not None:
            if time.monotonic() < self._away_until:
                self._observer.picture("failed")
                continue
            try:
                limit = self._store.keep(picture)
            except RungwatchError as error:
                self._observer.picture("failed")
                self._away_until = time.monotonic() + PAUSE_SECONDS
                if not self._is_away:
                    log.warning("Pictures of worst frames are not kept: %s. Scores go on.", f"{error}".rstrip("."))
                self._is_away = True
                continue
            except Exception:
                # A picture is never worth a score: what nobody thought of is told, and counted.
                self._observer.picture("failed")
                log.exception("A picture of a worst frame was not kept.")
                continue
            if self._is_away:
                log.info("Pictures of worst frames are kept again.")
            self._is_away = False
            entry = picture.entry
            _remember(self._limits, (entry.stream_id, entry.rendition_id, picture.hour), limit)
            _remember(self._sent, (entry.stream_id, entry.rendition_id), time.monotonic())
            self._observer.picture("kept")


@contextmanager
def keeping(
    link: Link, redis: RedisSettings, settings: PictureSettings, observer: WorkObserver
) -> Iterator[PictureSink]:
    """Yield what keeps pictures as the settings say; Redis is asked for with the first picture, not before."""
    if settings.each_hour == 0:
        yield NoPictures()
        return
    keeper = PictureKeeper(PictureStore(link, redis, settings), settings, observer)
    try:
        yield keeper
    finally:
        keeper.close()


def _picture(scored: Scored, jpeg: bytes) -> Picture:
    record = scored.record
    entry = PictureEntry(
        stream_id=record.stream_id,
        rendition_id=record.rendition_id,
        start_seconds=record.start_seconds,
        worst_seconds=record.worst_frame.time_seconds,
        score=record.worst_frame.score,
    )
    return Picture(entry, jpeg, has_fault=any(found.kind in FAULTS for found in record.findings))


def _remember(known: OrderedDict[_Key, float], key: _Key, value: float) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > MOST_REMEMBERED:
        known.popitem(last=False)
