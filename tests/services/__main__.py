"""Kafka and Redis in the background, for trying things out: ``python -m services up|down|status``."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from services.kafka import HOST, Broker, answers
from services.kafka_jars import CACHE, ServiceError
from services.redis_server import RedisServer

STATE = CACHE / "services"
KAFKA_PORT = 9092
REDIS_PORT = 6379
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Service:
    """What was started here is known by its process id and the moment that it began: ids are used again."""

    name: str
    port: int

    @property
    def folder(self) -> Path:
        return STATE / self.name

    @property
    def note(self) -> Path:
        return STATE / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    def pid(self) -> int | None:
        """Return the process that was started here, while it lives."""
        try:
            number, began = self.note.read_text().split()
        except (OSError, ValueError):
            return None
        return int(number) if _began(int(number)) == began else None

    def remember(self, pid: int) -> None:
        self.note.write_text(f"{pid} {_began(pid)}\n")

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.name == "kafka":
            broker = Broker(self.folder, self.port)
            broker.start()
            self.remember(broker.pid)
        else:
            self._start_redis()

    def answers(self) -> bool:
        if self.name == "kafka":
            return answers(HOST, self.port)
        try:
            with socket.create_connection((HOST, self.port), 1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            return False

    def _start_redis(self) -> None:
        server = RedisServer(port=self.port, folder=self.folder)
        with self.log_file.open("ab") as log:
            # In a session of its own, so that closing the terminal does not end it.
            process = subprocess.Popen(
                [str(server.binary), *server.config(), "--port", str(self.port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + _STOP_SECONDS
        while not self.answers():
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise ServiceError(f"Redis did not start; see {self.log_file}")
            time.sleep(0.05)
        self.remember(process.pid)


SERVICES = (Service("kafka", KAFKA_PORT), Service("redis", REDIS_PORT))

NEXT = f"""
Where they are is the default of every command; to say so:
  export RUNGWATCH_KAFKA_BOOTSTRAP=localhost:{KAFKA_PORT}
  export RUNGWATCH_REDIS_URL=redis://localhost:{REDIS_PORT}/0
Next:
  rungwatch topics create     make the topics
  make down                   end both; data stays in {STATE.relative_to(CACHE.parent)}
"""


def up() -> int:
    for service in SERVICES:
        if service.pid() is None and _is_taken(service.port):
            raise ServiceError(
                f"port {service.port} is taken by something that was not started here: end it, or use it as your "
                f"{service.name} and leave `make up` be."
            )
    for service in SERVICES:
        if pid := service.pid():
            print(f"{service.name}: runs already on localhost:{service.port} (process {pid})")
            continue
        print(f"{service.name}: starting on localhost:{service.port}", flush=True)
        service.start()
        print(f"{service.name}: runs (process {service.pid()}, log {service.log_file})")
    print(NEXT, end="")
    return 0


def down() -> int:
    for service in SERVICES:
        pid = service.pid()
        if pid is None:
            print(f"{service.name}: does not run")
        else:
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + _STOP_SECONDS
            while service.pid() is not None and time.monotonic() < until:
                time.sleep(0.05)
            if service.pid() is not None:
                os.kill(pid, signal.SIGKILL)
            print(f"{service.name}: ended (process {pid})")
        service.note.unlink(missing_ok=True)
    return 0


def status() -> int:
    """Print how things stand. Returns 0 when both run and answer, else 1."""
    well = True
    for service in SERVICES:
        pid, does_answer = service.pid(), service.answers()
        words = {
            (True, True): f"runs on localhost:{service.port} (process {pid})",
            (True, False): f"process {pid} does not answer on port {service.port}; see {service.log_file}",
            (False, True): f"something that was not started here answers on port {service.port}",
            (False, False): "does not run; start it with `make up`",
        }[pid is not None, does_answer]
        well = well and does_answer
        print(f"{service.name}: {words}")
    return 0 if well else 1


def _began(pid: int) -> str | None:
    """Return the moment that a process began, in ticks since the machine did; None: there is no such process."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] == "Z" else after_name[19]


def _is_taken(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return True
    return False


def main(words: list[str]) -> int:
    actions = {"up": up, "down": down, "status": status}
    if len(words) != 1 or words[0] not in actions:
        print("usage: python -m services up|down|status", file=sys.stderr)
        return 2
    try:
        return actions[words[0]]()
    except ServiceError as error:
        print(f"services: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
