"""Ad breaks of a stream: told of the segments of all rungs together, whatever became of the points."""

from series_factory import point
from services.redis_fixtures import Series

from schemas import ContentLabel, QualityPoint


def ad(start: float, rendition: str = "720p", **fixed: object) -> QualityPoint:
    made = point(start, rendition=rendition, **fixed)  # type: ignore[arg-type]
    return made.model_copy(update={"label": ContentLabel.AD})


def test_segments_in_a_row_are_one_break(series: Series) -> None:
    series.store.write([point(0), ad(2), ad(4), ad(6), point(8), ad(20)])
    assert series.queries.ads("demo") == [(2, 8), (20, 22)]


def test_rungs_share_a_break_though_they_are_cut_elsewhere(series: Series) -> None:
    series.store.write([ad(start, name) for name in ("1080p", "720p") for start in (10, 12)] + [ad(10.4, "360p")])
    assert series.queries.ads("demo") == [(10, 14)]


def test_a_range_takes_the_segments_that_start_in_it(series: Series) -> None:
    series.store.write([ad(start) for start in (-4, 2, 4, 30)])
    assert series.queries.ads("demo", 4, 30) == [(4, 6)]
    assert series.queries.ads("demo", -10, 0) == [(-4, -2)]
    assert series.queries.ads("nothing") == []
