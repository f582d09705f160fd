"""Quality over time in Redis: points, their roll-ups, and questions about them. The only package that imports redis."""

from pipeline.series.annotations import AnnotationStore
from pipeline.series.connection import Link, connect
from pipeline.series.embedded import EmbeddedRedis
from pipeline.series.keys import Keys
from pipeline.series.live import LiveFeed
from pipeline.series.pictures import Picture, PictureStore
from pipeline.series.queries import SeriesQueries
from pipeline.series.store import SeriesStore, Written

__all__ = [
    "AnnotationStore",
    "EmbeddedRedis",
    "Keys",
    "Link",
    "LiveFeed",
    "Picture",
    "PictureStore",
    "SeriesQueries",
    "SeriesStore",
    "Written",
    "connect",
]
