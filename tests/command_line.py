"""`rungwatch` in processes of its own, and waiting for what they write."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import SecretStr

from pipeline.errors import Unavailable
from pipeline.series import EmbeddedRedis, SeriesQueries, connect
from pipeline.settings import KafkaSettings, RedisSettings

WAIT_SECONDS = 180.0


class Commands:
    """`rungwatch` in processes of its own, all on the same Kafka, Redis and prefix."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}

    def also(self, **environment: str) -> None:
        """Give what is started from now on these variables as well."""
        self._environment |= environment

    def run(self, *words: str | Path, wait_seconds: float = WAIT_SECONDS) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*words),
            capture_output=True,
            text=True,
            timeout=wait_seconds,
            check=False,
            env=self._environment,
            cwd=self._folder,
        )

    @property
    def redis(self) -> RedisSettings:
        return RedisSettings(
            url=SecretStr(self._environment["RUNGWATCH_REDIS_URL"]), prefix=self._environment["RUNGWATCH_REDIS_PREFIX"]
        )

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(
            bootstrap=self._environment["RUNGWATCH_KAFKA_BOOTSTRAP"], prefix=self._environment["RUNGWATCH_KAFKA_PREFIX"]
        )

    @contextmanager
    def running(self, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        log = self._folder / f"{words[0]}-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                self._command(*words), stdout=out, stderr=out, env=self._environment, cwd=self._folder
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait(60)

    def _command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "workers.cli.main", *map(str, words)]


def settings_of_state(state: Path) -> RedisSettings:
    """Return where the Redis of a folder is, as long as it runs."""
    return RedisSettings(url=SecretStr(EmbeddedRedis.url_of(state / "redis")))


def points(queries: SeriesQueries, stream: str) -> int:
    """Return how many points are there; 0 also where the Redis does not answer."""
    with suppress(Unavailable):
        return sum(len(queries.points(stream, each, resolution="raw")) for each in queries.renditions(stream))
    return 0


def points_of_state(state: Path, stream: str = "film") -> int:
    settings = settings_of_state(state)
    with closing(connect(settings)) as link:
        return points(SeriesQueries(link, settings), stream)


def wait_for_points(count: int, settings: RedisSettings, stream: str = "film") -> None:
    """Return when so many points are there; asked for without a process for each question, which would take longer."""
    end = time.monotonic() + WAIT_SECONDS
    with closing(connect(settings)) as link:
        queries = SeriesQueries(link, settings)
        while points(queries, stream) < count:
            assert time.monotonic() < end, f"fewer than {count} points"
            time.sleep(0.1)


def wait_for(commands: Commands, count: int, stream: str = "film") -> None:
    wait_for_points(count, commands.redis, stream)


def wait_for_state(state: Path, count: int, stream: str = "film") -> None:
    wait_for_points(count, settings_of_state(state), stream)
