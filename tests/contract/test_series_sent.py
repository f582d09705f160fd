"""What was sent elsewhere, as Redis remembers it, over every kind of Redis."""

from services.redis_fixtures import Series

from pipeline.series.sent import SentStore

STREAM, OTHER = "news/{1} é", "sport"


def store(series: Series, target: str = "one") -> SentStore:
    return SentStore(series.link, series.settings, target, 3600)


def test_what_is_noted_is_known_by_stream_and_key(series: Series) -> None:
    sent = store(series)
    sent.note(STREAM, {"a": "1", "b": "é"})
    sent.note(STREAM, {"a": "2"})
    sent.note(OTHER, {"c": "3"})
    assert sent.known([STREAM, OTHER, "nobody"]) == {STREAM: {"a": "2", "b": "é"}, OTHER: {"c": "3"}, "nobody": {}}


def test_another_target_knows_nothing_of_it(series: Series) -> None:
    store(series).note(STREAM, {"a": "1"})
    assert store(series, "two").known([STREAM]) == {STREAM: {}}


def test_what_is_forgotten_is_gone(series: Series) -> None:
    sent = store(series)
    sent.note(STREAM, {"a": "1", "b": "2"})
    sent.forget(STREAM, ["a", "never"])
    assert sent.known([STREAM]) == {STREAM: {"b": "2"}}


def test_only_one_leads_until_it_resigns_or_is_silent(series: Series) -> None:
    sent = store(series)
    assert sent.lead("one", 60)
    assert not sent.lead("two", 60)
    assert sent.lead("one", 60)
    sent.resign("two")
    assert not sent.lead("two", 60)
    sent.resign("one")
    assert sent.lead("two", 0.001)
    while not sent.lead("one", 60):
        pass
