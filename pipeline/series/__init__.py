"""Quality over time in Redis: points, their roll-ups, and questions about them. The only package that imports redis."""

from pipeline.series.connection import Link, connect
from pipeline.series.embedded import EmbeddedRedis
from pipeline.series.keys import Keys
from pipeline.series.queries import SeriesQueries
from pipeline.series.store import SeriesStore, Written

__all__ = [
    "EmbeddedRedis",
    "Keys",
    "Link",
    "SeriesQueries",
    "SeriesStore",
    "Written",
    "connect",
]
