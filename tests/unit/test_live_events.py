"""Events of a live ladder: a rung waits for its reference, not for ever, and all rungs name the same."""

from datetime import UTC, datetime

from pipeline.ingest.live_events import LiveEvents
from pipeline.ingest.presentation import Update
from schemas import Ladder, Rendition, Resource, Rung, Segment, SegmentReady, TimeBasis

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
LADDER = Ladder(
    stream_id="news",
    renditions=tuple(Rendition(rendition_id=f"{height}p", rung=Rung(height_px=height)) for height in (360, 1080, 720)),
)


def segment(rendition: str, number: int, seconds: float = 2.0, start: float | None = None) -> Segment:
    return Segment(
        rendition_id=rendition,
        number=number,
        media=Resource(uri=f"https://host/{rendition}/{number}.ts"),
        start_seconds=NOON + number * seconds if start is None else start,
        duration_seconds=seconds,
        time_basis=TimeBasis.PROGRAM_DATE_TIME,
    )


def update(*segments: Segment, aligned: bool = True, over: bool = False, live: bool = True) -> Update:
    return Update(
        ladder=LADDER,
        aligned_by=TimeBasis.PROGRAM_DATE_TIME if aligned else None,
        segments=segments,
        findings=(),
        is_live=live,
        is_over=over,
        wait_seconds=1.0,
    )


def names(events: list[SegmentReady]) -> list[str]:
    return [f"{event.rendition.rendition_id}/{event.segment.number}" for event in events]


def test_what_came_together_leaves_best_rung_first() -> None:
    events = LiveEvents("news")
    found = events.take(update(segment("360p", 7), segment("720p", 7), segment("1080p", 7)), NOON)
    assert names(found) == ["1080p/7", "720p/7", "360p/7"]
    references = {event.reference.model_dump_json() for event in found if event.reference}
    assert len(references) == 1
    assert found[0].reference is not None
    part = found[0].reference.parts[0]
    assert (part.segment.rendition_id, part.stand_in and part.stand_in.rendition.rendition_id) == ("1080p", "720p")


def test_a_rung_that_is_ahead_waits_for_its_reference() -> None:
    events = LiveEvents("news")
    assert events.take(update(segment("1080p", 6), segment("720p", 6), segment("360p", 6)), NOON)
    assert events.take(update(segment("360p", 7)), NOON + 1) == []
    found = events.take(update(segment("1080p", 7), segment("720p", 7)), NOON + 2)
    assert names(found) == ["1080p/7", "720p/7", "360p/7"]


def test_a_rung_whose_reference_never_comes_goes_alone_after_its_own_duration() -> None:
    events = LiveEvents("news")
    events.take(update(segment("1080p", 6), segment("720p", 6)), NOON)
    assert events.take(update(segment("360p", 7)), NOON) == []
    assert events.take(update(), NOON + 1.9) == []
    (found,) = events.take(update(), NOON + 2.0)
    assert found.reference is None


def test_the_best_rung_does_not_wait_for_ever_for_a_stand_in() -> None:
    events = LiveEvents("news")
    events.take(update(segment("1080p", 6), segment("720p", 6)), NOON)
    assert events.take(update(segment("1080p", 7)), NOON) == []
    (found,) = events.take(update(), NOON + 2.0)
    assert found.reference is not None
    assert found.reference.parts[0].stand_in is None


def test_what_comes_later_names_the_same_reference_as_what_went_before() -> None:
    events = LiveEvents("news")
    events.take(update(segment("1080p", 6), segment("720p", 6)), NOON)
    events.take(update(segment("1080p", 7)), NOON)
    (best,) = events.take(update(), NOON + 2.0)
    later = events.take(update(segment("720p", 7), segment("360p", 7)), NOON + 2.5)
    assert names(later) == ["720p/7", "360p/7"]
    assert all(event.reference == best.reference for event in later)


def test_a_rung_that_is_cut_otherwise_names_every_reference_over_its_span() -> None:
    events = LiveEvents("news")
    long = segment("360p", 0, seconds=4.0, start=NOON)
    best = [segment("1080p", number, start=NOON + 2 * number) for number in (0, 1)]
    assert "360p/0" not in names(events.take(update(long, best[0]), NOON))
    found = events.take(update(best[1]), NOON + 2)
    (low,) = [event for event in found if event.rendition.rendition_id == "360p"]
    assert low.reference is not None
    assert [part.segment.number for part in low.reference.parts] == [0, 1]


def test_rungs_that_cannot_be_aligned_are_not_compared() -> None:
    found = LiveEvents("news").take(update(segment("1080p", 7), segment("360p", 9), aligned=False), NOON)
    assert [event.reference for event in found] == [None, None]


def test_live_events_have_a_deadline_and_on_demand_ones_none() -> None:
    live = LiveEvents("news", late_seconds=30.0).take(update(segment("1080p", 7), over=True), NOON)
    stored = LiveEvents("news", late_seconds=30.0).take(update(segment("1080p", 7), over=True, live=False), NOON)
    assert live[0].deadline == datetime.fromtimestamp(NOON + 30, UTC)
    assert (stored[0].deadline, stored[0].available_at) == (None, None)


def test_at_the_end_nothing_is_held_back() -> None:
    events = LiveEvents("news")
    events.take(update(segment("1080p", 6), segment("720p", 6)), NOON)
    assert names(events.take(update(segment("360p", 7), over=True), NOON)) == ["360p/7"]
