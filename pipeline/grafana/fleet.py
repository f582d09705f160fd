"""The dashboard of all streams: the worst first, how fresh they are, and whether the workers keep up."""

from pipeline.grafana.dashboard import dashboard
from pipeline.grafana.look import SECONDS, field, page_link, quality, rising, stream_link
from pipeline.grafana.names import FLEET_UID, Json, Site
from pipeline.grafana.panels import Panel, Section, column, number, over_time, table
from pipeline.grafana.queries import Column, Request, api, prometheus, prometheus_now
from pipeline.grafana.variables import MOST_STREAMS, page

LATE, TOO_LATE = 30, 120
"""Seconds: more than a few segments; more than most live windows hold."""
QUEUED, PILED_UP = 100, 1000

STREAMS = Request(
    "/api/v1/streams",
    "streams",
    (
        Column("stream_id"),
        Column("score", "number"),
        Column("worst_rendition_id"),
        Column("mean_score", "number"),
        Column("age_seconds", "number"),
        Column("open_findings", "number"),
        Column("renditions", "number"),
        Column("model"),
        Column("display_height_px", "number"),
    ),
    {"sort": "worst", "limit": str(MOST_STREAMS)},
)
OPEN_FINDINGS = Request(
    "/api/v1/findings",
    "findings",
    (
        Column("found_at", "timestamp"),
        Column("stream_id"),
        Column("rendition_id"),
        Column("severity"),
        Column("kind"),
        Column("text"),
    ),
    {"open": "true", "limit": "200"},
)


def fleet(site: Site) -> Json:
    """Return the dashboard."""
    return dashboard(
        FLEET_UID,
        "Rungwatch: Fleet",
        "Every stream that has points, the worst first. Click a stream to see its rungs.",
        (Section("", _numbers(site)), Section("Streams", _streams(site)), Section("Over time", _over_time(site))),
        (page(site),),
        since="now-3h",
    )


def _numbers(site: Site) -> tuple[Panel, ...]:
    return (
        number(
            "Streams",
            "Streams that were written within a day. Falling: streams ended, or nothing of them arrives.",
            prometheus(site, "max(rungwatch_fleet_streams)"),
            field(decimals=0),
        ),
        number(
            "Worst rung now",
            "Least latest score of any rung of any stream. Below 40 viewers see it: the table below says where.",
            prometheus(site, "min(rungwatch_stream_score)"),
            quality(by_thresholds=True),
        ),
        number(
            "Oldest live picture",
            "Seconds since the end of the newest scored segment, of the stream that is furthest behind. Growing: its "
            "playlist stands still, or the workers are behind.",
            prometheus(site, "max(rungwatch_stream_age_seconds)"),
            field(SECONDS, steps=rising(LATE, TOO_LATE), decimals=0),
        ),
        number(
            "Waiting segments",
            "Messages that wait on Kafka. Growing: add workers, up to one per partition.",
            prometheus(site, "sum(max by (topic, partition) (rungwatch_consumer_lag_messages))"),
            field(steps=rising(QUEUED, PILED_UP), decimals=0),
        ),
        number(
            "Open findings",
            "What playlists, manifests and origins do that they should not, and that is not over. The table below says "
            "what and where.",
            prometheus(site, "sum(max by (stream) (rungwatch_stream_open_findings))"),
            field(steps=rising(1, 10), decimals=0),
        ),
        number(
            "Dead letters in an hour",
            "Messages that were given up. The letters say why and what to do; `rungwatch replay` brings them back.",
            prometheus_now(site, 'sum(increase(rungwatch_errors_total{kind="rejected"}[1h]))'),
            field(steps=rising(1, 100), decimals=0),
        ),
    )


def _streams(site: Site) -> tuple[Panel, ...]:
    to_stream = stream_link("${__data.fields.stream_id:percentencode}")
    return (
        table(
            "Worst first",
            "Latest score of the worst rung of every stream. Click a stream for its dashboard; sort by age for those "
            "that stand still. Age is empty for what is not live.",
            api(STREAMS),
            overrides=(
                column(
                    "stream_id",
                    "Stream",
                    width_px=280,
                    links=(stream_link(), page_link("${__value.raw:percentencode}")),
                ),
                column("score", "Worst rung", decimals=1, steps=quality()["thresholds"], coloured=True, width_px=110),
                column("worst_rendition_id", "Which", links=(to_stream,)),
                column("mean_score", "Mean of rungs", decimals=1, steps=quality()["thresholds"], width_px=130),
                column("age_seconds", "Age", unit=SECONDS, steps=rising(LATE, TOO_LATE), coloured=True, width_px=100),
                column("open_findings", "Open findings", steps=rising(1, 10), coloured=True, width_px=130),
                column("renditions", "Rungs", width_px=80),
                column("model", "Model"),
                column("display_height_px", "Display height", unit="none", width_px=130),
            ),
            height=14,
        ),
        table(
            "Open findings",
            "What playlists, manifests and origins do that they should not, until it is over. The text says what is "
            "expected; open the stream for when it began.",
            api(OPEN_FINDINGS),
            overrides=(
                column("found_at", "Since", unit="dateTimeAsIso", width_px=180),
                column("stream_id", "Stream", width_px=220, links=(stream_link(),)),
                column("rendition_id", "Rendition", width_px=140),
                column("severity", "Severity", width_px=100),
                column("kind", "Kind", width_px=180),
                column("text", "What"),
            ),
            height=9,
        ),
    )


def _over_time(site: Site) -> tuple[Panel, ...]:
    return (
        over_time(
            "Worst rung of the ten worst streams",
            "One line alone falling: that stream's encoder or source. All falling together: something they share.",
            (prometheus(site, "bottomk(10, min by (stream) (rungwatch_stream_score))", "{{stream}}"),),
            quality(),
            threshold_lines=True,
            legend_values=("lastNotNull", "min"),
        ),
        over_time(
            "Age of the ten oldest streams",
            "A line that rises by a second each second has stopped: look at its findings. All rising: the workers.",
            (prometheus(site, "topk(10, max by (stream) (rungwatch_stream_age_seconds))", "{{stream}}"),),
            field(SECONDS, steps=rising(LATE, TOO_LATE), least=0),
            legend_values=("lastNotNull", "max"),
        ),
        over_time(
            "Messages that wait",
            "Growing on one partition only: one stream is too big for a worker. Growing on all: add workers.",
            (prometheus(site, "sum by (topic) (rungwatch_consumer_lag_messages)", "{{topic}}"),),
            field(least=0),
            stacked=True,
        ),
        over_time(
            "From the end of a segment to its point",
            "95 of 100 live segments have their point within so long. Growing: compare with what waits.",
            (
                prometheus(
                    site,
                    "histogram_quantile(0.95, sum by (to, le) "
                    "(rate(rungwatch_live_delay_seconds_bucket[$__rate_interval])))",
                    "{{to}}",
                ),
            ),
            field(SECONDS, steps=rising(LATE, TOO_LATE), least=0),
        ),
    )
