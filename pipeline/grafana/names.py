"""What everything of ours is called in a Grafana: fixed uids, so that a repeat finds what is there."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

FOLDER_UID = "rungwatch"
FOLDER_TITLE = "Rungwatch"
TAG = "rungwatch"
PROMETHEUS_UID = "rungwatch-prometheus"
PROMETHEUS = "prometheus"
API_UID = "rungwatch-api"
INFINITY = "yesoreyeram-infinity-datasource"
"""The plugin that reads JSON over HTTP; not part of Grafana."""

FLEET_UID = "rungwatch-fleet"
STREAM_UID = "rungwatch-stream"
WORKERS_UID = "rungwatch-workers"
LADDER_UID = "rungwatch-ladder"


@dataclass(frozen=True, slots=True)
class Site:
    """Where things are, as the dashboards say it."""

    page_url: str = "http://localhost:8090"
    """Of our page, as the browsers of those who look at Grafana reach it; links go there."""
    api_url: str = "http://localhost:8090"
    """Of our API, as Grafana itself reaches it."""
    prometheus_url: str = "http://localhost:9090"
    prometheus_uid: str = PROMETHEUS_UID
    """Of the Prometheus data source; another than ours: it is there already, and none is made."""

    @property
    def makes_prometheus(self) -> bool:
        return self.prometheus_uid == PROMETHEUS_UID

    @property
    def prometheus(self) -> Json:
        return {"type": PROMETHEUS, "uid": self.prometheus_uid}


API_SOURCE: Json = {"type": INFINITY, "uid": API_UID}
GRAFANA_SOURCE: Json = {"type": "grafana", "uid": "-- Grafana --"}
"""Grafana's own store of annotations."""
