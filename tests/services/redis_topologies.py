"""Real Redis as larger installations have it: a cluster of three, a primary with a replica under Sentinel, TLS."""

import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from services.ports import HOST, free_port
from services.redis_server import SLOTS, RedisServer, wait

SERVICE = "rungs"


class RedisCluster:
    """Nodes that share the slots: three, or one that has them all."""

    def __init__(self, *, binary: Path | None = None, nodes: int = 3) -> None:
        self.nodes = [RedisServer(binary=binary, cluster=True) for _ in range(nodes)]
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def __enter__(self) -> Self:
        share = -(-SLOTS // len(self.nodes))
        for number, node in enumerate(self.nodes):
            self._stack.enter_context(node)
            node.own_slots(number * share, min(SLOTS, (number + 1) * share))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            if number:
                node.ask("CLUSTER", "MEET", HOST, str(self.nodes[0].port))
        for node in self.nodes:
            node.wait_for_cluster()
            wait(lambda node=node: self._known(node), node.log)  # type: ignore[misc]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _known(self, node: RedisServer) -> bool:
        return len(node.ask("CLUSTER", "NODES").splitlines()) == len(self.nodes)


class SentinelServer(RedisServer):
    """A Sentinel alone, that knows a primary as `SERVICE`."""

    def __init__(self, primary: RedisServer, *, options: tuple[str, ...] = ()) -> None:
        super().__init__(binary=primary.binary)
        self._primary = primary
        self._lines = options

    @property
    def url(self) -> str:
        return f"redis+sentinel://{HOST}:{self.port}/{SERVICE}/0"

    def config(self) -> list[str]:
        lines = [
            "sentinel resolve-hostnames no",
            f"sentinel monitor {SERVICE} {HOST} {self._primary.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 3000",
            *self._lines,
        ]
        file = self.folder / "sentinel.conf"
        if not file.exists():
            file.write_text("\n".join(lines) + "\n")
        return [str(file), "--sentinel", "--bind", HOST]


@dataclass(frozen=True)
class Certificates:
    """An authority made on the spot, and what it signed for 127.0.0.1."""

    ca_file: Path
    certificate_file: Path
    key_file: Path

    @classmethod
    def made(cls, folder: Path) -> Self:
        made = cls(folder / "ca.pem", folder / "server.pem", folder / "server.key")
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        ca_key = str(folder / "ca.key")
        _run([*new, "-days", "2", "-subj", "/CN=authority", "-keyout", ca_key, "-out", str(made.ca_file)])
        _run(
            [
                *new, "-days", "2", "-subj", "/CN=localhost", "-keyout", str(made.key_file),
                "-out", str(made.certificate_file), "-CA", str(made.ca_file), "-CAkey", ca_key,
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
            ]
        )  # fmt: skip
        return made

    def options(self, *, clients: bool = False) -> tuple[str, ...]:
        """Return the server's options; `clients`: they must show a certificate as well."""
        return (
            *("--tls-cert-file", str(self.certificate_file), "--tls-key-file", str(self.key_file)),
            *("--tls-ca-cert-file", str(self.ca_file), "--tls-auth-clients", "yes" if clients else "no"),
        )


def replica_of(primary: RedisServer) -> RedisServer:
    return RedisServer(binary=primary.binary, options=("--replicaof", HOST, str(primary.port)), port=free_port())


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command[:2])} failed: {done.stderr}"
