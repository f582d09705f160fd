"""Rungs out of order, and rungs that add nothing."""

from score_factory import demo_scores, frozen, scored, series

from pipeline.report.summary import summarise
from schemas import Basis


def _texts(scores, kind):
    (stream,) = summarise(scores)
    return [note.text for note in stream.notes if note.kind == kind]


def _two(dear, cheap, *, half=3.0, dear_codec="h264", cheap_codec="h264", dear_bps=3_000_000):
    return [
        *series(dear, rendition="dear", height_px=720, codec=dear_codec, bitrate_bps=dear_bps, half=half),
        *series(cheap, rendition="cheap", height_px=540, codec=cheap_codec, bitrate_bps=1_500_000, half=half),
    ]


def test_a_ladder_in_order_has_no_inversion() -> None:
    assert _texts(_two([90, 91, 90], [80, 79, 81]), "inverted") == []


def test_a_dearer_rung_that_looks_worse_is_inverted() -> None:
    assert _texts(_two([70, 71, 69], [80, 79, 81]), "inverted") == [
        "dear at 3.00 Mbit/s looks worse than cheap at 1.50 Mbit/s: 70 against 80."
    ]


def test_an_inversion_of_a_part_says_where() -> None:
    assert _texts(demo_scores(), "inverted") == [
        "360p at 700 kbit/s looks worse than 216p at 300 kbit/s from 12 s on: 33 against 48."
    ]


def test_only_the_inverted_part_is_told_where_the_rest_is_in_order() -> None:
    assert _texts(_two([90, 90, 20, 20, 20], [80, 80, 80, 80, 80]), "inverted") == [
        "dear at 3.00 Mbit/s looks worse than cheap at 1.50 Mbit/s from 8 s on: 20 against 80."
    ]


def test_a_difference_within_the_noise_is_no_inversion() -> None:
    assert _texts(_two([76], [80]), "inverted") == []  # 4 points, noise 2 + 4.2


def test_the_noise_shrinks_with_the_number_of_segments() -> None:
    assert len(_texts(_two([76] * 25, [80] * 25), "inverted")) == 1  # 4 points, noise 2 + 0.85


def test_a_newer_codec_that_gives_more_for_less_is_no_inversion() -> None:
    assert _texts(_two([70] * 3, [80] * 3, cheap_codec="av1"), "inverted") == []
    assert len(_texts(_two([70] * 3, [80] * 3, dear_codec="av1"), "inverted")) == 1


def test_a_newer_codec_does_not_explain_a_rung_at_five_times_the_bitrate() -> None:
    scores = _two([70] * 3, [80] * 3, cheap_codec="hevc", dear_bps=7_500_000)
    assert len(_texts(scores, "inverted")) == 1


def test_a_rung_is_not_ordered_against_its_own_reference() -> None:
    dear = series([60] * 5, rendition="dear", height_px=720, basis=Basis.ALONE)
    cheap = series([90] * 5, rendition="cheap", height_px=540, bitrate_bps=1_500_000, reference="dear")
    assert _texts([*dear, *cheap], "inverted") == []
    alone = series([90] * 5, rendition="cheap", height_px=540, bitrate_bps=1_500_000, basis=Basis.ALONE)
    assert len(_texts([*dear, *alone], "inverted")) == 1


def test_a_frozen_span_is_not_also_an_inversion() -> None:
    scores = [
        *(
            scored(20 if n == 1 else 90, n, rendition="dear", findings=[frozen(4, 4)] if n == 1 else [])
            for n in range(3)
        ),
        *series([80, 80, 80], rendition="cheap", height_px=360, bitrate_bps=800_000),
    ]
    assert _texts(scores, "inverted") == []


def test_rungs_of_other_segment_lengths_are_compared_over_the_same_time() -> None:
    scores = [
        *(scored(60, n, rendition="dear", seconds=2, start=2 * n) for n in range(6)),
        *(scored(85, n, rendition="cheap", height_px=360, bitrate_bps=800_000, seconds=6, start=6 * n) for n in (0, 1)),
    ]
    assert len(_texts(scores, "inverted")) == 1


def test_a_rung_within_one_noticeable_difference_adds_nothing() -> None:
    (text,) = _texts(_two([84, 84, 84], [80, 80, 80]), "adds_nothing")
    assert text.startswith("dear costs 2.0 times the bitrate of cheap and gains 4.0 points")


def test_a_rung_that_costs_little_more_is_left_alone() -> None:
    assert _texts(_two([84, 84, 84], [80, 80, 80], dear_bps=1_600_000), "adds_nothing") == []
