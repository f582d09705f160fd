"""A job that crashes, hangs or explodes costs itself: the pool says what happened, and the next job works."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import isolation_targets
import pytest
from processes import has_ended

from pipeline.decode import child, isolate
from pipeline.decode.isolate import IsolatedPool, RemoteTracebackError
from pipeline.errors import DecoderFailed, Encrypted, LimitExceeded
from pipeline.settings import DecodeLimits

Pool = IsolatedPool[tuple[str, Any], Any]
LIMITS = DecodeLimits(max_seconds=60, max_memory_bytes=1 << 30)
PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def a_busy_process_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "_STOP_SECONDS", PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def shared_pool() -> Iterator[Pool]:
    with IsolatedPool(isolation_targets.act, 1, LIMITS, describe=lambda job: job[0]) as pool:
        yield pool


@pytest.fixture
def pool(shared_pool: Pool) -> Iterator[Pool]:
    """One pool for all tests of this file: each leaves it fit for work."""
    yield shared_pool
    assert [number for number, _ in shared_pool.submit(("count", 3))] == [0, 1, 2]


def test_results_come_in_order(pool: Pool) -> None:
    assert [number for number, _ in pool.submit(("count", 20))] == list(range(20))


def test_a_job_without_results_ends(pool: Pool) -> None:
    assert list(pool.submit(("count", 0))) == []


def test_a_process_lives_over_many_jobs(pool: Pool) -> None:
    assert len({process for _ in range(3) for _, process in pool.submit(("count", 1))}) == 1


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (("segfault", 0), "SIGSEGV"),
        (("killed", None), "SIGKILL"),
        (("leave", 3), "exit code 3"),
        (("chatter", "x"), "SIGABRT"),
    ],
)
def test_a_crash_is_one_failed_job(job: tuple[str, Any], said: str, pool: Pool) -> None:
    with pytest.raises(DecoderFailed, match=rf"^{job[0]}: the decoder died \({said}"):
        list(pool.submit(job))


def test_a_crash_that_is_quicker_than_submit_is_that_of_its_job(pool: Pool) -> None:
    send = Connection.send

    def send_and_see_it_die(line: Connection, message: Any) -> None:  # type: ignore[type-arg]
        send(line, message)
        if isinstance(message, child.Job):
            gone = select.poll()
            gone.register(line.fileno(), 0)  # nothing but the other end's hanging up
            assert gone.poll(PATIENCE_SECONDS * 1000)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "send", send_and_see_it_die)
        with pytest.raises(DecoderFailed, match=r"^leave: the decoder died \(exit code 3"):
            list(pool.submit(("leave", 3)))


def test_a_process_that_dies_before_it_reads_its_job_costs_no_job(pool: Pool) -> None:
    ((_, process),) = pool.submit(("count", 1))
    os.kill(process, signal.SIGSTOP)
    killing = threading.Timer(0.3, os.kill, (process, signal.SIGKILL))
    killing.start()
    ((_, successor),) = pool.submit(("count", 1))
    killing.join()
    assert successor != process


def test_results_before_a_crash_are_not_lost(pool: Pool) -> None:
    stream = pool.submit(("segfault", 2))
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(DecoderFailed):
        next(stream)
    assert list(stream) == []


def test_a_crash_tells_where_it_happened(pool: Pool) -> None:
    with pytest.raises(DecoderFailed) as caught:
        list(pool.submit(("segfault", 0)))
    assert "Segmentation fault" in (caught.value.detail or "")


def test_a_hang_is_ended(pool: Pool) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pool, "_limits", LIMITS.model_copy(update={"max_seconds": 2.0}))
        stream = pool.submit(("hang", 0))
    began = time.monotonic()
    with pytest.raises(DecoderFailed, match="gave no result for 2 s and was ended"):
        next(stream)
    assert time.monotonic() - began < PATIENCE_SECONDS  # of the 600 s that it would take


def test_more_memory_than_allowed_is_a_limit(pool: Pool) -> None:
    with pytest.raises(LimitExceeded, match="needs more than 1024 MiB of memory"):
        list(pool.submit(("explode", 2048)))


def test_memory_within_the_limit_is_had(pool: Pool) -> None:
    assert list(pool.submit(("explode", 64))) == [1]


def test_a_refusal_keeps_its_class_and_words(pool: Pool) -> None:
    with pytest.raises(Encrypted, match=r"^in cipher$") as caught:
        list(pool.submit(("refuse", "in cipher")))
    assert caught.value.detail == "the details"


def test_a_bug_is_raised_here_with_its_own_traceback(pool: Pool) -> None:
    stream = pool.submit(("bug", "of ours"))
    assert next(stream) == 0
    with pytest.raises(ZeroDivisionError, match="of ours") as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, RemoteTracebackError)
    assert "isolation_targets.py" in str(caught.value.__cause__)


def test_a_job_that_cannot_be_sent_harms_nobody(pool: Pool) -> None:
    with pytest.raises(Exception, match="pickle"):
        pool.submit(("count", threading.Lock()))


def test_at_most_two_results_are_made_ahead(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "made"
    stream = pool.submit(("count_in_a_file", (6, str(path))))
    next(stream)
    wait_until(lambda: path.stat().st_size >= 3)
    time.sleep(0.5)
    assert path.stat().st_size == 3
    assert list(stream) == [1, 2, 3, 4, 5]
    assert path.stat().st_size == 6


def test_a_stream_can_be_closed_early(pool: Pool) -> None:
    with pool.submit(("count", 10_000)) as stream:
        _, process = next(stream)
    assert list(stream) == []
    assert next(pool.submit(("count", 1)))[1] == process


def test_a_stream_that_will_not_stop_is_ended(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "_STOP_SECONDS", 0.5)
    stream = pool.submit(("hang", 1))
    assert next(stream) == 0
    stream.close()


def test_a_forgotten_stream_gives_its_process_back(pool: Pool) -> None:
    next(pool.submit(("count", 100)))
    assert len(list(pool.submit(("count", 2)))) == 2


def test_what_a_process_prints_goes_nowhere(pool: Pool, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DecoderFailed) as caught:
        list(pool.submit(("chatter", "noise")))
    assert capfd.readouterr() == ("", "")
    assert "noise" in (caught.value.detail or "")


def test_no_large_file_is_written(pool: Pool, tmp_path: Path) -> None:
    assert list(pool.submit(("write_file", str(tmp_path / "large")))) == ["OSError"]
    assert (tmp_path / "large").stat().st_size <= 1 << 20


def test_torch_is_not_loaded(pool: Pool) -> None:
    (modules,) = pool.submit(("modules", None))
    assert "torch" not in modules


def test_other_jobs_go_on_beside_a_crash() -> None:
    with IsolatedPool(isolation_targets.act, 2, LIMITS, describe=str) as pool:
        good = pool.submit(("count", 50))
        next(good)
        with pytest.raises(DecoderFailed):
            list(pool.submit(("segfault", 0)))
        assert len(list(good)) == 49


def test_threads_share_the_processes() -> None:
    sums: list[int] = []
    with IsolatedPool(isolation_targets.act, 2, LIMITS, describe=str) as pool:

        def work() -> None:
            for _ in range(5):
                sums.append(sum(number for number, _ in pool.submit(("count", 10))))

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sums == [45] * 25


def test_a_closed_pool_leaves_no_process() -> None:
    with IsolatedPool(isolation_targets.act, 1, LIMITS, describe=str) as pool:
        _, process = next(iter(pool.submit(("count", 1))))
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(("count", 1))


def test_closing_the_pool_ends_jobs_at_work() -> None:
    with IsolatedPool(isolation_targets.act, 1, DecodeLimits(), describe=str) as pool:
        stream = pool.submit(("hang", 1))
        assert next(stream) == 0
        closing = threading.Timer(0.2, pool.close)
        closing.start()
        with pytest.raises(DecoderFailed, match="SIGKILL"):
            next(stream)
        closing.join()


def test_processes_end_with_their_parent() -> None:
    code = (
        "import isolation_targets, os, sys\n"
        "from pipeline.decode.isolate import IsolatedPool\n"
        "from pipeline.settings import DecodeLimits\n"
        "pool = IsolatedPool(isolation_targets.act, 1, DecodeLimits())\n"
        "print(next(pool.submit(('count', 1)))[1], flush=True)\n"
        "stream = pool.submit(('hang', 1)); next(stream)\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    process = int(ran.stdout)
    wait_until(lambda: has_ended(process))


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
