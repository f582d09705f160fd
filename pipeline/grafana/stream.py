"""The dashboard of one stream: every rung over time, against its bitrate, at its worst, and what happened."""

from pipeline.grafana.dashboard import dashboard
from pipeline.grafana.look import BITRATE, SECONDS, field, ladder_link, link, page_link, quality, rising
from pipeline.grafana.names import API_SOURCE, GRAFANA_SOURCE, STREAM_UID, TAG, Json, Site
from pipeline.grafana.panels import (
    Panel,
    Section,
    against,
    arranged,
    column,
    number,
    over_time,
    series_style,
    sorted_by,
    table,
)
from pipeline.grafana.queries import RANGE, Column, Request, api, prometheus
from pipeline.grafana.variables import display_height, model, page, rendition, stream

GAP_SECONDS = 30
"""Values further apart are not joined: nothing was scored in between."""
POINTS = "1500"
WHICH = {"stream": "${stream}", "model": "${model}", "display_height": "${display_height}"}
RUNG = "${__field.labels.rendition_id}"
LATE, TOO_LATE = 30, 120


def series(value: str) -> Request:
    """Return the request for one value of every rung over time."""
    return Request(
        "/api/v1/series?${rendition:queryparam}",
        "rows",
        (Column("time", "timestamp"), Column("rendition_id"), Column(value, "number")),
        WHICH | RANGE | {"shape": "rows", "points": POINTS},
    )


LADDER = Request(
    "/api/v1/ladder",
    "rungs",
    (
        Column("rendition_id"),
        Column("score", "number"),
        Column("word"),
        Column("low", "number"),
        Column("high", "number"),
        Column("bitrate_bps", "number"),
        Column("worst_score", "number"),
        Column("basis"),
        Column("label"),
        Column("age_seconds", "number"),
        Column("time", "timestamp"),
    ),
    {"stream": "${stream}", "model": "${model}"},
)
WORST = Request(
    "/api/v1/worst?${rendition:queryparam}",
    "segments",
    (
        Column("time", "timestamp"),
        Column("rendition_id"),
        Column("score", "number"),
        Column("worst_score", "number"),
        Column("duration_seconds", "number"),
        Column("picture"),
    ),
    {"stream": "${stream}", "limit": "20"} | RANGE,
)
INCIDENTS = Request(
    "/api/v1/incidents",
    "incidents",
    (
        Column("opened_at", "timestamp"),
        Column("closed_at", "timestamp"),
        Column("severity"),
        Column("cause"),
        Column("summary"),
        Column("worst_score", "number"),
        Column("duration_seconds", "number"),
    ),
    {"stream": "${stream}"} | RANGE,
)
FINDINGS = Request(
    "/api/v1/findings",
    "findings",
    (
        Column("found_at", "timestamp"),
        Column("over_at", "timestamp"),
        Column("severity"),
        Column("kind"),
        Column("rendition_id"),
        Column("text"),
    ),
    {"stream": "${stream}", "limit": "200"} | RANGE,
)
INCIDENT_MARKS = Request(
    "/api/v1/incidents",
    "incidents",
    (
        Column("opened_at", "timestamp", "time"),
        Column("closed_at", "timestamp", "timeEnd"),
        Column("cause", text="title"),
        Column("summary", text="text"),
        Column("severity", text="tags"),
    ),
    {"stream": "${stream}"} | RANGE,
)
AD_MARKS = Request(
    "/api/v1/series",
    "ads",
    (
        Column("time", "timestamp"),
        Column("time_end", "timestamp", "timeEnd"),
        Column("label", text="text"),
    ),
    {"stream": "${stream}", "shape": "rows", "resolution": "hour", "points": "10"} | RANGE,
)
FINDING_MARKS = Request(
    "/api/v1/findings",
    "findings",
    (
        Column("found_at", "timestamp", "time"),
        Column("over_at", "timestamp", "timeEnd"),
        Column("kind", text="title"),
        Column("text"),
        Column("severity", text="tags"),
    ),
    {"stream": "${stream}", "limit": "200"} | RANGE,
)


def stream_dashboard(site: Site) -> Json:
    """Return the dashboard."""
    return dashboard(
        STREAM_UID,
        "Rungwatch: Stream",
        "One stream: how good every rung of its ladder is, when it was worst, and what was found. Streams without a "
        "wall clock (on demand) are on the page of Rungwatch only.",
        (
            Section("", _now(site)),
            Section("Quality", _quality()),
            Section("The ladder", _ladder()),
            Section("What happened", _happened()),
        ),
        (stream(), rendition(), model(), display_height(), page(site)),
        (
            _marks("Incidents", "dark-red", INCIDENT_MARKS),
            _marks("Findings", "orange", FINDING_MARKS),
            _marks("Ad breaks", "light-purple", AD_MARKS),
            _sent(),
        ),
    )


def _now(site: Site) -> tuple[Panel, ...]:
    of = '{stream="$stream"}'
    return (
        number(
            "Worst rung now",
            "Least latest score of its rungs: 80 and more is excellent, below 40 viewers see it. Look at which rung it "
            "is, then at its encoder; all rungs low together: the source.",
            prometheus(site, f"min(rungwatch_stream_score{of})"),
            quality(by_thresholds=True),
            links=(page_link(), ladder_link("${stream:percentencode}")),
        ),
        number(
            "Best rung now",
            "The best rung bounds all others. Low: the source is bad, no encoder setting will help.",
            prometheus(site, f"max(rungwatch_stream_score{of})"),
            quality(by_thresholds=True),
        ),
        number(
            "Age",
            "Seconds since the end of the newest scored segment. Growing: the playlist stands still, or the workers "
            "are behind; the findings below say which.",
            prometheus(site, f"max(rungwatch_stream_age_seconds{of})"),
            field(SECONDS, steps=rising(LATE, TOO_LATE), decimals=0),
        ),
        number(
            "Open findings",
            "What its playlists, manifests and origins do that they should not, and that is not over; see below.",
            prometheus(site, f"max(rungwatch_stream_open_findings{of})"),
            field(steps=rising(1, 10), decimals=0),
        ),
        number(
            "Bitrate of all rungs",
            "Video of the latest segments together. Falling with the score: an encoder is starved.",
            prometheus(site, f"sum(max by (rendition) (rungwatch_stream_bitrate_bps{of}))"),
            field(BITRATE, decimals=1),
        ),
        number(
            "Rungs",
            "Rungs that have a latest score. Fewer than the ladder has: a rung is gone, or cannot be scored.",
            prometheus(site, f"count(max by (rendition) (rungwatch_stream_score{of}))"),
            field(decimals=0),
        ),
    )


def _quality() -> tuple[Panel, ...]:
    return (
        over_time(
            "Quality of every rung",
            "Mean score of each segment (or minute, or hour) on the scale of VMAF; 6 points are about one visible "
            "step. One rung falling: its encoder. All falling: the source. A gap: nothing was scored.",
            (api(series("score"), over_time=True),),
            quality(name=RUNG),
            width=24,
            height=10,
            gap_seconds=GAP_SECONDS,
            threshold_lines=True,
            legend_values=("lastNotNull", "mean", "min"),
            links=(page_link(),),
        ),
        over_time(
            "At its worst",
            "Least score within each value of the chart above: short dips that a mean hides. Many dips on one rung: "
            "its bitrate is too low for its hardest scenes.",
            (api(series("least"), over_time=True),),
            quality(name=RUNG),
            gap_seconds=GAP_SECONDS,
            threshold_lines=True,
            legend_values=("lastNotNull", "min"),
        ),
        over_time(
            "Bitrate of every rung",
            "Video packets of each segment. Falling together with the score: starved. Falling alone: easy pictures.",
            (api(series("bitrate_bps"), over_time=True),),
            field(BITRATE, least=0, name=RUNG),
            gap_seconds=GAP_SECONDS,
            legend_values=("lastNotNull", "mean", "max"),
        ),
    )


def _ladder() -> tuple[Panel, ...]:
    return (
        against(
            "Quality against bitrate, now",
            "Latest segment of every rung with its 90 % interval. It should rise from left to right: a rung below one "
            "of lower bitrate is wasted bits, look at its encoder. A flat end: the top rungs could be cheaper.",
            api(LADDER),
            "bitrate_bps",
            quality(),
            overrides=(
                column("bitrate_bps", "Bitrate", unit=BITRATE),
                column("score", "Score"),
                column("low", "Low end"),
                column("high", "High end"),
                series_style("low", lineWidth=0, showPoints="never"),
                series_style("high", lineWidth=0, showPoints="never", fillBelowTo="Low end", fillOpacity=15),
            ),
            transformations=(
                arranged(
                    ("bitrate_bps", "score", "low", "high"),
                    hidden=("rendition_id", "word", "worst_score", "basis", "label", "age_seconds", "time"),
                ),
                sorted_by("bitrate_bps"),
            ),
        ),
        table(
            "The ladder now",
            "Latest segment of every rung, best bitrate first. Basis `alone` where the others say `ladder`: that rung "
            "does not match its reference, read its findings.",
            api(LADDER),
            overrides=(
                column("rendition_id", "Rendition", width_px=150),
                column("score", "Score", decimals=1, steps=quality()["thresholds"], coloured=True, width_px=80),
                column("word", "Word", width_px=90),
                column("bitrate_bps", "Bitrate", unit=BITRATE, width_px=110),
                column("worst_score", "Worst frame", decimals=1, steps=quality()["thresholds"], width_px=110),
                column("basis", "Basis", width_px=80),
                column("label", "Content", width_px=90),
                column("age_seconds", "Age", unit=SECONDS, steps=rising(LATE, TOO_LATE), width_px=80),
                column("time", "Begins at", unit="dateTimeAsIso"),
            ),
            transformations=(
                arranged(
                    (
                        "rendition_id",
                        "score",
                        "word",
                        "bitrate_bps",
                        "worst_score",
                        "basis",
                        "label",
                        "age_seconds",
                        "time",
                    ),
                    hidden=("low", "high"),
                ),
            ),
            width=12,
            links=(ladder_link("${stream:percentencode}"),),
        ),
    )


def _happened() -> tuple[Panel, ...]:
    picture = link("See the worst frame", "${page:raw}${__value.raw}", new_tab=True)
    return (
        table(
            "Worst segments",
            "The lowest of the chosen time and rungs. Follow the link to see the worst frame: what is wrong with it "
            "tells blocks (bitrate) from blur (source or scaling) from damage (transport).",
            api(WORST),
            overrides=(
                column("time", "Time", unit="dateTimeAsIso", width_px=180, links=(page_link(),)),
                column("rendition_id", "Rendition", width_px=150),
                column("score", "Score", decimals=1, steps=quality()["thresholds"], coloured=True, width_px=90),
                column("worst_score", "Worst frame", decimals=1, steps=quality()["thresholds"], width_px=120),
                column("duration_seconds", "Length", unit=SECONDS, width_px=90),
                column("picture", "Picture", links=(picture,)),
            ),
            width=12,
            height=10,
        ),
        table(
            "Incidents",
            "One line per cause, from its beginning to its end. The summary says what it is and which rungs it is on.",
            api(INCIDENTS),
            overrides=(
                column("opened_at", "From", unit="dateTimeAsIso", width_px=180),
                column("closed_at", "To", unit="dateTimeAsIso", width_px=180),
                column("severity", "Severity", width_px=90),
                column("cause", "Cause", width_px=120),
                column("summary", "What"),
                column("worst_score", "Worst score", decimals=1, steps=quality()["thresholds"], width_px=110),
                column("duration_seconds", "Length", unit=SECONDS, width_px=90),
            ),
            width=12,
            height=10,
        ),
        table(
            "Findings of playlists, manifests and origins",
            "What was found without decoding a picture. The text says what is expected; no end: it still lasts.",
            api(FINDINGS),
            overrides=(
                column("found_at", "From", unit="dateTimeAsIso", width_px=180),
                column("over_at", "To", unit="dateTimeAsIso", width_px=180),
                column("severity", "Severity", width_px=90),
                column("kind", "Kind", width_px=180),
                column("rendition_id", "Rendition", width_px=150),
                column("text", "What"),
            ),
        ),
    )


def _marks(name: str, color: str, request: Request) -> Json:
    return {
        "name": name,
        "datasource": API_SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "target": api(request, "Anno") | {"format": "dataframe"},
    }


def _sent() -> Json:
    # The same findings and incidents come from our API above; whoever turns this on sees what other dashboards see.
    return {
        "name": "Sent to Grafana",
        "datasource": GRAFANA_SOURCE,
        "enable": False,
        "hide": False,
        "iconColor": "purple",
        "target": {"limit": 100, "matchAny": False, "tags": [TAG, "stream:$stream"], "type": "tags", "refId": "Sent"},
    }
