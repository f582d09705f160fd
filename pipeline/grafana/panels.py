"""Panels of the types that are part of Grafana, and how they are laid out on a dashboard."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline.grafana.look import panel_link
from pipeline.grafana.names import Json

GRID_WIDTH = 24
NO_TARGETS = "a panel asks for something"
Calculation = Literal["lastNotNull", "max", "min", "sum", "mean"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel, before it has a place."""

    kind: str
    title: str
    description: str
    """What to do when it looks bad."""
    targets: tuple[Json, ...]
    defaults: Json
    options: Json
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    links: tuple[Json, ...] = ()
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True)
class Section:
    """A headline with panels below it, in reading order."""

    title: str
    panels: tuple[Panel, ...] = field(default_factory=tuple)


def over_time(
    title: str,
    description: str,
    targets: Sequence[Json],
    settings: Json,
    *,
    width: int = 12,
    height: int = 8,
    stacked: bool = False,
    gap_seconds: float | None = None,
    legend_values: Sequence[Calculation] = ("lastNotNull",),
    threshold_lines: bool = False,
    links: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
) -> Panel:
    """Return lines over time.

    Args:
        gap_seconds: Values that lie closer together than this are joined; None: neighbours are.
    """
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 40 if stacked else 0,
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False if gap_seconds is None else round(gap_seconds * 1000),
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "axisPlacement": "auto",
        "axisLabel": "",
        "thresholdsStyle": {"mode": "dashed" if threshold_lines else "off"},
    }
    legend = {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": list(legend_values)}
    return Panel(
        "timeseries",
        title,
        description,
        tuple(targets),
        settings | {"custom": custom},
        {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        width=width,
        height=height,
        links=tuple(links),
        overrides=tuple(overrides),
    )


def number(
    title: str,
    description: str,
    target: Json,
    settings: Json,
    *,
    calculation: Calculation = "lastNotNull",
    width: int = 4,
    links: Sequence[Json] = (),
) -> Panel:
    """Return one big number."""
    options = {
        "colorMode": "value",
        "graphMode": "area" if target["range"] else "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": [calculation], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    settings = settings | {"color": {"mode": "thresholds"}}
    return Panel(
        "stat", title, description, (target,), settings, options, width=width, height=4, links=tuple(links)
    )  # fmt: skip


def table(
    title: str,
    description: str,
    target: Json,
    *,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    sort_by: str = "",
    descending: bool = False,
    width: int = 24,
    height: int = 8,
    links: Sequence[Json] = (),
) -> Panel:
    settings: Json = {
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [{"value": None, "color": "text"}]},
        "mappings": [],
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
    }
    options: Json = {
        "frameIndex": 0,
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": sort_by, "desc": descending}] if sort_by else [],
    }
    return Panel(
        "table",
        title,
        description,
        (target,),
        settings,
        options,
        tuple(overrides),
        tuple(transformations),
        tuple(links),
        width,
        height,
    )


def against(
    title: str,
    description: str,
    target: Json,
    x_field: str,
    settings: Json,
    *,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Return curves over a number instead of the time; the rows must be in order of `x_field`."""
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 2,
        "fillOpacity": 0,
        "showPoints": "always",
        "pointSize": 8,
        "axisPlacement": "auto",
        "axisLabel": "",
        "thresholdsStyle": {"mode": "dashed"},
    }
    legend = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    options: Json = {"legend": legend, "tooltip": {"mode": "multi", "sort": "none"}, "xField": x_field}
    return Panel(
        "trend",
        title,
        description,
        (target,),
        settings | {"custom": custom},
        options,
        tuple(overrides),
        tuple(transformations),
        width=width,
        height=height,
    )


def strips(
    title: str, description: str, target: Json, settings: Json, *, width: int = 24, height: int = 9
) -> Panel:  # fmt: skip
    """Return one strip per series, coloured by its values."""
    legend = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    options = {
        "legend": legend,
        "tooltip": {"mode": "single", "sort": "none"},
        "showValue": "auto",
        "rowHeight": 0.9,
        "colWidth": 0.95,
    }
    custom = {"fillOpacity": 80, "lineWidth": 1}
    return Panel(
        "status-history", title, description, (target,), settings | {"custom": custom}, options,
        width=width, height=height,
    )  # fmt: skip


def column(
    name: str,
    title: str | None = None,
    *,
    unit: str | None = None,
    width_px: int | None = None,
    decimals: int | None = None,
    links: Sequence[Json] = (),
    steps: Json | None = None,
    coloured: bool = False,
) -> Json:
    """Return what differs for one column of a table.

    Args:
        title: Its headline; None: its name.
        coloured: The cell has the colour of its threshold.
    """
    properties: list[Json] = []
    for key, value in (
        ("displayName", title),
        ("unit", unit),
        ("decimals", decimals),
        ("custom.width", width_px),
        ("thresholds", steps),
        ("links", list(links) or None),
        ("custom.cellOptions", {"type": "color-background", "mode": "basic"} if coloured else None),
    ):
        if value is not None:
            properties.append({"id": key, "value": value})
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def series_style(name: str, **custom: object) -> Json:
    """Return what differs for one line, such as ``lineWidth=0``."""
    properties = [{"id": f"custom.{key}", "value": value} for key, value in custom.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def sorted_by(name: str, *, descending: bool = False) -> Json:
    return {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": name, "desc": descending}]}}


def grouped(by: str, values: dict[str, Sequence[str]]) -> Json:
    """Return one row per value of `by`; of the other fields such as ``{"score": ["mean", "min"]}``."""
    fields: Json = {by: {"aggregations": [], "operation": "groupby"}}
    for name, calculations in values.items():
        fields[name] = {"aggregations": list(calculations), "operation": "aggregate"}
    return {"id": "groupBy", "options": {"fields": fields}}


def arranged(order: Sequence[str], *, hidden: Iterable[str] = (), renamed: dict[str, str] | None = None) -> Json:
    """Return the columns in this order, without the hidden ones."""
    options: Json = {
        "indexByName": {name: index for index, name in enumerate(order)},
        "excludeByName": dict.fromkeys(hidden, True),
        "renameByName": renamed or {},
    }
    return {"id": "organize", "options": options}


def computed(alias: str, left: str, operator: str, right: str) -> Json:
    """Return a column more: `left` `operator` `right`, each a column or a number."""
    options = {
        "alias": alias,
        "mode": "binary",
        "binary": {"left": left, "operator": operator, "right": right},
        "replaceFields": False,
    }
    return {"id": "calculateField", "options": options}


def laid_out(sections: Sequence[Section]) -> list[Json]:
    """Return the panels with ids and places, row by row from the top."""
    placed: list[Json] = []
    top = 0
    for section in sections:
        if section.title:
            placed.append(_row(section.title, len(placed) + 1, top))
            top += 1
        left = lowest = 0
        for panel in section.panels:
            if left + panel.width > GRID_WIDTH:
                top, left, lowest = top + lowest, 0, 0
            placed.append(_placed(panel, len(placed) + 1, left, top))
            left, lowest = left + panel.width, max(lowest, panel.height)
        top += lowest
    return placed


def _row(title: str, number_: int, top: int) -> Json:
    place = {"x": 0, "y": top, "w": GRID_WIDTH, "h": 1}
    return {"type": "row", "id": number_, "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _placed(panel: Panel, number_: int, left: int, top: int) -> Json:
    if not panel.targets:
        raise ValueError(f"{panel.title}: {NO_TARGETS}")
    sources = [target["datasource"] for target in panel.targets]
    return {
        "type": panel.kind,
        "id": number_,
        "title": panel.title,
        "description": panel.description,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "datasource": sources[0],
        "targets": list(panel.targets),
        "fieldConfig": {"defaults": panel.defaults, "overrides": list(panel.overrides)},
        "options": panel.options,
        "transformations": list(panel.transformations),
        "links": [panel_link(each) for each in panel.links],
        "transparent": False,
    }
