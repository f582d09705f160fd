"""The reference's sheets: stored, bounded in memory, and joined where segments are cut otherwise."""

from fractions import Fraction

import numpy as np
import pytest

from pipeline.clip import Anchor, DifferenceSeries
from workers.measured import Measured
from workers.models.facts import FACTS
from workers.models.measure import FIRST, FRAME
from workers.sheets import Sheet, SheetStore, join


def sheet_at(start: float, instants: int = 8, replaces: str | None = None) -> Sheet:
    rng = np.random.default_rng(int(start * 10))
    times = start + (np.arange(instants) + 0.5) / 2
    return Sheet(
        rendition_id="best",
        anchor=Anchor(
            instants_seconds=times,
            places=tuple(range(instants)),
            pictures=rng.integers(0, 255, (instants, 36, 64), dtype=np.uint8),
            start_seconds=start,
            frame_rate=Fraction(30000, 1001),
            differences=DifferenceSeries(times, np.ones(instants, np.float32)),
        ),
        shown=rng.integers(0, 255, (instants, 4, 64, 64), dtype=np.uint8),
        measured=Measured(
            frame=rng.normal(size=(instants, len(FRAME))).astype(np.float32),
            first=np.zeros(len(FIRST), np.float32),
            facts=np.zeros(len(FACTS), np.float32),
            times=(times - start).astype(np.float32),
        ),
        display_width_px=320,
        display_height_px=180,
        bound=87.5,
        replaces=replaces,
    )


def test_a_sheet_that_left_the_memory_comes_back_as_it_was() -> None:
    with SheetStore(in_memory=1) as store:
        first = sheet_at(0.0, replaces="the best rung is black")
        store.put(0, first)
        store.put(1, sheet_at(4.0))
        back = store.get(0)
        assert back is not first
        assert np.array_equal(back.shown, first.shown)
        assert np.array_equal(back.anchor.instants_seconds, first.anchor.instants_seconds)
        assert back.anchor.frame_rate == first.anchor.frame_rate
        assert back.anchor.differences is not None
        assert (back.replaces, back.bound, back.anchor.places) == (first.replaces, 87.5, first.anchor.places)
        assert np.array_equal(back.measured.frame, first.measured.frame)


def test_a_sheet_that_was_never_put_is_a_key_error() -> None:
    with SheetStore() as store, pytest.raises(KeyError):
        store.get(3)


def test_instants_of_two_segments_are_joined_over_the_span() -> None:
    joined = join([sheet_at(0.0), sheet_at(4.0)], 2.0, 6.0, most=16)
    assert joined is not None
    assert joined.anchor.instants_seconds.tolist() == [2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25, 5.75]
    assert joined.anchor.places == (4, 5, 6, 7, 0, 1, 2, 3)
    assert np.array_equal(joined.shown[4:], sheet_at(4.0).shown[:4])


def test_no_more_instants_are_joined_than_asked_for() -> None:
    joined = join([sheet_at(0.0), sheet_at(4.0)], 0.0, 8.0, most=6)
    assert joined is not None
    assert len(joined.anchor.instants_seconds) == len(joined.shown) == 6


def test_a_span_without_instants_has_no_sheet() -> None:
    assert join([sheet_at(0.0)], 10.0, 12.0, most=8) is None


def test_a_whole_sheet_is_handed_on_as_it_is() -> None:
    sheet = sheet_at(0.0)
    assert join([sheet], 0.0, 4.0, most=16) is sheet
