"""A real Apache Kafka for tests and for `make up`: one node, broker and controller in one process (KRaft)."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from services import kafka_security
from services.kafka_jars import ServiceError, command, jars
from services.ports import HOST, free_port

READY_SECONDS = 180.0
"""Two seconds on an idle machine; one that builds and tests was seen to take 80."""

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
min.insync.replicas=1
broker.session.timeout.ms=2000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
"""


class Broker:
    """Starts, stops and kills one Kafka; ports and data stay, so that it comes back as a restarted broker does."""

    def __init__(
        self, folder: Path | None = None, port: int = 0, *, secure: bool = False, heartbeat_seconds: float = 0.5
    ) -> None:
        """
        Args:
            folder: Where data, settings and the log are kept; None: a temporary one, removed at the end.
            port: Of the plain listener; 0: a free one.
            secure: Listen for SASL, for TLS, and for both on ports of their own as well.
            heartbeat_seconds: Where it is more than two, the broker is given up for lost again and again by its own
                controller, as on a machine that is too busy: then the cluster says that it has no broker.
        """
        self._is_temporary = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="rungwatch-kafka-"))
        names = ["PLAIN", "CONTROLLER", *(("SASL", "TLS", "BOTH") if secure else ())]
        self._ports = {name: free_port() for name in names}
        if port:
            self._ports["PLAIN"] = port
        self._secure = secure
        self._heartbeat_seconds = heartbeat_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self.ca_file = self._folder / "ca.pem"

    @property
    def bootstrap(self) -> str:
        return self._address("PLAIN")

    @property
    def sasl_bootstrap(self) -> str:
        """SASL_PLAINTEXT."""
        return self._address("SASL")

    @property
    def tls_bootstrap(self) -> str:
        """SSL, with a certificate that `ca_file` vouches for."""
        return self._address("TLS")

    @property
    def sasl_tls_bootstrap(self) -> str:
        """SASL_SSL."""
        return self._address("BOTH")

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def log_file(self) -> Path:
        return self._folder / "kafka.log"

    def start(self) -> None:
        """Start, and return when it answers. Raises ServiceError where it does not."""
        jar_folder = jars()
        settings = self._folder / "server.properties"
        self._folder.mkdir(parents=True, exist_ok=True)
        settings.write_text(self._settings())
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(jar_folder, settings)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command(jar_folder, "kafka.Kafka", str(settings)),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + READY_SECONDS
        while not answers(HOST, self._ports["PLAIN"]):
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise ServiceError(f"Kafka did not start; the end of its log:\n{self._end_of_log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop in good order (a second or two)."""
        self._signal(signal.SIGTERM, 30.0)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._signal(signal.SIGKILL, 30.0)

    def pause(self) -> None:
        """Let it stand still: connections stay, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove what was temporary."""
        self.kill()
        if self._is_temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _address(self, listener: str) -> str:
        return f"{HOST}:{self._ports[listener]}"

    def _settings(self) -> str:
        protocols = {"PLAIN": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        protocols |= {"SASL": "SASL_PLAINTEXT", "TLS": "SSL", "BOTH": "SASL_SSL"} if self._secure else {}
        listeners = {name: f"{name}://{self._address(name)}" for name in protocols}
        lines = [
            f"broker.heartbeat.interval.ms={self._heartbeat_seconds * 1000:.0f}",
            f"log.dirs={self._folder / 'data'}",
            f"controller.quorum.voters=1@{self._address('CONTROLLER')}",
            f"listeners={','.join(listeners.values())}",
            f"advertised.listeners={','.join(url for name, url in listeners.items() if name != 'CONTROLLER')}",
            f"listener.security.protocol.map={','.join(f'{name}:{kind}' for name, kind in protocols.items())}",
            "inter.broker.listener.name=PLAIN",
        ]
        if self._secure:
            lines += kafka_security.properties(kafka_security.certificate(self._folder))
        return _SETTINGS + "\n".join(lines) + "\n"

    def _format(self, jar_folder: Path, settings: Path) -> None:
        arguments = ["format", "-t", str(uuid.uuid4()), "-c", str(settings)]
        arguments += kafka_security.scram_arguments() if self._secure else []
        done = subprocess.run(
            command(jar_folder, "kafka.tools.StorageTool", *arguments), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ServiceError(f"Kafka's storage could not be made:\n{(done.stdout + done.stderr)[-2000:]}")

    def _signal(self, number: signal.Signals, seconds: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _end_of_log(self) -> str:
        return self.log_file.read_text(errors="replace")[-3000:]


def answers(host: str, port: int) -> bool:
    """Whether a broker takes requests there: it is asked for the versions that it speaks (ApiVersions, version 0)."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1.0) as connection:
        connection.settimeout(2.0)
        connection.sendall(struct.pack(">i", len(request)) + request)
        reply = connection.recv(10, socket.MSG_WAITALL)
        return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (1, 0)
    return False
