"""Where a series of scores falls to another level, and where it does not."""

import pytest

from pipeline.drops import Sample, find_drops


def _samples(scores, half=3.0, bitrates=None, alone=False):
    return [
        Sample(4.0 * n, 4.0 * n + 4, score, half, None if bitrates is None else bitrates[n], alone)
        for n, score in enumerate(scores)
    ]


def test_a_level_series_has_no_drop() -> None:
    assert find_drops(_samples([80, 82, 79, 81, 84, 78])) == []


@pytest.mark.parametrize("scores", [[], [80], [20]])
def test_a_series_too_short_to_have_a_level_has_no_drop(scores) -> None:
    assert find_drops(_samples(scores)) == []


def test_a_fall_to_the_end_has_no_end() -> None:
    (drop,) = find_drops(_samples([84, 85, 84, 41, 40, 42]))
    assert (drop.start_seconds, drop.end_seconds) == (12.0, None)
    assert (drop.usual_score, drop.score) == (84, 41)


def test_a_fall_that_recovers_ends_where_it_recovers() -> None:
    (drop,) = find_drops(_samples([84, 85, 41, 40, 83, 84]))
    assert (drop.start_seconds, drop.end_seconds) == (8.0, 16.0)


def test_a_score_that_wavers_at_the_bar_is_one_drop() -> None:
    (drop,) = find_drops(_samples([84, 85, 60, 74, 58, 74, 60, 84]))
    assert (drop.start_seconds, drop.end_seconds) == (8.0, 28.0)


def test_a_poor_start_is_a_drop_at_the_start() -> None:
    (drop,) = find_drops(_samples([40, 42, 84, 85, 84]))
    assert drop.at_start
    assert (drop.start_seconds, drop.end_seconds, drop.usual_score) == (0.0, 8.0, 84)


def test_two_falls_are_two_drops() -> None:
    starts = [drop.start_seconds for drop in find_drops(_samples([84, 41, 84, 84, 40, 84]))]
    assert starts == [4.0, 16.0]


def test_a_fall_within_the_intervals_is_noise() -> None:
    assert find_drops(_samples([84, 84, 66, 66], half=15)) == []


def test_scores_made_alone_need_a_deeper_fall() -> None:
    assert find_drops(_samples([84, 84, 69, 69]))
    assert find_drops(_samples([84, 84, 69, 69], alone=True)) == []


def test_a_slow_decline_is_followed_and_not_a_drop() -> None:
    assert find_drops(_samples([90 - n for n in range(40)])) == []


def test_a_fall_with_less_than_sixty_per_cent_of_the_bitrate_is_starved() -> None:
    (starved,) = find_drops(_samples([84, 84, 40, 40], bitrates=[1000, 1000, 500, 500]))
    (other,) = find_drops(_samples([84, 84, 40, 40], bitrates=[1000, 1000, 900, 900]))
    (unknown,) = find_drops(_samples([84, 84, 40, 40]))
    assert (starved.starved, other.starved, unknown.starved) == (True, False, False)


def test_of_a_watched_series_a_drop_must_stand_out_of_how_the_scores_swing() -> None:
    swings = [60, 45, 62, 41, 58, 44, 63, 40] * 4
    assert find_drops(_samples([*swings, 35, 34]))
    assert find_drops(_samples([*swings, 35, 34]), watched=True) == []
    (drop,) = find_drops(_samples([*swings, 12, 10]), watched=True)
    assert drop.start_seconds == 4.0 * len(swings)


def test_of_a_series_that_grows_a_low_beginning_is_told_when_enough_is_known() -> None:
    scores = [40] * 3 + [84] * 30
    assert find_drops(_samples(scores[:20]), watched=True, grows=True) == []
    (drop,) = find_drops(_samples(scores), watched=True, grows=True)
    assert (drop.at_start, drop.start_seconds, drop.end_seconds) == (True, 0.0, 12.0)
