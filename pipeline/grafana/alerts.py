"""Alert rules that Grafana itself evaluates, over Prometheus: quality, freshness, lag, dead letters, processes."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pipeline.grafana.names import FLEET_UID, FOLDER_UID, STREAM_UID, WORKERS_UID, Json, Site

GROUP = "rungwatch"
INTERVAL_SECONDS = 60
"""That of a group which the HTTP API makes."""
MARK = "rungwatch"
"""The annotation that says which version of the rule was pushed."""
LOOK_BACK_SECONDS = 600
EXPRESSION = {"type": "__expr__", "uid": "__expr__"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: the value of a query stays above or below a limit for some time."""

    uid: str
    title: str
    expr: str
    evaluator: Literal["lt", "gt"]
    limit: float
    for_: str
    severity: Literal["warning", "critical"]
    summary: str
    what_to_do: str
    dashboard_uid: str
    no_data: Literal["OK", "NoData", "Alerting"] = "OK"


ALERTS = (
    Alert(
        "rungwatch-quality-low",
        "Quality of a rung is low",
        # A mean over a minute: one hard scene does not wake anybody, and Grafana's own hysteresis is not relied on.
        "min by (stream, rendition) (avg_over_time(rungwatch_stream_score[1m]))",
        "lt",
        40,
        "2m",
        "warning",
        "{{ $labels.stream }}: {{ $labels.rendition }} is below 40, which viewers see.",
        "Open the stream: one rung alone is its encoder, all rungs together are the source.",
        STREAM_UID,
    ),
    Alert(
        "rungwatch-stream-down",
        "All rungs of a stream are bad",
        "max by (stream) (avg_over_time(rungwatch_stream_score[1m]))",
        "lt",
        40,
        "2m",
        "critical",
        "{{ $labels.stream }}: even its best rung is below 40.",
        "Look at the source before the encoders: every rung is made of it.",
        STREAM_UID,
    ),
    Alert(
        "rungwatch-stream-stale",
        "A live stream has no new scores",
        # Above an hour it is not a fault any more, but a stream that was ended.
        "max by (stream) (rungwatch_stream_age_seconds < 3600)",
        "gt",
        120,
        "1m",
        "critical",
        "{{ $labels.stream }}: the newest scored segment ended more than two minutes ago.",
        "Read its findings: a playlist that stands still is the packager; else look at what waits on Kafka.",
        STREAM_UID,
    ),
    Alert(
        "rungwatch-findings-open",
        "A stream has findings that last",
        "max by (stream) (rungwatch_stream_open_findings)",
        "gt",
        0,
        "10m",
        "warning",
        "{{ $labels.stream }}: its playlists, manifests or origins do what they should not, for ten minutes now.",
        "`rungwatch series findings STREAM --open` says what, where, and what is expected.",
        STREAM_UID,
    ),
    Alert(
        "rungwatch-lag",
        "Segments wait and do not become fewer",
        "max by (topic) (min_over_time(rungwatch_consumer_lag_messages[10m]))",
        "gt",
        1000,
        "5m",
        "warning",
        "{{ $labels.topic }}: more than 1,000 messages have been waiting on one partition for ten minutes.",
        "Add workers, up to one per partition. On one partition only: one stream is too big for a worker.",
        WORKERS_UID,
    ),
    Alert(
        "rungwatch-skipped",
        "Live segments are skipped for being late",
        "sum(increase(rungwatch_segments_skipped_late_total[10m]))",
        "gt",
        10,
        "5m",
        "warning",
        "More than ten live segments in ten minutes were not scored, as their turn came too late.",
        "Add workers, or give on-demand work a group of its own.",
        WORKERS_UID,
    ),
    Alert(
        "rungwatch-dead-letters",
        "Messages are given up",
        'sum by (reason) (increase(rungwatch_errors_total{kind="rejected"}[10m]))',
        "gt",
        10,
        "0s",
        "warning",
        "More than ten messages in ten minutes went to the dead letters: {{ $labels.reason }}.",
        "The letters say what to do; `rungwatch replay` brings them back when it is mended.",
        WORKERS_UID,
    ),
    Alert(
        "rungwatch-two-models",
        "Two models at work",
        'count(count by (model) (rungwatch_build_info{model!=""}))',
        "gt",
        1,
        "30m",
        "warning",
        "Workers have run more than one model for half an hour: their scores are kept apart.",
        "Finish the deploy, or undo it.",
        WORKERS_UID,
    ),
    Alert(
        "rungwatch-sources",
        "Live sources cannot be followed",
        'sum(rungwatch_sources{state=~"backing off|failed"})',
        "gt",
        0,
        "5m",
        "warning",
        "Sources back off or have failed for five minutes.",
        "`rungwatch sources` says which, and why.",
        WORKERS_UID,
    ),
    Alert(
        "rungwatch-blind",
        "Nobody can say how the streams are",
        "max(rungwatch_fleet_up)",
        "lt",
        1,
        "5m",
        "critical",
        "`rungwatch serve` does not run, is not scraped, or cannot reach Redis: the other alerts are blind.",
        "Look at its /readyz, and at the targets of Prometheus.",
        FLEET_UID,
        no_data="Alerting",
    ),
)


def rules(site: Site, folder_uid: str = FOLDER_UID) -> dict[str, Json]:
    """Return the rules by uid, as the provisioning API takes them."""
    return {alert.uid: _marked(_rule(alert, site, folder_uid)) for alert in ALERTS}


def _rule(alert: Alert, site: Site, folder_uid: str) -> Json:
    time_range = {"from": LOOK_BACK_SECONDS, "to": 0}
    steps = {"intervalMs": 1000, "maxDataPoints": 43_200}
    value: Json = {
        "refId": "A",
        "queryType": "",
        "relativeTimeRange": time_range,
        "datasourceUid": site.prometheus_uid,
        "model": {
            "refId": "A",
            "datasource": site.prometheus,
            "editorMode": "code",
            "expr": alert.expr,
            "instant": True,
            "range": False,
            "legendFormat": "__auto",
            **steps,
        },
    }
    condition: Json = {
        "type": "query",
        "evaluator": {"type": alert.evaluator, "params": [alert.limit]},
        "operator": {"type": "and"},
        "query": {"params": ["B"]},
        "reducer": {"type": "last", "params": []},
    }
    threshold: Json = {
        "refId": "B",
        "queryType": "",
        "relativeTimeRange": time_range,
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "datasource": EXPRESSION,
            "type": "threshold",
            "expression": "A",
            "conditions": [condition],
            **steps,
        },
    }
    return {
        "uid": alert.uid,
        "title": alert.title,
        "orgID": 1,
        "folderUID": folder_uid,
        "ruleGroup": GROUP,
        "condition": "B",
        "data": [value, threshold],
        "for": alert.for_,
        "noDataState": alert.no_data,
        "execErrState": "Error",
        "isPaused": False,
        "labels": {"severity": alert.severity, "product": "rungwatch"},
        "annotations": {
            "summary": alert.summary,
            "description": alert.what_to_do,
            "__dashboardUid__": alert.dashboard_uid,
            "__panelId__": "1",
        },
    }


def _marked(rule: Json) -> Json:
    text = json.dumps(rule, sort_keys=True, separators=(",", ":"))
    mark = hashlib.sha256(text.encode()).hexdigest()[:12]
    return rule | {"annotations": rule["annotations"] | {MARK: mark}}
