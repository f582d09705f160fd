"""Queries of panels: PromQL for Prometheus, and requests to our API that Infinity makes with its backend parser."""

from dataclasses import dataclass, field
from typing import Literal

from pipeline.grafana.names import API_SOURCE, Json, Site

Kind = Literal["string", "number", "timestamp", "timestamp_epoch_s"]
RANGE = {"from": "${__from:date:iso}", "to": "${__to:date:iso}"}
"""The time range of the dashboard, as our API takes it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer of our API."""

    selector: str
    kind: Kind = "string"
    text: str = ""
    """As what it appears; empty: as `selector`."""

    @property
    def name(self) -> str:
        return self.text or self.selector

    @property
    def json(self) -> Json:
        return {"selector": self.selector, "text": self.name, "type": self.kind}


@dataclass(frozen=True, slots=True)
class Request:
    """One GET of our API."""

    path: str
    root: str
    """Where the rows are in the answer: a path of GJSON."""
    columns: tuple[Column, ...]
    params: dict[str, str] = field(default_factory=dict)
    """Variables are filled in and encoded; one of many values only as ``${name:queryparam}`` in `path`."""


def api(request: Request, ref: str = "A", *, over_time: bool = False) -> Json:
    """Return the query of a panel.

    Args:
        over_time: One line per value of the columns of text, along the column that is a time stamp; its rows must be in
            order of time. Else a table.
    """
    return {
        "refId": ref,
        "datasource": API_SOURCE,
        "type": "json",
        "source": "url",
        "parser": "backend",
        "format": "timeseries" if over_time else "table",
        "url": request.path,
        "url_options": {
            "method": "GET",
            "data": "",
            "params": [{"key": key, "value": value} for key, value in request.params.items()],
        },
        "root_selector": request.root,
        "columns": [column.json for column in request.columns],
        "filters": [],
    }


def prometheus(site: Site, expr: str, legend: str = "", ref: str = "A") -> Json:
    """Return a query over the time range of the dashboard."""
    return {
        "refId": ref,
        "datasource": site.prometheus,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend or "__auto",
        "range": True,
        "instant": False,
        "format": "time_series",
    }


def prometheus_now(site: Site, expr: str, ref: str = "A", *, table: bool = False) -> Json:
    """Return a query for the values at the end of the time range."""
    shape = {"range": False, "instant": True, "format": "table" if table else "time_series"}
    return prometheus(site, expr, ref=ref) | shape
