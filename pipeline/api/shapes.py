"""What every answer looks like, for the OpenAPI document; answers are built as plain data, and tests compare both."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas import (
    Annotation,
    Basis,
    ContentLabel,
    FindingKind,
    ManifestFinding,
    SegmentSkipped,
    Severity,
    TimeBasis,
)
from schemas.annotation import Tag
from schemas.record import Identifier, Score

StartSeconds = Annotated[
    float, Field(description="On the stream's axis: since the epoch for live, media time for VOD.", examples=[12.0])
]
Time = Annotated[
    AwareDatetime | None, Field(description="null on media time.", examples=["2026-03-01T20:00:00.000Z", None])
]
Age = Annotated[
    float | None, Field(ge=0, description="Since the last point's end; null on media time.", examples=[4.2, None])
]
Live = Annotated[bool, Field(description="Whether seconds are those since the epoch.")]
Spans = Annotated[
    list[tuple[float, float]], Field(description="[start, end) in seconds on the stream's axis.", examples=[[[60, 90]]])
]


class Shape(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class LadderScore(Shape):
    rendition_id: str
    score: Score
    bitrate_bps: int | None


class Stream(Shape):
    stream_id: str = Field(examples=["news"])
    live: Live
    time_basis: TimeBasis
    written_at: AwareDatetime
    age_seconds: Age
    score: Score = Field(description="The least latest score of all rungs that are there.")
    worst_rendition_id: str = Field(examples=["240p"])
    mean_score: Score
    renditions: int
    open_findings: int
    model: str = Field(examples=["nano"])
    display_height_px: int
    ladder: list[LadderScore] = Field(description="Best bitrate first.")


class Streams(Shape):
    total: int = Field(description="Of streams that fit `search`, on all pages.")
    next: str | None = Field(description="`cursor` of the next page; null: this is the last one.")
    streams: list[Stream]


class SeriesKnown(Shape):
    model: str
    weights_hash: str
    revision: int
    display_height_px: int
    sampler: str
    first_seconds: StartSeconds
    end_seconds: StartSeconds
    first: Time
    end: Time


class RenditionKnown(Shape):
    rendition_id: str
    series: list[SeriesKnown] = Field(description="Scores of two models, displays or samplers never mix.")


class Renditions(Shape):
    stream_id: str
    renditions: list[RenditionKnown] = Field(description="Best bitrate first.")


class Rung(Shape):
    rendition_id: str = Field(examples=["720p"])
    time: Time
    start_seconds: StartSeconds
    duration_seconds: float
    score: Score = Field(examples=[81.3])
    low: Score
    high: Score = Field(description="The 90 % interval.")
    word: str = Field(examples=["excellent"])
    worst_score: Score = Field(description="Of the worst frame.")
    worst_seconds: float
    basis: Basis
    bitrate_bps: int | None
    findings: list[FindingKind]
    label: ContentLabel
    segment_number: int
    age_seconds: Age
    model: str
    display_height_px: int


class Ladder(Shape):
    stream_id: str
    time_basis: TimeBasis
    live: Live
    model: str
    weights_hash: str
    display_height_px: int
    rungs: list[Rung] = Field(description="The latest point of every rendition, best bitrate first.")


class SeriesColumns(Shape):
    rendition_id: str
    model: str
    weights_hash: str
    display_height_px: int
    sampler: str
    start: list[float]
    duration: list[float] = Field(description="What was scored of a value, less than its width where there are gaps.")
    score: list[Score]
    low: list[Score]
    high: list[Score]
    least: list[Score]
    greatest: list[Score]
    bitrate_bps: list[int | None]
    findings: list[tuple[int, list[FindingKind]]] = Field(description="Index and kinds, only where there are some.")
    ads: Spans
    skipped: Spans


class SeriesInColumns(Shape):
    stream_id: str
    time_basis: TimeBasis
    live: Live
    resolution: str = Field(examples=["minute"])
    step_seconds: float = Field(description="How far apart values stand where nothing is missing: more is a gap.")
    start_seconds: StartSeconds
    end_seconds: StartSeconds
    thinned: bool = Field(description="Whether neighbours were joined.")
    renditions: list[SeriesColumns] = Field(description="Best bitrate first; only those with something in the range.")


class SeriesRow(Shape):
    time: Time
    start_seconds: StartSeconds
    duration_seconds: float
    rendition_id: str
    score: Score
    low: Score
    high: Score
    least: Score
    greatest: Score
    bitrate_bps: int | None
    findings: str = Field(examples=["frozen,black"])
    label: ContentLabel


class AdBreak(Shape):
    time: Time
    time_end: Time
    start_seconds: StartSeconds
    end_seconds: float
    label: ContentLabel


class SeriesInRows(Shape):
    rows: list[SeriesRow] = Field(description="In order of time.")
    ads: list[AdBreak]


class FindingShown(ManifestFinding):
    open: bool = Field(description="Whether it lasts, or happened just now.")


class Findings(Shape):
    next: str | None
    findings: list[FindingShown] = Field(description="The newest first.")


class IncidentShown(Shape):
    incident_id: str
    stream_id: str
    rendition_ids: list[str] = Field(description="Best bitrate first; empty: the presentation as a whole.")
    cause: str = Field(examples=["starved"])
    severity: Severity
    summary: str = Field(description="For a person: what, where, when, and where to look.")
    open: bool
    start_seconds: StartSeconds
    end_seconds: float | None = Field(description="null: it is open.")
    duration_seconds: float | None
    opened_at: Time
    closed_at: Time
    worst_score: Score | None
    score: Score | None = Field(description="Mean while it lasts.")
    usual_score: Score | None = Field(description="Before it; null: not known.")
    bitrate_bps: int | None
    usual_bitrate_bps: int | None


class Incidents(Shape):
    incidents: list[IncidentShown]


class WorstSegment(Shape):
    rendition_id: str
    start_seconds: StartSeconds
    time: Time
    duration_seconds: float | None = Field(description="null, as what follows: its point has expired.")
    score: Score
    worst_score: Score | None
    worst_seconds: float | None
    findings: list[FindingKind]
    label: ContentLabel | None
    picture: str | None = Field(
        description="Address of its worst frame; null: none is kept.",
        examples=["/api/v1/picture?stream=news&rendition=240p&start=12.000"],
    )


class Worst(Shape):
    segments: list[WorstSegment] = Field(description="The worst first.")


class Skipped(Shape):
    skipped: list[SegmentSkipped]


class Annotations(Shape):
    annotations: list[Annotation]


class NewAnnotation(Shape):
    """What is noted of a stream."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "stream_id": "news",
                    "text": "encoder moved to the new preset",
                    "tags": ["encoder"],
                    "start_at": "2026-03-01T20:00:00Z",
                }
            ]
        },
    )

    stream_id: Identifier
    text: str = Field(min_length=1, max_length=2048)
    tags: tuple[Tag, ...] = Field(default=(), max_length=16)
    start_at: AwareDatetime
    end_at: AwareDatetime | None = None


class Health(Shape):
    ready: bool
    checks: dict[str, str] = Field(examples=[{"redis": "ok"}], description="By name: `ok`, or the reason.")
