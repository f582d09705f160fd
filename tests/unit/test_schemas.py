"""The messages: bounds, forward compatibility, and the JSON Schema that is handed to other languages."""

import json
from fractions import Fraction

import pytest
from pydantic import ValidationError

from schemas import MESSAGES, Ladder, Rendition, Rung, Segment, SegmentScored, quality_word
from schemas.export import FOLDER, rendered


def test_json_schema_files_are_current() -> None:
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert on_disk == rendered(), "run: python -m schemas.export"


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_message_carries_a_schema_version(name: str) -> None:
    schema = json.loads(rendered()[f"{name}.schema.json"])
    assert schema["properties"]["schema_version"]["default"] == 1


def test_a_field_of_a_newer_writer_is_left_out() -> None:
    rung = Rung.model_validate({"codec": "h264", "schema_version": 7, "film_grain": True})
    assert rung.schema_version == 7
    assert "film_grain" not in rung.model_dump()


def test_frame_rates_stay_exact_through_json() -> None:
    rung = Rung(frame_rate=Fraction(30000, 1001))
    assert json.loads(rung.model_dump_json())["frame_rate"] == "30000/1001"
    assert Rung.model_validate_json(rung.model_dump_json()).frame_rate == Fraction(30000, 1001)


@pytest.mark.parametrize("rate", ["0", "-25", "1/0", "fast", 2000])
def test_impossible_frame_rates_are_refused(rate: object) -> None:
    with pytest.raises(ValidationError):
        Rung.model_validate({"frame_rate": rate})


def test_two_renditions_of_one_id_are_refused() -> None:
    twice = (Rendition(rendition_id="720p"), Rendition(rendition_id="720p"))
    with pytest.raises(ValidationError, match="unique"):
        Ladder(stream_id="film", renditions=twice)


@pytest.mark.parametrize("score", [-0.1, 100.1, float("nan")])
def test_scores_outside_of_the_scale_are_refused(score: float) -> None:
    field = SegmentScored.model_fields["score"]
    assert field.metadata, "the score has bounds"
    with pytest.raises(ValidationError):
        SegmentScored.model_validate({"score": score})


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValidationError, match="start < end"):
        Segment.model_validate(
            {"rendition_id": "a", "number": 0, "media": {"uri": "a"}, "start_seconds": 0, "window_seconds": (2, 1)}
        )


@pytest.mark.parametrize(
    ("score", "word"),
    [(100, "excellent"), (80, "excellent"), (79.9, "good"), (60, "good"), (40, "fair"), (20, "poor"), (0, "bad")],
)
def test_words_beside_the_number(score: float, word: str) -> None:
    assert quality_word(score) == word
