"""All dashboards of ours, by uid."""

from pipeline.grafana.fleet import fleet
from pipeline.grafana.ladder import ladder
from pipeline.grafana.names import Json, Site
from pipeline.grafana.stream import stream_dashboard
from pipeline.grafana.workers import workers


def dashboards(site: Site) -> dict[str, Json]:
    """Return every dashboard; always the same for one site."""
    made = (fleet(site), stream_dashboard(site), ladder(site), workers(site))
    return {each["uid"]: each for each in made}
