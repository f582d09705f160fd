"""The choices at the top of a dashboard: stream, rendition, model, display height, and where our page is."""

from pipeline.grafana.names import API_SOURCE, Json, Site
from pipeline.grafana.queries import Column, Request, api

MOST_STREAMS = 1000
ON_LOAD, ON_TIME_RANGE = 1, 2
HIDDEN = 2
ALL: Json = {"text": ["All"], "value": ["$__all"], "selected": True}

STREAMS = Request(
    "/api/v1/streams", "streams", (Column("stream_id"),), {"sort": "name", "limit": str(MOST_STREAMS)}
)  # fmt: skip
RENDITIONS = Request("/api/v1/renditions", "renditions", (Column("rendition_id"),), {"stream": "${stream}"})
_SERIES = "renditions.#.series|@flatten"
MODELS = Request("/api/v1/renditions", _SERIES, (Column("model"),), {"stream": "${stream}"})
HEIGHTS = Request("/api/v1/renditions", _SERIES, (Column("display_height_px"),), {"stream": "${stream}"})


def stream() -> Json:
    return _asked("stream", "Stream", "Which stream; the address of the dashboard carries it.", STREAMS)


def rendition() -> Json:
    several = {"multi": True, "includeAll": True, "current": ALL}
    return _asked("rendition", "Rendition", "Which rungs of its ladder.", RENDITIONS) | several


def model() -> Json:
    # One at a time, the newest first: scores of two models never stand in one line.
    return _asked("model", "Model", "Whose scores; the newest first.", MODELS)


def display_height() -> Json:
    return _asked(
        "display_height", "Display height", "Height in lines of the display the scores are for.", HEIGHTS
    )  # fmt: skip


def page(site: Site) -> Json:
    """Return where links to our page go."""
    value = {"text": site.page_url, "value": site.page_url, "selected": True}
    return {
        "type": "constant",
        "name": "page",
        "label": "Page",
        "description": "Address of the page of Rungwatch, as browsers reach it.",
        "hide": HIDDEN,
        "query": site.page_url,
        "current": value,
        "options": [value],
        "skipUrlSync": True,
    }


def instance(site: Site) -> Json:
    """Return a choice of processes, from Prometheus."""
    query = "label_values(rungwatch_build_info, instance)"
    return {
        "type": "query",
        "name": "instance",
        "label": "Process",
        "description": "Which processes of Rungwatch, by the address that Prometheus scrapes.",
        "hide": 0,
        "datasource": site.prometheus,
        "query": {"query": query, "refId": "instance", "qryType": 1},
        "refresh": ON_TIME_RANGE,
        "sort": 1,
        "regex": "",
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": ALL,
        "options": [],
        "skipUrlSync": False,
    }


def _asked(name: str, label: str, description: str, request: Request) -> Json:
    return {
        "type": "query",
        "name": name,
        "label": label,
        "description": description,
        "hide": 0,
        "datasource": API_SOURCE,
        "query": {"queryType": "infinity", "refId": name, "query": "", "infinityQuery": api(request, name)},
        "refresh": ON_LOAD,
        "sort": 0,
        "regex": "",
        "multi": False,
        "includeAll": False,
        "options": [],
        "skipUrlSync": False,
    }
