"""Notes on streams in Redis: kept, replaced, removed; the newest of each stream, while their hours are kept."""

from datetime import UTC, datetime, timedelta

import pytest
from services.redis_fixtures import Series

from pipeline.series import AnnotationStore, annotations
from schemas import Annotation

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def store(series: Series) -> AnnotationStore:
    return AnnotationStore(series.link, series.settings)


def note(name: str = "a", minute: float = 0, minutes: float | None = None, stream: str = "news/1 {x}") -> Annotation:
    start = NOW + timedelta(minutes=minute)
    return Annotation(
        annotation_id=name,
        stream_id=stream,
        text="new preset",
        tags=("encoder",),
        start_at=start,
        end_at=None if minutes is None else start + timedelta(minutes=minutes),
        created_at=NOW,
    )


def test_notes_are_read_back_in_order_of_time(store: AnnotationStore) -> None:
    for each in (note("late", 5), note("early", 1), note("other", stream="sport")):
        store.add(each)
    assert store.read("news/1 {x}") == [note("early", 1), note("late", 5)]


def test_a_note_of_the_same_id_is_replaced(store: AnnotationStore) -> None:
    store.add(note("a", 1))
    store.add(note("a", 2))
    assert store.read("news/1 {x}") == [note("a", 2)]


def test_a_range_takes_what_reaches_into_it(store: AnnotationStore) -> None:
    for each in (note("before", 0), note("into", 0, minutes=3), note("in", 2), note("after", 4)):
        store.add(each)
    start, end = ((NOW + timedelta(minutes=minute)).timestamp() for minute in (2, 4))
    assert [each.annotation_id for each in store.read("news/1 {x}", start, end)] == ["into", "in"]


def test_a_note_is_removed_once(store: AnnotationStore) -> None:
    store.add(note())
    assert [store.remove("news/1 {x}", "a"), store.remove("news/1 {x}", "a")] == [True, False]
    assert store.read("news/1 {x}") == []


def test_the_oldest_leave_when_there_are_too_many_or_their_time_is_over(
    store: AnnotationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotations, "ANNOTATIONS_KEPT", 3)
    for minute in range(5):
        store.add(note(str(minute), minute))
    assert [each.annotation_id for each in store.read("news/1 {x}")] == ["2", "3", "4"]
    store.add(note("long ago", -3 * 366 * 1440))
    assert "long ago" not in {each.annotation_id for each in store.read("news/1 {x}")}
