"""Spans around messages: the context of a trace travels in their headers, beside those of CloudEvents."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from pipeline.observe.traces import CARRIED, Attributes, NoTraces, Span, Traces
from pipeline.stream.protocol import Answer, Done, Headers, Message, Processor, Producer, Publication
from schemas import Basis
from workers.service.observer import PictureFate, Stage, WorkObserver

TRACED = frozenset({b"SegmentReady", b"SegmentScored", b"SegmentSkipped"})
"""By `ce_type`: what is on the way of a segment; findings and dead letters are not."""


def traced_producer(producer: Producer, traces: Traces) -> Producer:
    """Return a producer that tells how long messages of segments take until they are stored."""
    return _TracedProducer(producer, traces) if traces.is_on else producer


def traced_processor(processor: Processor, traces: Traces, name: str) -> Processor:
    """Return a processor that tells, as span `name`, how long messages of segments take until they are dealt with."""
    return _TracedProcessor(processor, traces, name) if traces.is_on else processor


def traced_observer(observer: WorkObserver, work: "Work") -> WorkObserver:
    """Return an observer that tells the stages of a segment to its trace as well."""
    return _TracedObserver(observer, work) if work.traces.is_on else observer


class Work:
    """The span of the segment that a thread works on: its stages become parts of it."""

    def __init__(self, traces: Traces | None = None) -> None:
        self.traces: Traces = traces or NoTraces()
        self._here = threading.local()

    @contextmanager
    def on(self, message: Message) -> Iterator[Callable[[Answer], Answer]]:
        """Yield what an answer is passed through: its messages then carry the trace on."""
        if not self.traces.is_on:
            yield _unchanged
            return
        span = self.traces.begin("score", message.headers, _attributes(message.partition.topic, message))
        self._here.span = span
        answers: list[Answer] = []

        def carried(answer: Answer) -> Answer:
            answers.append(answer)
            if not isinstance(answer, Done):
                return answer
            return replace(answer, publications=[_with(each, span) for each in answer.publications])

        try:
            yield carried
        finally:
            self._here.span = None
            span.end(next((each for each in answers if isinstance(each, BaseException)), None))

    def stage(self, name: str, seconds: float) -> None:
        span: Span | None = getattr(self._here, "span", None)
        if span is not None:
            self.traces.child(span, name, seconds)


def _unchanged(answer: Answer) -> Answer:
    return answer


class _TracedProducer:
    """The first message of a segment begins its trace; those that carry one have their way told as a part of it."""

    def __init__(self, producer: Producer, traces: Traces) -> None:
        self._producer, self._traces = producer, traces

    def send(self, publication: Publication, done: Callable[[Exception | None], None]) -> None:
        if not _is_traced(publication.headers):
            self._producer.send(publication, done)
            return
        is_first = not any(key in CARRIED for key, _ in publication.headers)
        name = "announce" if is_first else "publish"
        span = self._traces.begin(name, publication.headers, _attributes(publication.topic, publication))

        def stored(error: Exception | None) -> None:
            span.end(error)
            done(error)

        try:
            self._producer.send(_with(publication, span) if is_first else publication, stored)
        except BaseException as error:
            span.end(error)
            raise

    def flush(self, timeout_seconds: float) -> None:
        self._producer.flush(timeout_seconds)

    def close(self) -> None:
        self._producer.close()


class _TracedProcessor:
    def __init__(self, processor: Processor, traces: Traces, name: str) -> None:
        self._processor, self._traces, self._name = processor, traces, name

    def room(self) -> int:
        return self._processor.room()

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        if not _is_traced(message.headers):
            self._processor.start(message, answer)
            return
        span = self._traces.begin(self._name, message.headers, _attributes(message.partition.topic, message))

        def answered(given: Answer) -> None:
            span.end(given if isinstance(given, BaseException) else None)
            answer(given)

        self._processor.start(message, answered)

    def close(self) -> None:
        self._processor.close()


class _TracedObserver:
    """Tells the stages to the work of this thread; all else only to the observer within."""

    def __init__(self, observer: WorkObserver, work: Work) -> None:
        self._observer, self._work = observer, work

    def stage(self, name: Stage, seconds: float) -> None:
        self._observer.stage(name, seconds)
        self._work.stage(name, seconds)

    def sheet(self, *, hit: bool) -> None:
        self._observer.sheet(hit=hit)

    def batch(self, clips: int, busy_seconds: float) -> None:
        self._observer.batch(clips, busy_seconds)

    def waiting(self, clips: int) -> None:
        self._observer.waiting(clips)

    def scored(self, basis: Basis, *, delay_seconds: float | None) -> None:
        self._observer.scored(basis, delay_seconds=delay_seconds)

    def skipped(self) -> None:
        self._observer.skipped()

    def picture(self, fate: PictureFate) -> None:
        self._observer.picture(fate)


def _with(publication: Publication, span: Span) -> Publication:
    """Return a message of a segment that carries a span; any other unchanged."""
    if not _is_traced(publication.headers):
        return publication
    rest: Headers = tuple(each for each in publication.headers if each[0] not in CARRIED)
    return replace(publication, headers=rest + span.headers())


def _is_traced(headers: Headers) -> bool:
    return any(key == "ce_type" and value in TRACED for key, value in headers)


def _attributes(topic: str, of: Message | Publication) -> Attributes:
    told: Attributes = {"messaging.system": "kafka", "messaging.destination.name": topic}
    if of.key is not None:
        told["rungwatch.stream"] = of.key
    for key, value in of.headers:
        if key == "ce_id":
            told["messaging.message.id"] = value.decode(errors="replace")
    return told
