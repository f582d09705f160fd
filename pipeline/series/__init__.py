"""Quality over time in Redis: points, their roll-ups, and questions about them. The only package that imports redis."""

from pipeline.series.connection import Link, connect
from pipeline.series.embedded import EmbeddedRedis
from pipeline.series.keys import Keys, SeriesId
from pipeline.series.queries import SeriesEntry, SeriesQueries, StreamEntry, Wanted, worst
from pipeline.series.store import SeriesStore, Written
from pipeline.series.values import Resolution, SeriesPoint

__all__ = [
    "EmbeddedRedis",
    "Keys",
    "Link",
    "Resolution",
    "SeriesEntry",
    "SeriesId",
    "SeriesPoint",
    "SeriesQueries",
    "SeriesStore",
    "StreamEntry",
    "Wanted",
    "Written",
    "connect",
    "worst",
]
