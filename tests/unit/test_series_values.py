"""What is cut out of a stored text is what decoding it tells."""

import json
import random

from series_factory import point

from pipeline.history import SeriesId, SeriesPoint
from pipeline.series.values import point_of, point_text, segment_of, standing_of
from schemas import Basis, ContentLabel, FindingKind, QualityPoint, TimeBasis

HOSTILE = ("untrained", 'a,"b",[c]', "h\\ash", "\N{SNOWMAN}")


def _made(chance: random.Random) -> QualityPoint:
    start = chance.choice([0.0, -12.002, 1_790_000_000.048, chance.randrange(10**6) / 1000])
    of = point(
        start,
        chance.choice([0.0, 100.0, 55.5, chance.random() * 100, 1e-7]),
        seconds=chance.choice([2.0, 0.04, 0.0, 6.006]),
        revision=chance.choice([0, 1_790_000_000]),
        bitrate_bps=chance.choice([None, 0, 5_000_000]),
        basis=chance.choice(list(Basis)),
        findings=tuple(chance.sample(list(FindingKind), chance.randrange(4))),
        time_basis=chance.choice(list(TimeBasis)),
    )
    return of.model_copy(update={"weights_hash": chance.choice(HOSTILE), "label": chance.choice(list(ContentLabel))})


def test_a_segment_cut_out_of_its_text_has_all_values_of_its_point() -> None:
    chance = random.Random(7)
    for of in [_made(chance) for _ in range(500)]:
        text = point_text(of).encode()
        decoded = point_of(json.loads(text), of.stream_id, SeriesId.of(of))
        assert segment_of(text) == SeriesPoint.of(decoded)._replace(raw=None)


def test_a_standing_cut_out_of_its_text_is_that_of_the_latest_point() -> None:
    chance = random.Random(8)
    for of in [_made(chance) for _ in range(500)]:
        start_ms = round(of.start_seconds * 1000)
        text = f"[{start_ms - 4000},1790000000123,{of.model_revision},{start_ms},{point_text(of)}]".encode()
        found = standing_of(text, SeriesId.of(of))
        assert (found.series, found.revision, found.written_seconds) == (
            SeriesId.of(of),
            of.model_revision,
            1_790_000_000.123,
        )
        assert (found.start_seconds, found.end_seconds) == (start_ms / 1000, start_ms / 1000 + of.duration_seconds)
        assert (found.score, found.bitrate_bps, found.time_basis) == (of.score, of.bitrate_bps, of.time_basis)
