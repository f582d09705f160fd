"""Dashboards, data sources, alert rules and annotations of ours in a Grafana; the only importer of grafana_client."""
