"""One trace a segment, from its announcement to its point; the only importer of OpenTelemetry, and only when asked.

It is on where OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) is set and the extra `traces` is
installed. Everything else is set by the variables of OpenTelemetry itself, which its SDK reads: OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SDK_DISABLED and so on.
"""

import importlib.util
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pipeline.settings import TraceSettings

if TYPE_CHECKING:
    from opentelemetry import trace as otel
    from opentelemetry.context import Context

log = logging.getLogger(__name__)

CARRIED = frozenset({"traceparent", "tracestate"})
"""The headers of W3C Trace Context."""
FLUSH_MS = 5000
"""At the end of a process, for spans that are on their way."""
_NS = 1_000_000_000

Headers = tuple[tuple[str, bytes], ...]
Attributes = dict[str, str | int | float | bool]


class Span(Protocol):
    """Something that lasts."""

    def headers(self) -> Headers:
        """Return what makes the receiver of a message a child of this."""

    def end(self, error: BaseException | None = None) -> None: ...


class Traces(Protocol):
    """All methods may be called from any thread."""

    is_on: bool

    def begin(self, name: str, headers: Iterable[tuple[str, bytes]], attributes: Attributes) -> Span:
        """Return a span that has begun, as a child of the one that the headers of a message carry, if any."""

    def child(self, span: Span, name: str, seconds: float) -> None:
        """Tell of a part of a span that took so long and is over just now."""

    def close(self) -> None:
        """Send what is on its way."""


class NoSpan:
    def headers(self) -> Headers:
        return ()

    def end(self, error: BaseException | None = None) -> None: ...


class NoTraces:
    """Tells nobody."""

    is_on = False

    def begin(self, name: str, headers: Iterable[tuple[str, bytes]], attributes: Attributes) -> Span:
        return _NO_SPAN

    def child(self, span: Span, name: str, seconds: float) -> None: ...

    def close(self) -> None: ...


_NO_SPAN = NoSpan()


@contextmanager
def tracing(settings: TraceSettings, service: str, version: str) -> Iterator[Traces]:
    """Yield what tells of spans, and send the last ones at the end. `service`: where OTEL_SERVICE_NAME says none."""
    traces = _traces(settings, service, version)
    try:
        yield traces
    finally:
        traces.close()


def _traces(settings: TraceSettings, service: str, version: str) -> Traces:
    if not settings.is_on:
        return NoTraces()
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        log.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra `traces` is not installed, so no traces are sent: "
            "pip install 'rungwatch[traces]', or unset it."
        )
        return NoTraces()
    return OtelTraces(service, version)


class OtelTraces:
    """Sends spans by OTLP over HTTP, in batches, from a thread of its own; what cannot be sent is dropped and said."""

    is_on = True

    def __init__(self, service: str, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource.create()
        if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": service}))
        # A provider of our own, not the one of the whole process: that belongs to whoever embeds us.
        self._provider = TracerProvider(resource=resource.merge(Resource({"service.version": version})))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("rungwatch", version)
        log.info("A trace of every segment is sent by OpenTelemetry.")

    def begin(self, name: str, headers: Iterable[tuple[str, bytes]], attributes: Attributes) -> Span:
        """See `Traces.begin`."""
        from opentelemetry import context  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        carrier = {key: value.decode("ascii", "replace") for key, value in headers if key in CARRIED}
        parent = TraceContextTextMapPropagator().extract(carrier, context.Context())
        return _OtelSpan(self._tracer.start_span(name, parent, attributes=attributes))

    def child(self, span: Span, name: str, seconds: float) -> None:
        """See `Traces.child`."""
        if not isinstance(span, _OtelSpan):
            return
        now_ns = time.time_ns()
        made = self._tracer.start_span(name, span.context(), start_time=now_ns - int(seconds * _NS))
        made.end(now_ns)

    def close(self) -> None:
        """See `Traces.close`."""
        self._provider.force_flush(FLUSH_MS)
        self._provider.shutdown()


class _OtelSpan:
    def __init__(self, span: "otel.Span") -> None:
        self._span = span

    def context(self) -> "Context":
        from opentelemetry import context  # noqa: PLC0415
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

        return set_span_in_context(self._span, context.Context())

    def headers(self) -> Headers:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, self.context())
        return tuple((key, value.encode("ascii")) for key, value in carrier.items())

    def end(self, error: BaseException | None = None) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        if error is not None:
            # Only the kind: the text of an error may carry an address that is nobody else's business.
            self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._span.end()
