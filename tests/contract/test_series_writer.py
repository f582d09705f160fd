"""What becomes of messages on their way into the series."""

import threading
import time
from collections.abc import Iterator

import pytest
from score_factory import scored
from series_factory import skipped
from services.redis_fixtures import Series
from services.redis_server import RedisServer

from pipeline.errors import BadEvent, Unavailable
from pipeline.series import SeriesStore, Written, connect
from pipeline.stream.protocol import Answer, Done, Message, Partition
from schemas import Basis, QualityPoint, Record, SegmentReady, SegmentScored
from workers.service.series_writer import SeriesProcessor


class Answers:
    def __init__(self) -> None:
        self.got: dict[int, Answer] = {}
        self._changed = threading.Condition()

    def to(self, number: int) -> object:
        def answer(answer: Answer) -> None:
            with self._changed:
                assert number not in self.got
                self.got[number] = answer
                self._changed.notify_all()

        return answer

    def wait(self, count: int) -> list[Answer]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, 30)
        return [self.got[number] for number in sorted(self.got)]


def message(record: Record | bytes, *, named: bool = True, topic: str = "scores", kind: str | None = None) -> Message:
    value = record if isinstance(record, bytes) else record.model_dump_json().encode()
    headers = (("ce_type", (kind or type(record).__name__).encode()),) if named else ()
    return Message(Partition(topic, 0), 7, "demo", value, headers)


@pytest.fixture
def processor(series7: Series) -> Iterator[SeriesProcessor]:
    made = SeriesProcessor(series7.store, skipped_topic="skipped")
    yield made
    made.close()


def send(processor: SeriesProcessor, *messages: Message) -> list[Answer]:
    answers = Answers()
    for number, each in enumerate(messages):
        processor.start(each, answers.to(number))  # type: ignore[arg-type]
    return answers.wait(len(messages))


def test_a_score_becomes_a_point(processor: SeriesProcessor, series7: Series) -> None:
    one = scored(81.25, 3, basis=Basis.ALONE)
    assert send(processor, message(one)) == [Done()]
    [point] = series7.queries.points("demo", "720p")
    assert point.raw == QualityPoint.of(one)


def test_a_skipped_segment_is_noted(processor: SeriesProcessor, series7: Series) -> None:
    assert send(processor, message(skipped(4))) == [Done()]
    assert series7.queries.skipped("demo") == [skipped(4)]


def test_without_a_header_the_topic_says_what_it_is(processor: SeriesProcessor, series7: Series) -> None:
    send(processor, message(skipped(4), named=False, topic="skipped"), message(scored(80), named=False))
    assert len(series7.queries.skipped("demo")) == 1
    assert len(series7.queries.points("demo", "720p")) == 1


@pytest.mark.parametrize(
    "bad",
    [
        message(b"{", kind="SegmentScored"),
        message(b"", named=False),
        message(b'{"score": 101}', kind="SegmentScored"),
        message(b"\xff\xfe", kind="SegmentSkipped"),
        message(b"{}", kind="SegmentReady"),
    ],
)
def test_a_message_that_is_none_is_a_bad_event_and_those_beside_it_are_written(
    processor: SeriesProcessor, series7: Series, bad: Message
) -> None:
    answers = send(processor, message(scored(80, 1)), bad, message(scored(80, 2)))
    assert isinstance(answers[1], BadEvent)
    assert [answers[0], answers[2]] == [Done(), Done()]
    assert len(series7.queries.points("demo", "720p")) == 2


def test_another_record_is_a_bad_event(processor: SeriesProcessor) -> None:
    [answer] = send(processor, message(b"{}", kind=SegmentReady.__name__))
    assert isinstance(answer, BadEvent)
    assert "scores/0/7" in str(answer)


def test_redis_away_answers_unavailable_and_the_next_try_is_written(series7: Series) -> None:
    with RedisServer() as server:
        settings = series7.settings.model_copy(update={"url": type(series7.settings.url)(server.url)})
        link = connect(settings)
        processor = SeriesProcessor(SeriesStore(link, settings), skipped_topic="skipped")
        server.stop()
        answers = send(processor, message(scored(80, 1)), message(skipped(4)), message(b"{", kind="SegmentScored"))
        assert [type(answer) for answer in answers] == [Unavailable, Unavailable, BadEvent]
        server.start()
        assert send(processor, message(scored(80, 1)), message(skipped(4))) == [Done(), Done()]
        processor.close()
        link.close()


class SlowStore:
    """Takes its time, so that messages gather."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go_on = threading.Event()

    def write(self, points: object) -> Written:
        self.sizes.append(len(points))  # type: ignore[arg-type]
        assert self.go_on.wait(30)
        return Written()

    def skip(self, skipped: object) -> int:
        return 0


def test_what_waits_is_written_together_and_one_alone_at_once() -> None:
    store = SlowStore()
    processor = SeriesProcessor(store, skipped_topic="skipped", most_at_once=10)
    answers = Answers()
    one = message(scored(80))
    assert processor.room() == 10
    processor.start(one, answers.to(0))  # type: ignore[arg-type]
    until = time.monotonic() + 30
    while not store.sizes and time.monotonic() < until:
        time.sleep(0.005)
    for number in range(1, 26):
        processor.start(one, answers.to(number))  # type: ignore[arg-type]
    assert processor.room() == 0
    store.go_on.set()
    answers.wait(26)
    assert store.sizes == [1, 10, 10, 5]
    assert processor.room() == 10
    processor.close()


def test_an_error_that_nobody_thought_of_is_the_answer() -> None:
    class Broken(SlowStore):
        def write(self, points: object) -> Written:
            raise ZeroDivisionError

    processor = SeriesProcessor(Broken(), skipped_topic="skipped")
    [answer] = send(processor, message(scored(80)))
    assert isinstance(answer, ZeroDivisionError)
    processor.close()


def test_what_was_redelivered_is_one_point(processor: SeriesProcessor, series7: Series) -> None:
    one: SegmentScored = scored(80)
    send(processor, *[message(one)] * 50)
    assert len(series7.queries.points("demo", "720p")) == 1
    [hour] = series7.queries.points("demo", "720p", resolution="hour")
    assert hour.count == 1
