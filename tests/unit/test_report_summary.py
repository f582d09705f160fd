"""What scores come to: numbers per rendition, and sentences that a person can act on."""

import pytest
from score_factory import MODEL, dead_letter, demo_scores, frozen, ladder, scored, series

from pipeline.report.rendition import Severity, moment_on_axis, rendition_summary
from pipeline.report.summary import headline, in_words, overview, summarise
from schemas import Basis, Finding, FindingKind, TimeBasis


def _notes(scores, kind):
    (stream,) = summarise(scores)
    return [note for note in stream.notes if note.kind == kind]


def test_renditions_are_ordered_by_declaration_and_not_by_score() -> None:
    (stream,) = summarise(
        [
            *series([90, 90], rendition="low", height_px=240, bitrate_bps=300_000),
            *series([20, 20], rendition="high", height_px=1080, bitrate_bps=6_000_000),
        ]
    )
    assert [each.rendition_id for each in stream.renditions] == ["high", "low"]


def test_means_are_weighted_by_duration() -> None:
    summary = rendition_summary(
        [
            scored(90, 0, seconds=6, start=0, bitrate_bps=1_000_000),
            scored(30, 1, seconds=2, start=6, bitrate_bps=5_000_000),
        ]
    )
    assert summary.mean == pytest.approx(75)
    assert summary.bitrate_bps == pytest.approx(2_000_000)
    assert summary.duration_seconds == 8


def test_the_fifth_percentile_is_that_of_all_sampled_frames() -> None:
    segments = [scored(80, number, frame_scores=[80] * 10) for number in range(9)]
    segments.append(scored(60, 9, frame_scores=[10, 20, 30, 40, 50, 60, 70, 80, 80, 80]))
    assert rendition_summary(segments).fifth_percentile == 50  # 5 of 100 frames are at 50 or below


def test_the_worst_moment_is_the_time_of_the_worst_frame() -> None:
    summary = rendition_summary([scored(80, 0), scored(70, 1, frame_scores=[70, 70, 12, 70])])
    assert (summary.worst.score, summary.worst.time_seconds, summary.worst.segment_number) == (12, 6.0, 1)


def test_frames_of_a_transport_stream_that_begins_late_are_put_on_the_axis_of_the_playlist() -> None:
    segment = scored(70, 3, media_start=90_012.0, frame_scores=[70, 70, 12, 70])
    assert moment_on_axis(segment, segment.worst_frame.time_seconds) == pytest.approx(14.0)


def test_a_basis_that_changes_is_mixed() -> None:
    assert rendition_summary([scored(80, 0), scored(80, 1, basis=Basis.ALONE)]).basis == "mixed"


def test_scores_of_two_models_do_not_mix() -> None:
    other = MODEL.model_copy(update={"weights_hash": "fedcba9876543210"})
    with pytest.raises(ValueError, match="one model"):
        rendition_summary([scored(80, 0), scored(80, 1, model=other)])


def test_a_still_has_a_summary_without_bitrate_and_duration() -> None:
    (stream,) = summarise([scored(80, 0, seconds=0, bitrate_bps=None, stream="photo.png", rendition="photo")])
    assert stream.renditions[0].bitrate_bps is None
    assert stream.renditions[0].mean == 80
    assert "photo.png: 80 (excellent)" in overview(stream)


def test_a_freeze_over_two_segments_is_one_sentence() -> None:
    (note,) = _notes(demo_scores(), "frozen")
    assert note.text == "540p stands still from 6 s to 12 s while the others move; the score falls from 84 to 44."
    assert note.spans_seconds == ((6.0, 12.0),)
    assert note.severity is Severity.PROBLEM


def test_a_freeze_of_all_renditions_points_to_the_source() -> None:
    scores = [
        scored(80, number, rendition=name, height_px=height, findings=[frozen(4.0, 4.0)] if number == 1 else [])
        for name, height in (("a", 720), ("b", 360))
        for number in range(3)
    ]
    (note,) = _notes(scores, "frozen")
    assert note.text == "All renditions stand still from 4 s to 8 s: look at the source, before the encoders."
    assert note.rendition_ids == ("a", "b")


def test_a_starved_rung_is_told_with_its_bitrates() -> None:
    (note,) = _notes(demo_scores(), "starved")
    assert note.text == (
        "360p: from 12 s on the score falls from 71 to 33, and the bitrate from 700 kbit/s to 130 kbit/s."
    )
    assert note.spans_seconds == ((12.0, 24.0),)


def test_a_fall_of_the_whole_ladder_is_one_note() -> None:
    scores = [
        *series([90, 90, 50, 50], rendition="a", height_px=720, bitrate_bps=3_000_000),
        *series([80, 80, 35, 35], rendition="b", height_px=360, bitrate_bps=1_000_000),
    ]
    (note,) = _notes(scores, "drop")
    assert note.text.startswith("All renditions fall from 8 s on (a from 90 to 50)")


def test_other_findings_keep_their_own_words_and_are_counted() -> None:
    damaged = [Finding(kind=FindingKind.DAMAGED, text="3 pictures are damaged")]
    (note,) = _notes([scored(80, number, findings=damaged if number else []) for number in range(4)], "damaged")
    assert note.text == "demo at 4 s: 3 pictures are damaged (and in 2 more segments)."


def test_a_declared_rendition_without_scores_is_named() -> None:
    (stream,) = summarise(demo_scores(), [ladder("demo", "720p", "540p", "360p", "216p", "144p")])
    assert "144p: no segment could be scored." in in_words(stream)


def test_the_headline_names_the_renditions_with_problems() -> None:
    assert headline(summarise(demo_scores())) == "2 of 4 renditions have problems: 540p and 360p."


def test_the_headline_says_how_much_could_not_be_scored() -> None:
    clean = summarise(series([90, 91, 90], stream="a.mp4", rendition="a"))
    assert headline(clean, [dead_letter()]) == "a.mp4 is excellent: 90 of 100. 1 input could not be scored."
    assert headline([], [dead_letter()]) == "Nothing could be scored."


def test_live_times_are_told_as_wall_clock() -> None:
    live = [
        each.model_copy(
            update={"start_seconds": each.start_seconds + 1_767_225_600, "time_basis": TimeBasis.PROGRAM_DATE_TIME}
        )
        for each in demo_scores()
    ]
    (note,) = _notes(live, "starved")
    assert note.text.startswith("360p: from 00:00:12 UTC on the score falls from 71 to 33")


def test_names_cannot_steer_a_terminal() -> None:
    (stream,) = summarise(series([90, 90], stream="\x1b[2Jevil\n", rendition="\x1b]0;x\x07"))
    assert all(line.isprintable() for line in in_words(stream))
