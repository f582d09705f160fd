"""The data sources: Prometheus for health and alerts, Infinity on our API for the history of every segment."""

from pipeline.grafana.names import API_UID, INFINITY, PROMETHEUS, PROMETHEUS_UID, Json, Site

TOKEN_FIELD = "bearerToken"
SCRAPE_SECONDS = 15
TIMEOUT_SECONDS = 30


def sources(site: Site, *, with_token: bool) -> dict[str, Json]:
    """Return the data sources by uid, without secrets; `with_token`: our API asks for one."""
    found = {API_UID: _api(site, with_token)}
    if site.makes_prometheus:
        found[PROMETHEUS_UID] = _prometheus(site)
    return found


def _prometheus(site: Site) -> Json:
    return {
        "uid": PROMETHEUS_UID,
        "name": "Rungwatch Prometheus",
        "type": PROMETHEUS,
        "access": "proxy",
        "url": site.prometheus_url,
        "basicAuth": False,
        "isDefault": False,
        "jsonData": {"httpMethod": "POST", "timeInterval": f"{SCRAPE_SECONDS}s"},
    }


def _api(site: Site, with_token: bool) -> Json:
    return {
        "uid": API_UID,
        "name": "Rungwatch API",
        "type": INFINITY,
        "access": "proxy",
        "url": site.api_url,
        "basicAuth": False,
        "isDefault": False,
        "jsonData": {
            "auth_method": TOKEN_FIELD if with_token else "none",
            # Only there, so that nobody who may write queries can have the token sent elsewhere.
            "allowedHosts": [site.api_url],
            "timeoutInSeconds": TIMEOUT_SECONDS,
        },
    }
