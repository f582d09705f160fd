"""A dashboard in the classic JSON model, which files and the HTTP API of Grafana 10 to 13 take alike."""

from collections.abc import Sequence

from pipeline.grafana.names import GRAFANA_SOURCE, TAG, Json
from pipeline.grafana.panels import Section, laid_out

SCHEMA_VERSION = 39
"""That of Grafana 10.4 and 11.0; newer ones bring it up to date when they load it."""
CROSSHAIR = 1
REFRESH_CHOICES = ["5s", "10s", "30s", "1m", "5m", "15m", "1h"]


def dashboard(
    uid: str,
    title: str,
    description: str,
    sections: Sequence[Section],
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
    *,
    since: str = "now-1h",
    refresh: str = "10s",
) -> Json:
    """Return the dashboard; `since`: where its time range begins, until now."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": CROSSHAIR,
        "time": {"from": since, "to": "now"},
        "timepicker": {"refresh_intervals": REFRESH_CHOICES},
        "timezone": "browser",
        "refresh": refresh,
        "links": [_to_the_others()],
        "templating": {"list": list(variables)},
        "annotations": {"list": [_drawn_by_hand(), *annotations]},
        "panels": laid_out(sections),
    }


def _to_the_others() -> Json:
    return {
        "type": "dashboards",
        "title": "Rungwatch",
        "tags": [TAG],
        "asDropdown": True,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    }


def _drawn_by_hand() -> Json:
    return {
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "builtIn": 1,
        "datasource": GRAFANA_SOURCE,
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
    }
