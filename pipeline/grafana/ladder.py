"""The dashboard of one ladder over a day: what every bitrate buys, and where rungs could be moved."""

from pipeline.grafana.dashboard import dashboard
from pipeline.grafana.look import BITRATE, field, page_link, quality, stream_link
from pipeline.grafana.names import LADDER_UID, Json, Site
from pipeline.grafana.panels import (
    Panel,
    Section,
    against,
    arranged,
    column,
    computed,
    grouped,
    over_time,
    sorted_by,
    strips,
    table,
)
from pipeline.grafana.queries import RANGE, Column, Request, api
from pipeline.grafana.stream import RUNG, WHICH
from pipeline.grafana.variables import display_height, model, page, rendition, stream

DAY_POINTS = "1500"


def ladder(site: Site) -> Json:
    """Return the dashboard."""
    return dashboard(
        LADDER_UID,
        "Rungwatch: Ladder",
        "Quality per bitrate over a day: tune the ladder here. A rung that is no better than the one below it is "
        "wasted; a step of far more than 6 points leaves room for a rung between.",
        (Section("What a bitrate buys", _curve()), Section("Through the day", _day())),
        (stream(), rendition(), model(), display_height(), page(site)),
        since="now-24h",
        refresh="5m",
    )


def _over_range(*columns: Column, resolution: str = "minute") -> Request:
    return Request(
        "/api/v1/series?${rendition:queryparam}",
        "rows",
        (Column("time", "timestamp"), Column("rendition_id"), *columns),
        WHICH | RANGE | {"shape": "rows", "resolution": resolution, "points": DAY_POINTS},
    )


VALUES = _over_range(
    Column("score", "number"), Column("least", "number"), Column("greatest", "number"), Column("bitrate_bps", "number")
)
GROUPED = grouped(
    "rendition_id", {"score": ("mean",), "least": ("min",), "greatest": ("max",), "bitrate_bps": ("mean",)}
)


def _curve() -> tuple[Panel, ...]:
    return (
        against(
            "Quality against bitrate",
            "Every rung at its mean bitrate, with its mean, its best and its worst value of the time range. The best "
            "ladder rises steeply and evenly; where the curve is flat, bits buy nothing that is seen.",
            api(VALUES),
            "bitrate_bps (mean)",
            quality(),
            overrides=(
                column("bitrate_bps (mean)", "Mean bitrate", unit=BITRATE),
                column("score (mean)", "Mean"),
                column("least (min)", "Worst"),
                column("greatest (max)", "Best"),
            ),
            transformations=(
                GROUPED,
                arranged(
                    ("bitrate_bps (mean)", "score (mean)", "least (min)", "greatest (max)"), hidden=("rendition_id",)
                ),
                sorted_by("bitrate_bps (mean)"),
            ),
            height=10,
        ),
        table(
            "Every rung over the time range",
            "The last column says what one point of quality costs: far more than on the rung below it, and that rung "
            "is the first to take bits from.",
            api(VALUES),
            overrides=(
                column("rendition_id", "Rendition", width_px=150),
                column("score (mean)", "Mean", decimals=1, steps=quality()["thresholds"], coloured=True, width_px=80),
                column("least (min)", "Worst", decimals=1, steps=quality()["thresholds"], width_px=80),
                column("greatest (max)", "Best", decimals=1, width_px=80),
                column("bitrate_bps (mean)", "Mean bitrate", unit=BITRATE, decimals=2),
                column("cost", "Bit/s a point", unit=BITRATE, decimals=1),
            ),
            transformations=(
                GROUPED,
                computed("cost", "bitrate_bps (mean)", "/", "score (mean)"),
                sorted_by("bitrate_bps (mean)", descending=True),
            ),
            width=12,
            height=10,
            links=(page_link(), stream_link("${stream:percentencode}")),
        ),
    )


def _day() -> tuple[Panel, ...]:
    return (
        strips(
            "Hour by hour",
            "Mean score of every rung and hour. A dark column: the source or the whole encoder in that hour. A dark "
            "row: that rung is too cheap. Hours of sport or film that stay low need a ladder of their own.",
            api(_over_range(Column("score", "number"), resolution="hour"), over_time=True),
            quality(by_thresholds=True, name=RUNG),
        ),
        over_time(
            "Quality through the day",
            "Mean of each minute. Lines that touch: two rungs buy the same quality at that time.",
            (api(_over_range(Column("score", "number")), over_time=True),),
            quality(name=RUNG),
            threshold_lines=True,
            gap_seconds=600,
            legend_values=("mean", "min", "max"),
        ),
        over_time(
            "Bitrate through the day",
            "Mean of each minute. A rung that never comes near its declared bitrate is capped by easy pictures.",
            (api(_over_range(Column("bitrate_bps", "number")), over_time=True),),
            field(BITRATE, least=0, name=RUNG),
            gap_seconds=600,
            legend_values=("mean", "min", "max"),
        ),
    )
