"""The embedded Redis: its data stay, it ends with its process, and only one process has it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from series_factory import point

from pipeline.errors import Unavailable, UsageError
from pipeline.series import EmbeddedRedis, SeriesQueries, SeriesStore, connect
from pipeline.settings import RedisSettings

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.series import EmbeddedRedis
redis = EmbeddedRedis(Path(sys.argv[1]))
redis.start()
print(redis.process_id, flush=True)
time.sleep(600)
"""


def settings(redis: EmbeddedRedis) -> RedisSettings:
    return RedisSettings(url=SecretStr(redis.url))


def write(redis: EmbeddedRedis, *starts: float) -> None:
    link = connect(settings(redis))
    SeriesStore(link, settings(redis)).write([point(start) for start in starts])
    link.close()


def starts(redis: EmbeddedRedis) -> list[float]:
    link = connect(settings(redis))
    found = SeriesQueries(link, settings(redis)).points("demo", "720p", resolution="raw")
    link.close()
    return [each.start_seconds for each in found]


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def holder(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a process of its own that has the folder; returns it and the process of its server."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_what_was_written_is_there_at_the_next_start(tmp_path: Path) -> None:
    for round_ in range(3):
        with EmbeddedRedis(tmp_path / "state" / "redis") as redis:
            assert starts(redis) == [2.0 * n for n in range(round_)]
            write(redis, 2.0 * round_)
        assert redis.process_id is None


def test_a_folder_with_a_long_or_odd_name_serves_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "with space and ünicode" / ("long" * 40)
    with EmbeddedRedis(folder) as redis:
        write(redis, 0)
        assert len(redis.url) < 110
    with EmbeddedRedis(folder) as redis:
        assert starts(redis) == [0]


def test_the_server_ends_with_its_process_even_where_that_is_killed(tmp_path: Path) -> None:
    process, server = holder(tmp_path)
    link = connect(RedisSettings(url=SecretStr(EmbeddedRedis.url_of(tmp_path))))
    SeriesStore(link, RedisSettings()).write([point(0)])
    link.close()
    process.kill()
    process.wait()
    until(lambda: not alive(server))
    assert (tmp_path / "redis.sock").exists()  # stale
    with EmbeddedRedis(tmp_path) as redis:
        assert starts(redis) == [0]
    assert process.stdout is not None
    process.stdout.close()


def test_a_second_process_on_the_folder_is_told_who_has_it(tmp_path: Path) -> None:
    process, _ = holder(tmp_path)
    before = time.monotonic()
    with pytest.raises(UsageError, match=rf"another process \({process.pid}\) has the embedded Redis.*unix://"):
        EmbeddedRedis(tmp_path).start()
    assert time.monotonic() - before < 10
    process.terminate()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    redis = EmbeddedRedis(tmp_path)
    thread = threading.Thread(target=redis.start)
    thread.start()
    thread.join()
    write(redis, 0)
    time.sleep(0.2)
    assert starts(redis) == [0]
    redis.close()


def test_a_server_that_ends_by_itself_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedRedis(tmp_path) as redis:
        write(redis, 0)
        first = redis.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)

        def back() -> bool:
            try:
                return starts(redis) == [0]
            except Unavailable:
                return False

        until(back)
        assert redis.process_id != first
    assert "is started again" in caplog.text


def test_a_folder_that_cannot_be_used_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="name another folder"):
        EmbeddedRedis(tmp_path / "file").start()


def test_data_that_the_server_cannot_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_text("nonsense\n" * 10)
    with pytest.raises(UsageError, match=r"does not start on .*redis\.log"):
        EmbeddedRedis(tmp_path).start()
