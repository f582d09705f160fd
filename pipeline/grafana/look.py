"""How values look: units, thresholds, colours and links, the same on every dashboard."""

from pipeline.grafana.names import LADDER_UID, STREAM_UID, Json

BAD, POOR, FAIR, GOOD, EXCELLENT = "dark-red", "orange", "yellow", "light-blue", "dark-blue"
"""From red to blue, which people who cannot tell red from green can tell apart."""
QUIET, WARN, ALARM = "blue", "orange", "dark-red"
BITRATE = "bps"
SECONDS = "s"

Step = tuple[float | None, str]
QUALITY_STEPS: tuple[Step, ...] = ((None, BAD), (20, POOR), (40, FAIR), (60, GOOD), (80, EXCELLENT))
"""bad, poor, fair, good, excellent."""


def thresholds(*steps: Step) -> Json:
    """Return steps; the first, of no value, is what holds below all others."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def rising(warn: float, alarm: float) -> Json:
    """Return the thresholds of a value that is worse the higher it is."""
    return thresholds((None, QUIET), (warn, WARN), (alarm, ALARM))


def field(
    unit: str = "short",
    *,
    steps: Json | None = None,
    least: float | None = None,
    most: float | None = None,
    decimals: int | None = None,
    by_thresholds: bool = False,
    name: str = "",
) -> Json:
    """Return the settings of a field.

    Args:
        by_thresholds: Colour by the thresholds; else every line has a colour of its own.
        name: What it is called, such as ``${__field.labels.rendition_id}``; empty: as it comes.
    """
    settings: Json = {
        "unit": unit,
        "color": {"mode": "thresholds" if by_thresholds else "palette-classic"},
        "thresholds": steps or thresholds((None, QUIET)),
        "mappings": [],
    }
    more = {"min": least, "max": most, "decimals": decimals, "displayName": name or None}
    return settings | {key: value for key, value in more.items() if value is not None}


def quality(*, by_thresholds: bool = False, name: str = "") -> Json:
    """Return the settings of a score."""
    steps = thresholds(*QUALITY_STEPS)
    return field("short", steps=steps, least=0, most=100, decimals=1, by_thresholds=by_thresholds, name=name)


def link(title: str, url: str, *, new_tab: bool = False) -> Json:
    return {"title": title, "url": url, "targetBlank": new_tab}


def panel_link(of: Json) -> Json:
    """Return a link as the head of a panel has it."""
    more = {"type": "link", "icon": "external link", "tags": [], "tooltip": ""}
    return of | more | {"asDropdown": False, "includeVars": False, "keepTime": False}


def page_link(stream: str = "${stream:percentencode}") -> Json:
    """Return the link to the stream on our page, over the same time."""
    url = f"${{page:raw}}/?stream={stream}&from=${{__from:date:iso}}&to=${{__to:date:iso}}"
    return link("Open in Rungwatch", url, new_tab=True)


def stream_link(stream: str = "${__value.raw:percentencode}") -> Json:
    return link("Open the stream's dashboard", f"/d/{STREAM_UID}?var-stream={stream}&${{__url_time_range}}")


def ladder_link(stream: str = "${__value.raw:percentencode}") -> Json:
    return link("Open its ladder over a day", f"/d/{LADDER_UID}?var-stream={stream}")
