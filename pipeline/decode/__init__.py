"""Media in, pictures out: the only package that knows PyAV."""

from pipeline.decode.media import Media, open_media
from pipeline.decode.picture import Picture
from pipeline.decode.source import MediaSource

__all__ = ["Media", "MediaSource", "Picture", "open_media"]
