"""Media in, pictures out: the only package that knows PyAV."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.decode.codecs import codec_is_there
    from pipeline.decode.media import Media, open_media
    from pipeline.decode.picture import Picture
    from pipeline.decode.source import MediaSource

__all__ = ["Media", "MediaSource", "Picture", "codec_is_there", "open_media"]

_HOMES = {
    "Media": "media",
    "MediaSource": "source",
    "Picture": "picture",
    "codec_is_there": "codecs",
    "open_media": "media",
}


def __getattr__(name: str) -> Any:
    """Load PyAV when it is first needed: a process that only hands out work (`isolate`) starts 0.5 s sooner."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
