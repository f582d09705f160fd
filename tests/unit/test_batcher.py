"""The queue in front of the model: bounded, work-conserving, and each clip gets its own answer."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from workers.service.batcher import Batcher


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


@dataclass
class FakeDevice:
    """Stands where `Scorer.predict` is: answers each clip with itself, after a while, if the batch fits."""

    seconds: float = 0.0
    fits: int = 1000
    batches: list[int] = field(default_factory=list)
    entered: int = 0
    gate: threading.Event | None = None

    def predict(self, batch: list[Any]) -> list[Any]:
        self.entered += len(batch)
        if self.gate is not None:
            self.gate.wait(30)
        if len(batch) > self.fits:
            raise OutOfMemoryError("too many")
        if "broken" in batch:
            raise ValueError("a bug")
        time.sleep(self.seconds)
        self.batches.append(len(batch))
        return batch


def asked(batcher: Batcher, clips: list[Any], threads: int = 8) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(batcher.score, clips))


def test_every_clip_gets_its_own_answer() -> None:
    with Batcher(FakeDevice(), 4) as batcher:  # type: ignore[arg-type]
        assert asked(batcher, list(range(100))) == list(range(100))


def test_what_waits_goes_together() -> None:
    device = FakeDevice(gate=threading.Event())
    with Batcher(device, 4) as batcher, ThreadPoolExecutor(9) as pool:  # type: ignore[arg-type]
        answers = [pool.submit(batcher.score, number) for number in range(9)]
        wait_until(lambda: device.entered + batcher._queue.qsize() == 9)
        assert device.gate is not None
        device.gate.set()
        assert sorted(answer.result() for answer in answers) == list(range(9))
    assert max(device.batches) == 4


def test_a_clip_that_comes_alone_does_not_wait_for_others() -> None:
    device = FakeDevice()
    with Batcher(device, 64) as batcher:  # type: ignore[arg-type]
        assert [batcher.score(number) for number in range(3)] == [0, 1, 2]  # type: ignore[arg-type]
    assert device.batches == [1, 1, 1]


def test_a_batch_that_does_not_fit_the_memory_is_halved_until_it_does() -> None:
    device = FakeDevice(fits=2, seconds=0.01)
    with Batcher(device, 8) as batcher:  # type: ignore[arg-type]
        assert asked(batcher, list(range(40)), threads=20) == list(range(40))
    assert max(device.batches) <= 2


def test_an_error_reaches_those_of_its_batch_and_the_next_batch_goes_on() -> None:
    with Batcher(FakeDevice(), 1) as batcher:  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="a bug"):
            batcher.score("broken")  # type: ignore[arg-type]
        assert batcher.score("sound") == "sound"  # type: ignore[arg-type, comparison-overlap]


def test_nothing_is_taken_after_the_end() -> None:
    batcher = Batcher(FakeDevice(), 1)  # type: ignore[arg-type]
    batcher.close()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.score(1)  # type: ignore[arg-type]


def wait_until(holds: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
