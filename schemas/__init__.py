"""What crosses a process boundary. Imports nothing of ours."""

from schemas.annotation import Annotation
from schemas.dead_letter import DeadLetter
from schemas.finding import ManifestFinding, ManifestFindingKind
from schemas.incident import Incident, Severity
from schemas.ladder import Ladder, Rendition, Rung
from schemas.record import SCHEMA_VERSION, Record
from schemas.score import (
    Basis,
    Finding,
    FindingKind,
    FrameScore,
    MediaFacts,
    ModelIdentity,
    QualityPoint,
    SamplerIdentity,
    SegmentScored,
    quality_word,
)
from schemas.segment import (
    ByteRange,
    ContentLabel,
    EncryptionKey,
    Reference,
    ReferencePart,
    Resource,
    Segment,
    SegmentReady,
    SegmentSkipped,
    StandIn,
    TimeBasis,
)

MESSAGES: dict[str, type[Record]] = {
    model.__name__: model
    for model in (
        Rung,
        Rendition,
        Ladder,
        Segment,
        SegmentReady,
        SegmentSkipped,
        SegmentScored,
        QualityPoint,
        ManifestFinding,
        Incident,
        Annotation,
        DeadLetter,
    )
}
"""Every message by name; each has a JSON Schema in `schemas/json/` for producers in other languages."""

__all__ = [
    "MESSAGES",
    "SCHEMA_VERSION",
    "Annotation",
    "Basis",
    "ByteRange",
    "ContentLabel",
    "DeadLetter",
    "EncryptionKey",
    "Finding",
    "FindingKind",
    "FrameScore",
    "Incident",
    "Ladder",
    "ManifestFinding",
    "ManifestFindingKind",
    "MediaFacts",
    "ModelIdentity",
    "QualityPoint",
    "Record",
    "Reference",
    "ReferencePart",
    "Rendition",
    "Resource",
    "Rung",
    "SamplerIdentity",
    "Segment",
    "SegmentReady",
    "SegmentScored",
    "SegmentSkipped",
    "Severity",
    "StandIn",
    "TimeBasis",
    "quality_word",
]
