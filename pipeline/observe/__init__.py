"""What a running process tells of itself: metrics, life, readiness; the only importer of prometheus_client."""
