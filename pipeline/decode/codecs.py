"""Which decoders and encoders this build of PyAV carries."""

from typing import Literal

from av.codec import Codec
from av.codec.codec import UnknownCodecError


def codec_is_there(name: str, mode: Literal["r", "w"]) -> bool:
    """Return whether a decoder (``r``) or an encoder (``w``) of this name can be opened."""
    try:
        Codec(name, mode)
    except UnknownCodecError:
        return False
    return True
