"""A real Prometheus (Debian's) for tests and for `make up`: one process, its data in a folder."""

import json
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.kafka_jars import ServiceError
from services.ports import HOST, free_port

READY_SECONDS = 60.0
PLAIN = "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n"


def binary(name: str = "prometheus") -> str:
    """Return the path of `prometheus` or `promtool`. Raises ServiceError where it is not installed."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") or shutil.which(name)
    if found is None:
        raise ServiceError(f"{name} is needed and not installed: `make services`, or `apt-get install prometheus`")
    return found


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [binary("promtool"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Prometheus:
    """Takes remote write, and scrapes what its configuration names."""

    def __init__(
        self, folder: Path | None = None, port: int = 0, *, config: str = PLAIN, out_of_order: str | None = None
    ) -> None:
        """`config`: YAML; `out_of_order`: its window, such as ``2h``; None: none."""
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="rw-prometheus-")
        self.folder = folder or Path(self._temporary.name if self._temporary else ".")
        self.port = port or free_port()
        window = f"storage:\n  tsdb:\n    out_of_order_time_window: {out_of_order}\n" if out_of_order else ""
        self._config = config + window
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def write_url(self) -> str:
        return f"{self.url}/api/v1/write"

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def log_file(self) -> Path:
        return self.folder / "prometheus.log"

    def start(self) -> None:
        """Return when it answers. Raises ServiceError where it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "prometheus.yml"
        config.write_text(self._config)
        with self.log_file.open("ab") as log:
            # In a session of its own, so that closing a terminal does not end it.
            self._process = subprocess.Popen(
                [
                    binary(), f"--config.file={config}", f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address={HOST}:{self.port}", "--web.enable-remote-write-receiver",
                    "--storage.tsdb.retention.time=15d", "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + READY_SECONDS
        while not answers(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise ServiceError(f"Prometheus did not start; the end of its log:\n{self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")[-3000:]

    def query(self, expression: str, at_seconds: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query: vectors and matrices as the API has them."""
        return self.get("query", query=expression, **({"time": f"{at_seconds:.3f}"} if at_seconds else {}))["result"]  # type: ignore[no-any-return]

    def get(self, what: str, **arguments: str) -> Any:
        """Return the data that one address of the API answers with."""
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
