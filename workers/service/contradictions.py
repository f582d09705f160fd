"""What segments are, against what their playlist declares of them: told as findings by the worker, which has both."""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.errors import NotFound
from schemas import ManifestFinding, ManifestFindingKind, SegmentReady, SegmentScored, Severity

_OVER_DECLARED = 1.5  # of the mean; single segments swing, and players look ahead over several
_SEGMENTS = 5
_AUDIO_APART_SECONDS = 0.1  # what viewers begin to notice, and more than a frame of sound and a frame of video together
_RENDITIONS = 4096  # remembered
_SAME_CODEC = {"h265": "hevc", "avc": "h264"}


@dataclass(slots=True)
class _Seen:
    bits: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_SEGMENTS))
    """(bits, seconds) of the last segments."""
    lasting: dict[ManifestFindingKind, ManifestFinding] = field(default_factory=dict)


class Contradictions:
    """Tells once that a rendition is not what is declared, and once that it is again. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()

    def look(self, event: SegmentReady, record: SegmentScored) -> list[ManifestFinding]:
        """Return what begins or ends with this segment."""
        with self._lock:
            seen = self._seen.setdefault((event.stream_id, event.rendition.rendition_id), _Seen())
            self._seen.move_to_end((event.stream_id, event.rendition.rendition_id))
            while len(self._seen) > _RENDITIONS:
                self._seen.popitem(last=False)
            found = []
            for kind, text in (
                (ManifestFindingKind.CODEC, _codec(event, record)),
                (ManifestFindingKind.BANDWIDTH, _bandwidth(event, record, seen.bits)),
                (ManifestFindingKind.AUDIO_VIDEO_START, _audio(record)),
            ):
                lasting = seen.lasting.get(kind)
                if text and lasting is None:
                    seen.lasting[kind] = _finding(event, kind, text)
                    found.append(seen.lasting[kind])
                elif not text and lasting is not None:
                    found.append(seen.lasting.pop(kind).model_copy(update={"over_at": datetime.now(UTC)}))
            return found


def missing(event: SegmentReady, error: NotFound) -> ManifestFinding:
    """Return that a live segment was listed and never came."""
    number = event.segment.number
    text = f"segment {number} is listed, and not to be had: {error}"
    return _finding(event, ManifestFindingKind.MISSING_SEGMENT, text, f"/{number}", Severity.CRITICAL)


def _codec(event: SegmentReady, record: SegmentScored) -> str | None:
    declared = event.rendition.rung.codec
    declared = _SAME_CODEC.get(declared or "", declared)
    if declared is None or declared == record.media.codec:
        return None
    return f"declared as {declared}, and the segments hold {record.media.codec}; correct CODECS"


def _bandwidth(event: SegmentReady, record: SegmentScored, bits: deque[tuple[float, float]]) -> str | None:
    declared, measured = event.rendition.rung.bitrate_bps, record.media.bitrate_bps
    if declared is None or measured is None:
        return None
    bits.append((measured * record.media.duration_seconds, record.media.duration_seconds))
    mean = sum(each for each, _ in bits) / max(1e-3, sum(seconds for _, seconds in bits))
    if len(bits) < _SEGMENTS or mean <= _OVER_DECLARED * declared:
        return None
    return (
        f"the last {_SEGMENTS} segments have {mean / 1e6:.2f} Mbit/s of video, and {declared / 1e6:.2f} Mbit/s are "
        "declared: players choose this rendition too early; correct BANDWIDTH or the encoder's rate control"
    )


def _audio(record: SegmentScored) -> str | None:
    lag = record.media.audio_lag_seconds
    if lag is None or abs(lag) <= _AUDIO_APART_SECONDS:
        return None
    way = "after" if lag > 0 else "before"
    return f"sound begins {abs(lag) * 1000:.0f} ms {way} the pictures; cut both at the same time"


def _finding(
    event: SegmentReady,
    kind: ManifestFindingKind,
    text: str,
    what: str = "",
    severity: Severity = Severity.WARNING,
) -> ManifestFinding:
    return ManifestFinding(
        finding_id=f"{event.stream_id}/{event.rendition.rendition_id}/{kind.value}{what}",
        stream_id=event.stream_id,
        rendition_id=event.rendition.rendition_id,
        cdn=event.segment.cdn,
        kind=kind,
        severity=severity,
        text=text[:2048],
        found_at=datetime.now(UTC),
        segment_number=event.segment.number,
    )
