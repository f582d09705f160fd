"""What a stream offers: rungs, the renditions that realise them, and the ladder that they form."""

from typing import Self

from pydantic import Field, model_validator

from schemas.record import Identifier, Pixels, Rate, Record


class Rung(Record):
    """One planned operating point. None: not declared."""

    codec: str | None = Field(default=None, max_length=64)
    """Short name as decoders call it: ``h264``, ``hevc``, ``av1``, ``vp9``, ``mpeg2video``."""
    width_px: Pixels | None = None
    height_px: Pixels | None = None
    frame_rate: Rate | None = None
    bitrate_bps: int | None = Field(default=None, ge=1, le=10_000_000_000)


class Rendition(Record):
    """The encoded stream that realises a rung: HLS variant stream, DASH Representation, or a plain file."""

    rendition_id: Identifier
    rung: Rung = Rung()
    codecs: str | None = Field(default=None, max_length=256)
    """The RFC 6381 string as declared, for example ``avc1.640028``."""
    uri: str | None = Field(default=None, max_length=8192)
    """Where its playlist or file is."""


class Ladder(Record):
    """The set of renditions of one stream; a single file is a ladder of one."""

    stream_id: Identifier
    renditions: tuple[Rendition, ...] = Field(min_length=1, max_length=256)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [rendition.rendition_id for rendition in self.renditions]
        if len(set(ids)) != len(ids):
            raise ValueError(f"rendition_id must be unique within a ladder, got {ids}")
        return self

    def rendition(self, rendition_id: str) -> Rendition:
        """Return one rendition by its id. Raises KeyError where the ladder has none of that id."""
        for rendition in self.renditions:
            if rendition.rendition_id == rendition_id:
                return rendition
        raise KeyError(rendition_id)
