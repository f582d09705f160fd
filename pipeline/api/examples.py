"""One answer of every endpoint, for the OpenAPI document; tests hold them to the schemas."""

from typing import Any

_STREAM = {"stream_id": "news", "time_basis": "program_date_time", "live": True}
_MODEL = {"model": "nano", "weights_hash": "3f2a9c01b7de", "display_height_px": 1080}
_PICTURE = "/api/v1/picture?stream=news&rendition=240p&start=1772395200.000"
_NOTE = {
    "schema_version": 1,
    "annotation_id": "wlHsKFO-bCY2",
    "stream_id": "news",
    "text": "encoder moved to the new preset",
    "tags": ["encoder"],
    "start_at": "2026-03-01T20:00:00Z",
    "end_at": None,
    "created_at": "2026-03-01T20:02:11Z",
}

EXAMPLES: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/streams"): {
        "total": 1,
        "next": None,
        "streams": [
            {
                **_STREAM,
                "written_at": "2026-03-01T20:00:07.000Z",
                "age_seconds": 5.2,
                "score": 52.4,
                "worst_rendition_id": "240p",
                "mean_score": 74.1,
                "renditions": 2,
                "open_findings": 1,
                "model": "nano",
                "display_height_px": 1080,
                "ladder": [
                    {"rendition_id": "1080p", "score": 95.8, "bitrate_bps": 6012000},
                    {"rendition_id": "240p", "score": 52.4, "bitrate_bps": 401000},
                ],
            }
        ],
    },
    ("get", "/api/v1/renditions"): {
        "stream_id": "news",
        "renditions": [
            {
                "rendition_id": "1080p",
                "series": [
                    {
                        **_MODEL,
                        "revision": 1763000000,
                        "sampler": "frame_difference",
                        "first_seconds": 1772308800.0,
                        "end_seconds": 1772395202.0,
                        "first": "2026-02-28T20:00:00.000Z",
                        "end": "2026-03-01T20:00:02.000Z",
                    }
                ],
            }
        ],
    },
    ("get", "/api/v1/ladder"): {
        **_STREAM,
        **_MODEL,
        "rungs": [
            {
                "rendition_id": "240p",
                "time": "2026-03-01T20:00:00.000Z",
                "start_seconds": 1772395200.0,
                "duration_seconds": 2.0,
                "score": 52.4,
                "low": 48.9,
                "high": 55.6,
                "word": "fair",
                "worst_score": 47.0,
                "worst_seconds": 1772395201.2,
                "basis": "ladder",
                "bitrate_bps": 401000,
                "findings": ["frozen"],
                "label": "program",
                "segment_number": 886197600,
                "age_seconds": 5.2,
                "model": "nano",
                "display_height_px": 1080,
            }
        ],
    },
    ("get", "/api/v1/series"): {
        **_STREAM,
        "resolution": "minute",
        "step_seconds": 60.0,
        "start_seconds": 1772395200.0,
        "end_seconds": 1772395320.0,
        "thinned": False,
        "renditions": [
            {
                "rendition_id": "240p",
                **_MODEL,
                "sampler": "frame_difference",
                "start": [1772395200.0, 1772395260.0],
                "duration": [60.0, 58.0],
                "score": [52.4, 51.9],
                "low": [48.9, 48.2],
                "high": [55.6, 55.0],
                "least": [41.0, 47.7],
                "greatest": [58.3, 56.1],
                "bitrate_bps": [401000, 398500],
                "findings": [[0, ["frozen"]]],
                "ads": [[1772395260.0, 1772395290.0]],
                "skipped": [[1772395318.0, 1772395320.0]],
            }
        ],
    },
    ("get", "/api/v1/findings"): {
        "next": None,
        "findings": [
            {
                "schema_version": 1,
                "finding_id": "news/720p/stale",
                "stream_id": "news",
                "rendition_id": "720p",
                "cdn": None,
                "kind": "stale",
                "severity": "warning",
                "text": "nothing new for 9 s, 1.5 x the target duration",
                "found_at": "2026-03-01T20:00:00Z",
                "segment_number": None,
                "over_at": None,
                "open": True,
            }
        ],
    },
    ("get", "/api/v1/incidents"): {
        "incidents": [
            {
                "incident_id": "news/level/1772395200000",
                "stream_id": "news",
                "rendition_ids": ["720p"],
                "cause": "starved",
                "severity": "warning",
                "summary": "720p: from 20:00:00 UTC to 20:01:00 UTC (60 s) the score is low, 58 instead of 86, and the "
                "bitrate 800 kbit/s instead of 3.00 Mbit/s: look at the bitrate that its encoder is given.",
                "open": False,
                "start_seconds": 1772395200.0,
                "end_seconds": 1772395260.0,
                "duration_seconds": 60.0,
                "opened_at": "2026-03-01T20:00:00Z",
                "closed_at": "2026-03-01T20:01:00Z",
                "worst_score": 51.2,
                "score": 58.1,
                "usual_score": 86.3,
                "bitrate_bps": 800000,
                "usual_bitrate_bps": 3000000,
            }
        ]
    },
    ("get", "/api/v1/worst"): {
        "segments": [
            {
                "rendition_id": "240p",
                "start_seconds": 1772395200.0,
                "time": "2026-03-01T20:00:00.000Z",
                "duration_seconds": 2.0,
                "score": 41.0,
                "worst_score": 36.5,
                "worst_seconds": 1772395201.2,
                "findings": ["frozen"],
                "label": "program",
                "picture": _PICTURE,
            }
        ]
    },
    ("get", "/api/v1/skipped"): {
        "skipped": [
            {
                "schema_version": 1,
                "stream_id": "news",
                "rendition_id": "720p",
                "segment_number": 886197600,
                "start_seconds": 1772395200.0,
                "duration_seconds": 2.0,
                "deadline": "2026-03-01T20:01:02Z",
                "late_seconds": 3.4,
            }
        ]
    },
    ("get", "/api/v1/annotations"): {"annotations": [_NOTE]},
    ("post", "/api/v1/annotations"): _NOTE,
    ("get", "/api/v1/health"): {"ready": True, "checks": {"redis": "ok"}},
}
