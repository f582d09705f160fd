"""Every limit and default, with the environment variable that sets it: the only reader of the environment."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class DecodeLimits(BaseSettings):
    """What one segment may cost, so that a hostile or broken file costs no more than itself.

    Set with ``RUNGWATCH_DECODE_...``, for example ``RUNGWATCH_DECODE_MAX_PIXELS=8294400``.
    """

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_DECODE_", frozen=True)

    max_segment_bytes: int = Field(default=512 * MIB, ge=1)
    """Bytes of one fetched segment (a plain local file is streamed and has no such limit)."""
    max_pixels: int = Field(default=8192 * 4352, ge=1)
    """Coded width x height of a picture."""
    max_frames: int = Field(default=7200, ge=1)
    """Pictures of one segment: a minute of 120 frames/s."""
    max_seconds: float = Field(default=120.0, gt=0)
    """Wall-clock seconds without a finished segment, after which the decoder is ended."""
    max_memory_bytes: int = Field(default=3072 * MIB, ge=256 * MIB)
    """Address space of a decoder process."""


class FetchLimits(BaseSettings):
    """What may be read, from where. Set with ``RUNGWATCH_FETCH_...``."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_FETCH_", frozen=True)

    max_playlist_bytes: int = Field(default=16 * MIB, ge=1)
    max_segment_bytes: int = Field(default=512 * MIB, ge=1)
    timeout_seconds: float = Field(default=20.0, gt=0)
    """For connecting, and for every read."""
    total_seconds: float = Field(default=120.0, gt=0)
    """For one resource from first to last byte."""
    max_redirects: int = Field(default=5, ge=0)
    attempts: int = Field(default=3, ge=1)
    """Tries of what may pass (time-outs, 5xx, connection errors), with backoff."""
    schemes: tuple[str, ...] = ("http", "https", "file")
    hosts: tuple[str, ...] = ()
    """Hosts that may be asked; empty: any host for what the user named, and only that host for what its
    playlists point to, unless `RUNGWATCH_FETCH_HOSTS='["*"]'` allows all."""
    max_segments: int = Field(default=100_000, ge=1)
    """Segments of one rendition."""


class Settings(BaseSettings):
    """All settings of the process."""

    model_config = SettingsConfigDict(env_prefix="RUNGWATCH_", frozen=True)

    decode: DecodeLimits = Field(default_factory=DecodeLimits)
    fetch: FetchLimits = Field(default_factory=FetchLimits)
    decoders: int = Field(default=0, ge=0, le=256)
    """Decoder processes; 0: one per usable core, at most 8."""
    model_folder: Path | None = None
    """A folder with checkpoints of your own; None: those that come with the program."""


def load() -> Settings:
    """Read the settings from the environment (``RUNGWATCH_...``)."""
    return Settings()
