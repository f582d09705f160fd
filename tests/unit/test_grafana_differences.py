"""What a plan says of two documents."""

import pytest

from pipeline.grafana.differences import differences


@pytest.mark.parametrize(
    ("wanted", "there", "said"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1}, {"a": 2}, ["a: 2 -> 1"]),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, ['a.b: "y" -> "x"']),
        ({"a": [1, 2]}, {"a": [1]}, ["a: 1 entries -> 2"]),
        ({"a": [{"title": "T", "w": 1}]}, {"a": [{"title": "T", "w": 2}]}, ["a[T].w: 2 -> 1"]),
        ({"a": [{"w": 1}]}, {"a": [{"w": 2}]}, ["a[0].w: 2 -> 1"]),
        ({"a": "x" * 99}, {}, ['a: nothing -> "' + "x" * 58 + "…"]),
        ({"a": 0}, {}, ["a: nothing -> 0"]),
    ],
)
def test_what_differs_is_said_by_its_path(wanted: object, there: object, said: list[str]) -> None:
    assert differences(wanted, there) == said


@pytest.mark.parametrize("empty", [None, "", False, [], {}])
def test_what_is_empty_may_be_left_out(empty: object) -> None:
    assert differences({"a": empty}, {}) == []


def test_what_is_ignored_does_not_count() -> None:
    assert differences({"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 2}}, ignored=("a.b",)) == ["a.c: 2 -> 1"]
