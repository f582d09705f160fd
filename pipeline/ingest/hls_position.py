"""Where a process that follows an HLS presentation stopped, so that the next one goes on there."""

from collections.abc import Iterable
from typing import Self

from pydantic import Field

from pipeline.ingest.hls_axis import Axis, Track
from pipeline.ingest.hls_follower import Eras
from pipeline.ingest.hls_rung import Rung
from schemas.record import Identifier, Record


class RenditionPosition(Record):
    """The last segment of one rendition that was given out."""

    rendition_id: Identifier
    number: int = Field(ge=0)
    discontinuity_sequence: int = Field(ge=0)
    era: int = Field(ge=0, le=100_000)
    offset: int = Field(ge=0)
    start_seconds: float = Field(allow_inf_nan=False)
    duration_seconds: float = Field(gt=0, allow_inf_nan=False)
    correction_seconds: float | None = Field(default=None, allow_inf_nan=False)


class Position(Record):
    """All that must be remembered of one presentation."""

    base_seconds: float | None = Field(default=None, allow_inf_nan=False)
    eras: tuple[int, ...] = (0,)
    renditions: tuple[RenditionPosition, ...] = ()

    @classmethod
    def of(cls, rungs: Iterable[Rung], axis: Axis, eras: Eras) -> Self:
        found = []
        for rung in rungs:
            follower, track = rung.follower, axis.tracks.get(rung.rendition_id)
            if follower.last_number is None or track is None or track.duration_seconds <= 0:
                continue
            found.append(
                RenditionPosition(
                    rendition_id=rung.rendition_id,
                    number=follower.last_number,
                    discontinuity_sequence=follower.last_discontinuity,
                    era=follower.era,
                    offset=follower.offset,
                    start_seconds=track.start_seconds,
                    duration_seconds=track.duration_seconds,
                    correction_seconds=track.correction_seconds,
                )
            )
        return cls(base_seconds=axis.base_seconds, eras=tuple(eras.offsets), renditions=tuple(found))


def resume(position: Position, rungs: Iterable[Rung], axis: Axis, eras: Eras) -> None:
    """Set up what follows a presentation as it was."""
    eras.offsets[:] = position.eras or (0,)
    known = {found.rendition_id: found for found in position.renditions}
    tracks: dict[str, Track] = {}
    for rung in rungs:
        found = known.get(rung.rendition_id)
        if found is None or found.era >= len(eras.offsets):
            continue
        rung.follower.go_on(found.number, found.discontinuity_sequence, found.era, found.offset)
        tracks[rung.rendition_id] = Track(
            rung.rendition_id,
            end_seconds=found.start_seconds + found.duration_seconds,
            start_seconds=found.start_seconds,
            duration_seconds=found.duration_seconds,
            discontinuity=found.discontinuity_sequence,
            correction_seconds=found.correction_seconds,
        )
    axis.go_on(tracks, position.base_seconds)
