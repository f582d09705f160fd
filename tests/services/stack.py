"""What `make up` runs: Kafka, Redis and Prometheus, and every process of ours, over a live ladder of the simulator."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from services.background import HOST, Background, http_answer, spawned
from services.kafka import READY_SECONDS, Broker, answers
from services.kafka_jars import CACHE, ServiceError
from services.prometheus import Prometheus
from services.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
STATE = CACHE / "services"
RULES = ROOT / "docker" / "prometheus" / "rules"
SERVICES = ("kafka", "redis")
"""What is needed by those who run the processes themselves."""
PORTS = {
    "kafka": 9092,
    "redis": 6379,
    "prometheus": 9090,
    "simulator": 8888,
    "worker": 9464,
    "series": 9465,
    "ingest": 9466,
    "serve": 9467,
    "page": 8090,
}
"""Those that everybody expects; of our processes the ports of /metrics, /healthz and /readyz."""
SCRAPED = ("worker", "series", "ingest", "serve")


@dataclass(frozen=True)
class Stack:
    """Everything, on these ports, with its data in one folder."""

    folder: Path = STATE
    first_port: int = 0
    """Of as many in a row as there are `PORTS`; 0: those that everybody expects."""

    def port(self, name: str) -> int:
        return self.first_port + list(PORTS).index(name) if self.first_port else PORTS[name]

    @property
    def page(self) -> str:
        return f"http://localhost:{self.port('page')}/"

    @property
    def control(self) -> str:
        return f"http://{HOST}:{self.port('simulator')}"

    @property
    def environment(self) -> dict[str, str]:
        """What points a command of ours at this stack."""
        return {
            "RUNGWATCH_KAFKA_BOOTSTRAP": f"localhost:{self.port('kafka')}",
            "RUNGWATCH_REDIS_URL": f"redis://localhost:{self.port('redis')}/0",
        }

    @property
    def sources(self) -> Path:
        """The file of the streams that are followed; it is read again when it changes."""
        return self.folder / "sources.yaml"

    def processes(self) -> list[Background]:
        """Return all, each after what it needs."""
        ours = {
            "worker": ("worker", "--root", str(ROOT), "--host", HOST, "--host", "localhost", "--host", "*"),
            "series": ("series", "run"),
            "ingest": ("ingest", "--config", str(self.sources), "--state", str(self.folder / "ingest" / "state")),
            "serve": ("serve", "--port", str(self.port("page"))),
        }
        return [
            # It needs nothing, and encodes for a while the first time.
            self._made(
                "simulator",
                partial(_rungwatch, self, ("simulate", "--port", str(self.port("simulator")))),
                lambda of: http_answer(f"http://{HOST}:{of.port}/control"),
                f"{self.control}/control",
            ),
            self._made("redis", _start_redis, _redis_answer),
            self._made("prometheus", partial(_start_prometheus, self), _prometheus_answer,
                       f"http://localhost:{self.port('prometheus')}/"),
            self._made("kafka", _start_kafka, lambda of: None if answers(HOST, of.port) else "it does not answer"),
            *(self._made(name, partial(_rungwatch, self, words), _ready) for name, words in ours.items()),
        ]  # fmt: skip

    def _made(self, name: str, start: object, answer: object, address: str = "") -> Background:
        seconds = READY_SECONDS if name == "kafka" else 120.0
        port = self.port(name)
        return Background(name, port, self.folder / name, start, answer, seconds, address)  # type: ignore[arg-type]

    def create_topics(self) -> None:
        """Make the topics that are missing. Raises ServiceError."""
        done = subprocess.run(
            [*_COMMAND, "topics", "create"], env={**os.environ, **self.environment}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServiceError(f"the topics could not be made: {done.stdout}{done.stderr}")

    def list_sources(self) -> None:
        """Have the simulator's ladder followed; a file that is there is the user's."""
        if not self.sources.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.sources.write_text(
                "# What is followed; add streams of your own: this file is read again when it changes.\n"
                + yaml.safe_dump({"sources": [{"id": "live", "url": f"{self.control}/live/master.m3u8"}]})
            )


_COMMAND = (sys.executable, "-m", "workers.cli.main")


def _rungwatch(stack: Stack, words: tuple[str, ...], of: Background) -> int:
    environment = stack.environment | {"RUNGWATCH_SERVICE_PORT": str(of.port)} if of.name in SCRAPED else {}
    return spawned(of, [*_COMMAND, *words], environment, ROOT)


def _ready(of: Background) -> str | None:
    return http_answer(f"http://{HOST}:{of.port}/readyz")


def _start_kafka(of: Background) -> int:
    broker = Broker(of.folder, of.port)
    broker.start()
    return broker.pid


def _start_redis(of: Background) -> int:
    server = RedisServer(port=of.port, folder=of.folder)
    return spawned(of, [str(server.binary), *server.config(), "--port", str(of.port)], {}, of.folder)


def _redis_answer(of: Background) -> str | None:
    try:
        with socket.create_connection((HOST, of.port), 1.0) as connection:
            connection.sendall(b"PING\r\n")
            return None if connection.recv(5) == b"+PONG" else "it does not answer"
    except OSError as error:
        return f"no answer ({error})"


def _start_prometheus(stack: Stack, of: Background) -> int:
    config = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": [str(RULES / "*.yaml")],
        "scrape_configs": [
            {"job_name": f"rungwatch-{name}", "static_configs": [{"targets": [f"localhost:{stack.port(name)}"]}]}
            for name in SCRAPED
        ],
    }
    server = Prometheus(of.folder, of.port, config=yaml.safe_dump(config), out_of_order="2h")
    server.start()
    return server.pid


def _prometheus_answer(of: Background) -> str | None:
    return http_answer(f"http://{HOST}:{of.port}/-/ready")
