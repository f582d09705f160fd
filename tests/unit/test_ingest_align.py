"""Segments of a rung find those of the reference over the same span."""

from pipeline.ingest import overlapping
from schemas import Resource, Segment, TimeBasis


def segments(
    *durations: float,
    first: int = 0,
    start: float = 0.0,
    basis: TimeBasis = TimeBasis.MEDIA_TIME,
    discontinuity: int = 0,
) -> list[Segment]:
    made = []
    for index, duration in enumerate(durations):
        made.append(
            Segment(
                rendition_id="r",
                number=first + index,
                media=Resource(uri=f"{first + index}.ts"),
                discontinuity_sequence=discontinuity,
                start_seconds=start,
                duration_seconds=duration or None,
                time_basis=basis,
            )
        )
        start += duration
    return made


def numbers(found: tuple[Segment, ...]) -> list[int]:
    return [segment.number for segment in found]


def test_equal_numbers_are_taken_where_the_spans_agree() -> None:
    assert numbers(overlapping(segments(4, 4, 4)[1], segments(4.1, 4.1, 3.9))) == [1]


def test_time_decides_where_equal_numbers_are_other_spans() -> None:
    reference = segments(4, 4, 4, 4, first=10)
    assert numbers(overlapping(segments(4, 4, 4, 4, first=11)[2], reference)) == [12]


def test_a_long_segment_takes_all_short_ones_below_it() -> None:
    assert numbers(overlapping(segments(6, 6)[1], segments(*[2] * 6))) == [3, 4, 5]


def test_a_short_segment_takes_the_long_one_around_it() -> None:
    assert numbers(overlapping(segments(*[2] * 6)[4], segments(6, 6))) == [1]


def test_an_overlap_within_the_tolerance_is_none() -> None:
    reference = segments(1.985, 2.0, 2.0)
    assert numbers(overlapping(segments(2.0, 2.0, first=7)[0], reference)) == [0]
    assert numbers(overlapping(segments(2.0, 2.0, first=7)[0], reference, tolerance_seconds=0.001)) == [0, 1]


def test_nothing_is_found_where_the_reference_has_ended() -> None:
    assert overlapping(segments(4, 4, 4)[2], segments(4, 4)) == ()


def test_an_equal_number_in_another_discontinuity_is_another_segment() -> None:
    assert overlapping(segments(4, first=3)[0], segments(4, first=3, start=100.0, discontinuity=1)) == ()


def test_other_time_axes_are_not_compared() -> None:
    assert overlapping(segments(4, 4)[0], segments(4, 4, basis=TimeBasis.PROGRAM_DATE_TIME)) == ()


def test_by_sequence_only_equal_numbers_count() -> None:
    sequence = TimeBasis.SEQUENCE
    reference = segments(4, 4, 4, basis=sequence)
    assert numbers(overlapping(segments(4, 0, basis=sequence)[1], reference)) == [1]
    assert overlapping(segments(4, first=9, basis=sequence)[0], reference) == ()


def test_segments_without_duration_agree_only_at_the_same_start() -> None:
    assert numbers(overlapping(segments(0)[0], segments(0))) == [0]
    assert overlapping(segments(0)[0], segments(0, start=5.0)) == ()
