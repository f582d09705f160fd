"""The ladder of a stream as it stands: the latest point of every rendition."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.api.times import as_time
from pipeline.history import SeriesEntry
from pipeline.words import WALL_CLOCK
from schemas import quality_word

_CLOCK = {basis.value for basis in WALL_CLOCK}


def ladder(stream_id: str, entries: Sequence[SeriesEntry], now_seconds: float) -> dict[str, Any]:
    """Return one rung for every entry; there is at least one."""
    first = entries[0]
    return {
        "stream_id": stream_id,
        "time_basis": first.latest.time_basis.value,
        "live": first.latest.time_basis in WALL_CLOCK,
        "model": first.series.model_name,
        "weights_hash": first.latest.weights_hash,
        "display_height_px": first.series.display_height_px,
        "rungs": [rung(entry.latest.model_dump(mode="json"), now_seconds) for entry in entries],
    }


def rung(point: Mapping[str, Any], now_seconds: float) -> dict[str, Any]:
    """Return a point, given as JSON has it, as it is shown."""
    start, lasts = point["start_seconds"], point["duration_seconds"]
    is_clock = point["time_basis"] in _CLOCK
    return {
        "rendition_id": point["rendition_id"],
        "time": as_time(start) if is_clock else None,
        "start_seconds": round(start, 3),
        "duration_seconds": round(lasts, 3),
        "score": round(point["score"], 2),
        "low": round(point["low"], 2),
        "high": round(point["high"], 2),
        "word": quality_word(point["score"]),
        "worst_score": round(point["worst_score"], 2),
        "worst_seconds": round(point["worst_seconds"], 3),
        "basis": point["basis"],
        "bitrate_bps": point["bitrate_bps"],
        "findings": list(point["findings"]),
        "label": point["label"],
        "segment_number": point["segment_number"],
        "age_seconds": round(max(0.0, now_seconds - start - lasts), 1) if is_clock else None,
        "model": point["model_name"],
        "display_height_px": point["display_height_px"],
    }
