"""The HTTP API over quality series, and the page beside it. The command line says what answers its questions."""

from pipeline.api.app import create_app
from pipeline.api.hub import Hub
from pipeline.api.sources import Annotations, Requests, Sources

__all__ = ["Annotations", "Hub", "Requests", "Sources", "create_app"]
