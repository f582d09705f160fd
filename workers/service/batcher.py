"""The one queue in front of the model: bounded, emptied in batches as large as what waits, never waiting for more."""

import queue
import threading
import time
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from workers.scoring import Prepared, Scored, Scorer
from workers.service.observer import Silent, WorkObserver

_OUT_OF_MEMORY = "OutOfMemoryError"  # torch's, by name: the service does not import torch


class Batcher:
    """Asks the model in a thread of its own. `score` may be called from many threads; a full queue makes them wait."""

    def __init__(self, scorer: Scorer, most: int, observer: WorkObserver | None = None) -> None:
        """`most`: clips in one batch; twice as many may wait, so that the next batch is there when one is done."""
        self._scorer, self._most, self._observer = scorer, most, observer or Silent()
        self._queue: queue.Queue[tuple[Prepared, Future[Scored]] | None] = queue.Queue(2 * most)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def score(self, prepared: Prepared) -> Scored:
        """Return the score of one clip, asked for together with whatever else waits.

        Raises whatever the model raises.
        """
        if self._closed:
            raise RuntimeError("the batcher is closed")
        found: Future[Scored] = Future()
        begin = time.perf_counter()
        self._queue.put((prepared, found))
        self._observer.waiting(self._queue.qsize())
        try:
            return found.result()
        finally:
            self._observer.stage("model", time.perf_counter() - begin)

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < self._most and not last:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                last = item is None
                if item is not None:
                    batch.append(item)
            self._observer.waiting(self._queue.qsize())
            self._ask(batch)
            if last:
                return

    def _ask(self, batch: list[tuple[Prepared, Future[Scored]]]) -> None:
        begin = time.perf_counter()
        try:
            scores = self._scorer.predict([prepared for prepared, _ in batch])
        except Exception as error:
            if type(error).__name__ == _OUT_OF_MEMORY and len(batch) > 1:
                half = len(batch) // 2
                self._most = half  # what did not fit now will not fit later
                self._ask(batch[:half])
                self._ask(batch[half:])
                return
            for _, found in batch:
                found.set_exception(error)
            return
        self._observer.batch(len(batch), time.perf_counter() - begin)
        for (_, found), scored in zip(batch, scores, strict=True):
            found.set_result(scored)
