"""The parameters of every question: what is accepted, its limits and defaults; whatever else is given is refused."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.api.times import LengthParameter, MomentParameter

Name = Annotated[str, Field(min_length=1, max_length=512)]
GRAFANA_ALL = frozenset({"$__all", "All"})
"""What Grafana writes where all values of a variable are chosen."""
Cursor = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9_-]+$")]


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class OfStream(Asked):
    stream: Name = Field(description="The stream's id, as in /api/v1/streams.", examples=["news"])


class OfRenditions(OfStream):
    rendition: list[Name] = Field(
        default=[], max_length=64, description="May be repeated. Without it: all.", examples=[["1080p", "720p"]]
    )
    grafana: list[Name] = Field(
        default=[],
        alias="var-rendition",
        max_length=64,
        description="The same as Grafana writes the values of a variable (`${rendition:queryparam}`).",
    )

    @property
    def renditions(self) -> list[str]:
        """Those that are meant; empty: all."""
        chosen = [] if GRAFANA_ALL & set(self.grafana) else self.grafana
        return [*self.rendition, *chosen]


class InRange(Asked):
    start: MomentParameter | None = Field(
        default=None,
        alias="from",
        description="From there on: RFC 3339 for live streams, seconds on the stream's axis for any. "
        "Without it: from the first point.",
    )
    to: MomentParameter | None = Field(default=None, description="Up to there, not included. Without it: to the end.")
    last: LengthParameter | None = Field(
        default=None,
        description="So much before `to`; without that before now for live streams, before the end on media time.",
    )


class AskedStreams(Asked):
    search: str = Field(default="", max_length=256, description="Words that must all stand in the stream's id.")
    sort: Literal["worst", "name", "fresh", "findings"] = Field(
        default="worst",
        description="worst: least latest score first; fresh: what was written last first; findings: most open first.",
    )
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")


class AskedRenditions(OfStream):
    pass


class OfModel(Asked):
    model: Name | None = Field(default=None, description="Scores of this model. Without it: of the newest weights.")
    display_height: int | None = Field(
        default=None, ge=1, le=65_535, description="Judged on a display of so many lines."
    )


class AskedLadder(OfStream, OfModel):
    pass


class AskedSeries(OfRenditions, InRange, OfModel):
    resolution: Literal["auto", "raw", "minute", "hour"] = Field(
        default="auto",
        description="raw: single points, where no more than twice `points` of them fit in the range, else minutes; "
        "minute: where no more than eight times `points` do, else hours. "
        "auto: raw up to 6 hours, minute up to 7 days, then hour. Where finer values have expired, coarser ones "
        "stand. `resolution` of the answer says what was read.",
    )
    points: int = Field(
        default=1500,
        ge=10,
        le=10_000,
        description="Values of a rendition at most. Where there are more, neighbours are joined: the score is their "
        "mean, `least` and `greatest` are kept.",
    )
    format: Literal["json", "csv"] = "json"
    shape: Literal["columns", "rows"] = Field(
        default="columns", description="Of JSON. columns: an array of every quantity; rows: one object a value."
    )


class AskedFindings(InRange):
    stream: Name | None = Field(default=None, description="Without it: of all streams.")
    open: bool = Field(default=False, description="Only what lasts, or happened just now.")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")


class AskedIncidents(OfStream, InRange):
    model: Name | None = Field(default=None, description="By scores of this model. Without it: of the newest weights.")


class AskedWorst(OfRenditions, InRange, OfModel):
    limit: int = Field(default=10, ge=1, le=100)


class AskedPicture(OfStream):
    rendition: Name
    start: float = Field(
        ge=-1e10, le=1e11, description="Where the segment starts, as `start_seconds` of /api/v1/worst.", examples=[12.0]
    )


class AskedSkipped(OfStream, InRange):
    rendition: list[Name] = Field(default=[], max_length=64, description="May be repeated. Without it: all.")


class AskedAnnotations(OfStream, InRange):
    pass


class AskedAnnotation(OfStream):
    id: Name = Field(description="`annotation_id`.")


class AskedEvents(Asked):
    stream: list[Name] = Field(default=[], max_length=100, description="May be repeated. Without it: all streams.")


StreamsQuery = Annotated[AskedStreams, Query()]
RenditionsQuery = Annotated[AskedRenditions, Query()]
LadderQuery = Annotated[AskedLadder, Query()]
SeriesQuery = Annotated[AskedSeries, Query()]
FindingsQuery = Annotated[AskedFindings, Query()]
IncidentsQuery = Annotated[AskedIncidents, Query()]
WorstQuery = Annotated[AskedWorst, Query()]
PictureQuery = Annotated[AskedPicture, Query()]
SkippedQuery = Annotated[AskedSkipped, Query()]
AnnotationsQuery = Annotated[AskedAnnotations, Query()]
AnnotationQuery = Annotated[AskedAnnotation, Query()]
EventsQuery = Annotated[AskedEvents, Query()]
