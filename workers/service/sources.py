"""Sources: what is followed, as a file says it, and how each of them stands, as another process can read it."""

import json
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UsageError
from schemas.record import Identifier


class SourceSpec(BaseModel):
    """One presentation to follow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Identifier
    """The stream's id."""
    url: str = Field(min_length=1, max_length=8192)
    basis: str = Field(default="auto", pattern="^(auto|alone)$")
    display_height: int | None = Field(default=None, ge=16, le=16384)
    late_seconds: float | None = Field(default=60.0, gt=0)
    """After so long nobody needs the score of a live segment any more; null: it is always made."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceSpec, ...] = Field(min_length=1, max_length=10_000)


def read_sources(path: Path) -> tuple[SourceSpec, ...]:
    """Return what a YAML file of sources lists.

    Raises:
        UsageError: It is not there, not YAML, or not of this form; the message says where.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name the file of your sources") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not YAML ({' '.join(str(error).split())[:300]})") from error
    try:
        sources = _File.model_validate(raw).sources
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise UsageError(
            f"{path}: {where}: {first['msg']}. It should read: sources: [{{id: news, url: https://host/master.m3u8}}]"
        ) from error
    ids = [source.id for source in sources]
    twice = next((each for each in ids if ids.count(each) > 1), None)
    if twice is not None:
        raise UsageError(f"{path}: the id {twice!r} is given twice; every source needs its own")
    return sources


class SourceState(BaseModel):
    """How one source stands."""

    model_config = ConfigDict(frozen=True)

    id: str
    url: str
    """Without credentials and query."""
    state: str
    """``starting``, ``following``, ``backing off``, ``ended`` or ``failed``."""
    renditions: int = 0
    announced: int = 0
    """Segments, since the process began."""
    newest_seconds: float | None = None
    """Start of the newest segment, on the stream's time axis."""
    seen_seconds: float | None = None
    """When there was something new last, since the epoch."""
    findings: tuple[str, ...] = ()
    """Those that last."""
    error: str | None = None


def write_states(path: Path, states: Sequence[SourceState]) -> None:
    """Replace the file that `rungwatch sources` reads."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps([state.model_dump() for state in states]), encoding="utf-8")
    temporary.replace(path)


def read_states(path: Path) -> list[SourceState]:
    """Return what was written last. Raises UsageError where nothing was."""
    try:
        return [SourceState.model_validate(each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: no states of sources are there; start `rungwatch ingest` with the same --state first"
        ) from error
