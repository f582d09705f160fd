"""What is announced: remembered over restarts, sent again while the bus is away, and read back from dead letters."""

import base64
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import Transient, Unavailable, UsageError
from pipeline.observe.ingest import IngestMetrics
from pipeline.observe.metrics import Metrics
from pipeline.stream.protocol import Message, Partition, Publication
from pipeline.stream.topics import Topics
from schemas import DeadLetter, Rendition, Resource, Segment, SegmentReady
from schemas.record import Record
from workers.service import outbox, sink
from workers.service.announced import Announced
from workers.service.letters import Wanted, letters, publications
from workers.service.outbox import OneShot, Patient
from workers.service.sources import SourceSpec, SourceState, read_sources, read_states, write_states


def event(uri: str = "https://host/7.ts", number: int = 7) -> SegmentReady:
    segment = Segment(rendition_id="720p", number=number, media=Resource(uri=uri), start_seconds=14.0)
    return SegmentReady(stream_id="news", rendition=Rendition(rendition_id="720p"), segment=segment)


def test_what_was_announced_is_known_after_a_restart(tmp_path: Path) -> None:
    before = Announced(tmp_path / "announced.sqlite", "nano")
    assert event() not in before
    before.add(event())
    before.close()
    after = Announced(tmp_path / "announced.sqlite", "nano")
    assert event() in after
    assert event(number=8) not in after
    after.close()


def test_with_other_scores_in_mind_everything_is_new(tmp_path: Path) -> None:
    nano = Announced(tmp_path / "announced.sqlite", "nano")
    nano.add(event())
    other = Announced(tmp_path / "announced.sqlite", "small")
    assert event() not in other
    nano.close()
    other.close()


def test_a_local_file_that_was_written_anew_is_new(tmp_path: Path) -> None:
    media = tmp_path / "7.ts"
    media.write_bytes(b"old")
    known = Announced(tmp_path / "announced.sqlite", "nano")
    known.add(event(media.as_uri()))
    assert event(media.as_uri()) in known
    media.write_bytes(b"newer")
    assert event(media.as_uri()) not in known
    known.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "announced.sqlite").write_text("not a database at all, and long enough to be looked at")
    with pytest.raises(UsageError, match=r"announced\.sqlite cannot be used"):
        Announced(tmp_path / "announced.sqlite", "nano")


class Flaky:
    """Implements `Producer`: stores nothing for the first `failures` times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.stored: list[bytes] = []

    def send(self, publication: Publication, done: Callable[[Exception | None], None]) -> None:
        if self.failures:
            self.failures -= 1
            done(Unavailable("away"))
        else:
            self.stored.append(publication.value)
            done(None)

    def flush(self, timeout_seconds: float) -> None: ...

    def close(self) -> None: ...


def test_a_process_that_stays_sends_until_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_AGAIN_SECONDS", 0.01)
    bus, told = Flaky(3), []
    stored = threading.Event()
    Patient(bus).send(Publication("segments", "news", b"7"), lambda: told.append(7) or stored.set())
    assert stored.wait(30)
    assert (bus.stored, told) == ([b"7"], [7])


def test_a_command_that_ends_says_that_something_was_not_stored() -> None:
    box, told = OneShot(Flaky(1)), []
    box.send(Publication("segments", "news", b"7"), lambda: told.append(7))
    with pytest.raises(Transient, match="run the same again"):
        box.flush()
    assert told == []


class Place(Record):
    """Stands where a position of a presentation stands."""

    number: int


def test_a_place_is_kept_once_all_before_it_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "_HELD_SECONDS", 0.0)
    unstored: list[Callable[[], None]] = []

    class Slow:
        """Implements `Outbox`: stores when the test says so."""

        def send(self, sent: Publication, stored: Callable[[], None] = lambda: None) -> None:
            unstored.append(stored)

    news = SourceSpec(id="news", url="https://host/news.m3u8?token=secret")
    with closing(Announced(tmp_path / "announced.sqlite", "nano")) as known:
        metrics = IngestMetrics(Metrics("1.0"))
        bus = sink.BusSink(Slow(), Topics("rungwatch."), "test", known, lambda _: None, metrics)
        bus.event(event(number=7))
        bus.looked(news, Place(number=7))
        assert known.position(news.id, news.url) is None
        unstored.pop()()
        bus.looked(news, Place(number=8))
        assert Place.model_validate_json(known.position(news.id, news.url) or "") == Place(number=8)
        assert known.position("other", news.url) is None
    assert b"secret" not in (tmp_path / "announced.sqlite").read_bytes()


def letter(original: bytes | None, minute: int, reason: str = "not_found", origin: str = "segments/3/12") -> Message:
    found = DeadLetter(
        origin=origin,
        stream_id="news",
        reason=reason,
        message="not there",
        rejected_at=datetime(2026, 3, 1, 12, minute, tzinfo=UTC),
        original_base64=None if original is None else base64.b64encode(original).decode(),
    )
    return Message(Partition("dead-letters", 0), minute, "news", found.model_dump_json().encode())


def test_a_letter_goes_back_to_where_it_came_from_byte_for_byte() -> None:
    original = event().model_dump_json().encode()
    ((_, again),) = publications(letters([letter(original, 0)], Wanted()), "replay")
    assert again is not None
    assert (again.topic, again.key, again.value) == ("segments", "news", original)
    assert dict(again.headers)["ce_type"] == b"SegmentReady"


def test_an_event_that_failed_twice_comes_back_once() -> None:
    found = letters([letter(b"one", 0), letter(b"two", 1), letter(b"one", 2)], Wanted())
    assert [each.rejected_at.minute for each in found] == [1, 2]


def test_only_the_wanted_letters_are_taken() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    all_of_them = [letter(b"a", 0), letter(b"b", 5, "damaged"), letter(b"c", 9)]
    assert [each.reason for each in letters(all_of_them, Wanted(reason="damaged"))] == ["damaged"]
    assert len(letters(all_of_them, Wanted(since=noon.replace(minute=5)))) == 2
    assert letters(all_of_them, Wanted(stream_id="sport")) == []


def test_a_letter_without_an_event_has_nothing_to_bring_back() -> None:
    messages = [letter(None, 0, origin="/media/song.mp3"), letter(b"x", 1, origin="https://host/a/1/2")]
    assert [again for _, again in publications(letters(messages, Wanted()), "replay")] == [None, None]


def test_a_message_that_is_no_letter_is_passed_over() -> None:
    assert letters([Message(Partition("dead-letters", 0), 0, None, b"not json")], Wanted()) == []


def test_sources_are_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text("sources:\n  - {id: news, url: 'https://host/a.m3u8'}\n  - {id: sport, url: b.mpd, basis: alone}\n")
    assert [(source.id, source.basis) for source in read_sources(path)] == [("news", "auto"), ("sport", "alone")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: [", "not YAML"),
        ("sources: []", "sources"),
        ("sources: [{id: a}]", r"sources\.0\.url"),
        ("sources: [{id: a, url: b, colour: red}]", "colour"),
        ("sources: [{id: a, url: b}, {id: a, url: c}]", "given twice"),
        ("- a\n- b", "the whole file"),
    ],
)
def test_a_wrong_file_of_sources_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_sources(path)


def test_states_are_read_back_by_another_process(tmp_path: Path) -> None:
    states = [SourceState(id="news", url="https://host/a.m3u8", state="following", announced=7)]
    write_states(tmp_path / "sources.json", states)
    assert read_states(tmp_path / "sources.json") == states
    with pytest.raises(UsageError, match="rungwatch ingest"):
        read_states(tmp_path / "nothing.json")
