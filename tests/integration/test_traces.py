"""One trace a segment over all processes, received by OTLP; and nothing of OpenTelemetry where it is not asked for."""

import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from command_line import WAIT_SECONDS, Commands, wait_for
from ladder_factory import write_presentation
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.observe.traces import NoTraces, OtelTraces, tracing
from pipeline.settings import TraceSettings
from pipeline.stream.protocol import Done, Message, Partition, Publication
from workers.service.tracing import Work, traced_observer, traced_processor, traced_producer

READY = (("ce_type", b"SegmentReady"), ("ce_id", b"one"))
SCORED = (("ce_type", b"SegmentScored"), ("ce_id", b"one/scored"))


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP at /v1/traces."""

    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        super().__init__(("127.0.0.1", 0), _Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[tuple[str, str, str, str, str, bool]]:
        """Return (trace, span, parent, service, name, is an error)."""
        return [
            (
                span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                next(each.value.string_value for each in of.resource.attributes if each.key == "service.name"),
                span.name, span.status.code == 2,
            )
            for request in list(self.requests) for of in request.resource_spans
            for scope in of.scope_spans for span in scope.spans
        ]  # fmt: skip


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip  # noqa: PLC0415

            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Stored:
    """A producer that keeps what it is sent, and says that it is stored."""

    def __init__(self) -> None:
        self.sent: list[Publication] = []

    def send(self, publication: Publication, done: object) -> None:
        self.sent.append(publication)
        done(None)  # type: ignore[operator]

    def flush(self, timeout_seconds: float) -> None: ...

    def close(self) -> None: ...


def test_every_segment_has_one_trace_from_its_announcement_to_its_point(commands: Commands, tmp_path: Path) -> None:
    media = tmp_path / "film"
    media.mkdir()
    write_presentation(media, seconds=8)
    with collector() as received:
        commands.also(OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_BSP_SCHEDULE_DELAY="200")
        # A worker that was put out while its model took the machine would be given its segments a second time.
        commands.also(RUNGWATCH_KAFKA_SESSION_SECONDS="60")
        with commands.running("worker", "--root", media), commands.running("series", "run"):
            assert commands.run("ingest", media).returncode == 0
            wait_for(commands, 1)
            until = time.monotonic() + WAIT_SECONDS
            while len(by_trace(received)) == 0 or not all(
                "write" in names(each) for each in by_trace(received).values()
            ):
                assert time.monotonic() < until, by_trace(received)
                time.sleep(0.2)
    traces = by_trace(received)
    assert len(traces) > 1
    for spans in traces.values():
        told = names(spans)
        assert [told.count(each) for each in ("announce", "score", "publish", "write")] == [1, 1, 1, 1]
        assert {service for _, _, service, _ in spans} == {"rungwatch-ingest", "rungwatch-worker", "rungwatch-series"}
        ids = {span: name for span, _, _, name in spans}
        parents = {name: ids.get(parent) for _, parent, _, name in spans}
        assert parents["announce"] is None
        assert parents["score"] == "announce"
        assert {parents[name] for name in told if name not in ("announce", "score")} == {"score"}
    stages = [set(names(spans)) for spans in traces.values()]
    assert {"fetch", "decode", "prepare", "model"} <= set.union(*stages)
    assert sum({"fetch", "decode", "model"} <= each for each in stages) >= len(traces) / 2
    assert not any(is_error for *_, is_error in received.spans())


def by_trace(received: Collector) -> dict[str, list[tuple[str, str, str, str]]]:
    found: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for trace, span, parent, service, name, _ in received.spans():
        found[trace].append((span, parent, service, name))
    return found


def names(spans: list[tuple[str, str, str, str]]) -> list[str]:
    return [name for *_, name in spans]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OtelTraces, Collector]]:
    with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        with tracing(TraceSettings(), "test", "1.2.3") as made:
            assert isinstance(made, OtelTraces)
            yield made, received


def test_a_message_carries_the_trace_on_beside_its_other_headers(traces: tuple[OtelTraces, Collector]) -> None:
    made, received = traces
    stored = Stored()
    producer = traced_producer(stored, made)
    producer.send(Publication("segments", "news", b"", READY), lambda error: None)
    work = Work(made)
    message = Message(Partition("segments", 0), 0, "news", b"", stored.sent[0].headers)
    with work.on(message) as carried:
        work.stage("decode", 0.5)
        answer = carried(Done([Publication("scores", "news", b"", SCORED), Publication("findings", "news", b"")]))
    assert isinstance(answer, Done)
    scored, finding = answer.publications
    assert scored.headers[:2] == SCORED
    assert finding.headers == ()
    producer.send(scored, lambda error: None)
    assert stored.sent[1].headers == scored.headers
    made._provider.force_flush()
    trace_ids = {dict(each.headers)["traceparent"].split(b"-")[1].decode() for each in stored.sent}
    assert trace_ids == {trace for trace, *_ in received.spans()}
    assert sorted(name for *_, name, _ in received.spans()) == ["announce", "decode", "publish", "score"]


def test_what_is_not_on_the_way_of_a_segment_has_no_trace(traces: tuple[OtelTraces, Collector]) -> None:
    made, received = traces
    stored = Stored()
    letter = Publication("dead-letters", None, b"", (("ce_type", b"DeadLetter"),))
    traced_producer(stored, made).send(letter, lambda error: None)
    made._provider.force_flush()
    assert stored.sent == [letter]
    assert received.spans() == []


def test_an_error_is_told_by_its_kind_and_not_by_its_words(traces: tuple[OtelTraces, Collector]) -> None:
    made, received = traces
    with Work(made).on(Message(Partition("segments", 0), 0, "news", b"", READY)) as carried:
        carried(ValueError("https://user:hush@host/"))
    made._provider.force_flush()
    assert [is_error for *_, is_error in received.spans()] == [True]
    assert not any(b"hush" in request.SerializeToString() for request in received.requests)


def test_a_header_that_is_no_trace_begins_a_new_one(traces: tuple[OtelTraces, Collector]) -> None:
    made, received = traces
    headers = (*READY, ("traceparent", b"\xff not one"))
    with Work(made).on(Message(Partition("segments", 0), 0, "news", b"", headers)) as carried:
        carried(Done())
    made._provider.force_flush()
    assert [parent for _, _, parent, *_ in received.spans()] == [""]


def test_without_a_collector_everything_is_what_it_was() -> None:
    assert not TraceSettings(endpoint=None, traces_endpoint=None).is_on
    with tracing(TraceSettings(endpoint=None, traces_endpoint=None), "test", "1.2.3") as traces:
        assert isinstance(traces, NoTraces)
        producer, processor, observer = Stored(), object(), object()
        assert traced_producer(producer, traces) is producer
        assert traced_processor(processor, traces, "write") is processor  # type: ignore[arg-type]
        assert traced_observer(observer, Work(traces)) is observer  # type: ignore[arg-type]


def test_the_tracer_and_the_exporter_are_not_imported_where_they_are_not_asked_for() -> None:
    # Other parts of OpenTelemetry are: the client of Redis imports them where they are installed.
    code = (
        "import sys, workers.service.worker, workers.service.series, workers.service.ingesting\n"
        "from pipeline.observe.traces import tracing\nfrom pipeline.settings import TraceSettings\n"
        "with tracing(TraceSettings(), 'test', '1'): pass\n"
        "asked = ('opentelemetry.exporter', 'opentelemetry.sdk.trace')\n"
        "print([name for name in sys.modules if name.startswith(asked)])"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "[]", done.stderr


def test_a_collector_that_is_away_costs_no_more_than_its_spans(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    stored, began = Stored(), time.monotonic()
    with tracing(TraceSettings(), "test", "1.2.3") as traces:
        traced_producer(stored, traces).send(Publication("segments", "news", b"", READY), lambda error: None)
    assert len(stored.sent) == 1
    assert time.monotonic() - began < 20
    caplog.clear()  # what the SDK says of it
