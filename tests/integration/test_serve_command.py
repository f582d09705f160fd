"""`rungwatch serve` as a user runs it: what it refuses, what it serves, how it ends."""

import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_served import TOKEN, WAIT_SECONDS, Listener, fill_film, fill_live, wait
from command_line import Commands
from pydantic import SecretStr
from series_factory import point
from services.ports import free_port
from services.redis_fixtures import Series
from services.redis_server import RedisServer
from services.redis_topologies import Certificates

from pipeline.series import EmbeddedRedis, SeriesStore, connect
from pipeline.settings import RedisSettings


@contextmanager
def serving(commands: Commands, folder: Path, *words: str | Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Yield the address of a server, when it answers."""
    with commands.running("serve", "--port", "0", *words) as process:
        [log] = folder.glob("serve-*.log")
        wait(lambda: "Serving http" in log.read_text() or process.poll() is not None, "the server says where it is")
        found = re.search(r"Serving (\S+) ", log.read_text())
        assert found, log.read_text()
        wait(lambda: answers(found[1]), "the server answers")
        yield found[1], process


def get(url: str, **more: Any) -> httpx.Response:
    """Ask with more patience than the five seconds that httpx has."""
    return httpx.get(url, timeout=WAIT_SECONDS, **more)


def answers(url: str) -> bool:
    try:
        return get(f"{url}healthz").status_code == 200
    except httpx.TransportError:
        return False


def commands_for(folder: Path, series: Series, **environment: str) -> Commands:
    return Commands(
        folder,
        RUNGWATCH_REDIS_URL=series.settings.url.get_secret_value(),
        RUNGWATCH_REDIS_PREFIX=series.settings.prefix,
        **environment,
    )


def test_it_serves_the_page_the_api_and_its_metrics_until_it_is_told_to_stop(tmp_path: Path, series7: Series) -> None:
    fill_live(series7)
    with serving(commands_for(tmp_path, series7), tmp_path) as (url, process):
        assert "<html" in get(url).text
        assert get(f"{url}api/v1/streams").json()["total"] == 1
        metrics = get(f"{url}metrics").text
        assert "rungwatch_build_info" in metrics
        assert "rungwatch_http_requests_total" in metrics
        assert get(f"{url}readyz").json() == {"ready": True, "checks": {"redis": "ok"}}
        with Listener(url, (), None) as client:
            client.until("state")
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            with pytest.raises(EOFError):
                client.until("nothing more")
        assert process.wait(30) == 0
        assert time.monotonic() - begin < 15
    [log] = tmp_path.glob("serve-*.log")
    text = log.read_text()
    assert "Stopped." in text
    assert "GET" not in text  # no access log
    assert not re.search("WARNING|ERROR|Traceback", text), text


@pytest.mark.parametrize("words", [("--host", "0.0.0.0"), ("--host", "::"), ("--host", "rungwatch.example")])
def test_it_is_not_opened_to_others_without_a_token(tmp_path: Path, series7: Series, words: tuple[str, ...]) -> None:
    ran = commands_for(tmp_path, series7).run("serve", "--port", "0", *words)
    assert ran.returncode == 2
    assert "RUNGWATCH_API_TOKEN" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_with_a_token_it_is_opened_to_others_and_asks_for_it(tmp_path: Path, series7: Series) -> None:
    commands = commands_for(tmp_path, series7, RUNGWATCH_API_TOKEN=TOKEN)
    with serving(commands, tmp_path, "--host", "0.0.0.0") as (said, _):
        url = said.replace("0.0.0.0", "127.0.0.1")
        assert get(f"{url}api/v1/streams").status_code == 401
        assert get(f"{url}api/v1/streams", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    [log] = tmp_path.glob("serve-*.log")
    assert TOKEN not in log.read_text()


def test_a_port_that_is_taken_is_named(tmp_path: Path, series7: Series) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ran = commands_for(tmp_path, series7).run("serve", "--port", str(other.getsockname()[1]))
    assert (ran.returncode, "--port" in ran.stderr) == (2, True)


def test_what_watch_stored_is_served_when_nobody_watches(tmp_path: Path, series7: Series) -> None:
    state = tmp_path / "state"
    (state / "redis").mkdir(parents=True)
    with EmbeddedRedis(state / "redis") as redis:
        settings = RedisSettings(url=SecretStr(redis.url))
        with closing(connect(settings)) as link:
            SeriesStore(link, settings).write([point(0, stream="film")])
    with serving(Commands(tmp_path), tmp_path, "--state", state) as (url, _):
        assert [each["stream_id"] for each in get(f"{url}api/v1/streams").json()["streams"]] == ["film"]


def test_a_redis_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    commands = Commands(tmp_path, RUNGWATCH_REDIS_URL=f"redis://127.0.0.1:{port}/0", RUNGWATCH_REDIS_PREFIX="late")
    with serving(commands, tmp_path) as (url, _):
        answer = get(f"{url}api/v1/streams")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:rungwatch:problem:unavailable")
        assert get(url).status_code == 200  # the page says so
        with RedisServer(port=port) as server:
            wait(lambda: get(f"{url}readyz").status_code == 200, "it is ready")
            settings = RedisSettings(url=SecretStr(server.url), prefix="late")
            with closing(connect(settings)) as link:
                SeriesStore(link, settings).write([point(0, stream="film")])
            assert get(f"{url}api/v1/streams").json()["total"] == 1


def test_help_teaches(tmp_path: Path) -> None:
    text = Commands(tmp_path).run("serve", "--help").stdout
    for part in ("Examples:", "Exit codes:", "RUNGWATCH_API_TOKEN", "/openapi.json", "--state"):
        assert part in text


def test_https_is_served_with_a_certificate(tmp_path: Path, series7: Series) -> None:
    fill_film(series7)
    made = Certificates.made(tmp_path)
    files = {"KEY_FILE": str(made.key_file), "CERTIFICATE_FILE": str(made.certificate_file)}
    commands = commands_for(tmp_path, series7, **{f"RUNGWATCH_API_{name}": file for name, file in files.items()})
    with commands.running("serve", "--port", "0"):
        [log] = tmp_path.glob("serve-*.log")
        wait(lambda: "Serving https" in log.read_text(), "the server says where it is")
        url = re.search(r"Serving (\S+) ", log.read_text())
        assert url
        trusted = ssl.create_default_context(cafile=made.ca_file)

        def total() -> bool:
            try:
                return bool(get(f"{url[1]}api/v1/streams", verify=trusted).json()["total"] == 1)
            except httpx.TransportError:
                return False

        wait(total, "https answers")
