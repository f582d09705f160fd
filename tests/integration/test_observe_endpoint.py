"""Prometheus and the keeper of a container see, over HTTP, how a process is."""

import logging
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from pipeline.errors import Unavailable, UsageError
from pipeline.observe.endpoint import CONNECTIONS, Endpoint, serve
from pipeline.observe.health import Health
from pipeline.observe.metrics import Metrics
from pipeline.observe.scoring import ScoringMetrics
from pipeline.settings import ServiceSettings
from schemas import Basis

HOST = "127.0.0.1"
PATHS = ["/metrics", "/healthz", "/readyz"]


class Clock:
    now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds


class Process:
    """What a process has: metrics, health, an endpoint and somebody who asks."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics("1.2.3")
        self.health = Health(self.clock)
        self.endpoint = Endpoint(HOST, 0, self.metrics, self.health)
        self.client = httpx.Client(base_url=self.endpoint.url, timeout=30, trust_env=False)


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    with process.endpoint, process.client:
        yield process


def test_the_metrics_are_what_was_counted(process: Process) -> None:
    ScoringMetrics(process.metrics).scored(Basis.LADDER, delay_seconds=None)
    answer = process.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in read_text(answer.text)
        for sample in family.samples
    }
    assert samples["rungwatch_segments_scored_total", "ladder"] == 1
    assert samples["process_resident_memory_bytes",] > 1e6


def test_openmetrics_is_given_to_those_who_ask_for_it(process: Process) -> None:
    ScoringMetrics(process.metrics)
    answer = process.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "rungwatch_segments_scored" in {family.name for family in read_openmetrics(answer.text)}


def test_a_process_whose_loops_go_round_is_alive(process: Process) -> None:
    beat = process.health.heart("bus", limit_seconds=30)
    process.clock.now_seconds += 29
    beat()
    process.clock.now_seconds += 29
    answer = process.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True, "checks": {"bus": "ok"}})


def test_a_loop_that_stands_still_is_told_with_its_name_and_for_how_long(process: Process) -> None:
    process.health.heart("bus", limit_seconds=30)
    process.health.heart("decode", limit_seconds=300)
    process.clock.now_seconds += 47
    answer = process.client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["alive"] is False
    assert answer.json()["checks"]["decode"] == "ok"
    assert "'bus' has not gone round for 47 s, and 30 s is its limit" in answer.json()["checks"]["bus"]
    assert process.client.get("/readyz").status_code == 503


def test_a_loop_that_ended_as_it_should_is_not_missed(process: Process) -> None:
    process.health.heart("bus", limit_seconds=30)
    process.health.stopped("bus")
    process.clock.now_seconds += 1000
    assert process.client.get("/healthz").status_code == 200


def test_a_process_is_ready_when_every_check_is_well(process: Process) -> None:
    model = process.health.flag("model", "the model is still being loaded")
    process.health.check("redis", lambda: None)
    before = process.client.get("/readyz")
    assert before.status_code == 503
    assert before.json() == {"ready": False, "checks": {"model": "the model is still being loaded", "redis": "ok"}}
    model.good()
    assert process.client.get("/readyz").json() == {"ready": True, "checks": {"model": "ok", "redis": "ok"}}
    model.is_because("the device is gone")
    assert process.client.get("/readyz").json()["checks"]["model"] == "the device is gone"


def test_a_service_that_is_away_makes_a_process_not_ready_and_not_dead(process: Process) -> None:
    def away() -> str | None:
        raise Unavailable("Redis at redis.example:6379 does not answer")

    process.health.heart("series")
    process.health.check("redis", away)
    assert process.client.get("/readyz").json()["checks"]["redis"] == "Redis at redis.example:6379 does not answer"
    assert process.client.get("/healthz").status_code == 200


def test_the_words_of_a_strange_error_are_kept_back(process: Process) -> None:
    def broken() -> str | None:
        raise ValueError("redis://user:secret@host")

    process.health.check("redis", broken)
    answer = process.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["redis"] == "the check itself failed with ValueError"


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body(process: Process, path: str) -> None:
    answer = process.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["/", "/metrics/", "/..", "/%2e%2e/etc/passwd", "//metrics", "/favicon.ico"])
def test_anything_else_is_not_found_and_says_what_there_is(process: Process, path: str) -> None:
    answer = process.client.get(path)
    assert answer.status_code == 404
    assert list(answer.json()["here"]) == PATHS


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_nothing_can_be_sent(process: Process, method: str) -> None:
    answer = process.client.request(method, "/metrics", content=b"x" * 1000)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert process.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("stated", ["-1", "+5", "99999999999999999999999", "ten", "70000"])
def test_a_body_of_no_known_end_ends_the_connection(process: Process, stated: str) -> None:
    with socket.create_connection((HOST, process.endpoint.port), timeout=30) as connection:
        request = f"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {stated}\r\n\r\n"
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_body_is_left_out_and_the_connection_goes_on(process: Process) -> None:
    for _ in range(3):
        assert process.client.request("GET", "/healthz", content=b"GET /x HTTP/1.1\r\n\r\n").status_code == 200


def test_a_question_behind_the_path_is_ignored(process: Process) -> None:
    assert process.client.get("/healthz?verbose=1").status_code == 200


def test_a_taken_port_is_the_users_mistake_and_names_the_setting(process: Process) -> None:
    settings = ServiceSettings(host=HOST, port=process.endpoint.port)
    with pytest.raises(UsageError, match=r"is taken by another process.*RUNGWATCH_SERVICE_PORT"):
        serve(settings, process.metrics, process.health)


def test_a_foreign_address_is_the_users_mistake_and_names_the_setting() -> None:
    settings = ServiceSettings(host="192.0.2.1", port=40_000)
    with pytest.raises(UsageError, match=r"is no address of this machine.*RUNGWATCH_SERVICE_HOST"):
        serve(settings, Metrics("1.2.3"), Health())


def test_port_0_means_no_endpoint() -> None:
    assert serve(ServiceSettings(port=0), Metrics("1.2.3"), Health()) is None


def test_the_address_is_that_of_the_settings_and_free_again_afterwards() -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        endpoint = serve(ServiceSettings(host=HOST, port=port), Metrics("1.2.3"), Health())
        assert endpoint is not None
        with endpoint:
            assert endpoint.url == f"http://{HOST}:{port}"
            assert httpx.get(f"{endpoint.url}/healthz", trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{HOST}:{port}/healthz", trust_env=False)


def test_those_who_connect_and_say_nothing_do_not_keep_others_out_for_ever(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.observe.endpoint._Handler.timeout", 0.2)
    silent = [socket.create_connection((HOST, process.endpoint.port)) for _ in range(3 * CONNECTIONS)]
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                assert process.client.get("/healthz").status_code == 200
                break
            except httpx.TransportError:  # hung up on: there are too many at this moment
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        for connection in silent:
            connection.close()


def test_a_scrape_that_fails_is_logged_and_the_next_one_is_answered(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> int:
        raise RuntimeError("queue is gone")

    scoring = ScoringMetrics(process.metrics)
    scoring.watch_decoding(broken)
    with caplog.at_level(logging.WARNING), pytest.raises(httpx.TransportError):
        process.client.get("/metrics")
    assert "A request to the metrics endpoint failed." in caplog.text
    scoring.watch_decoding(lambda: 0)
    assert process.client.get("/metrics").status_code == 200
