"""The metrics that our processes serve, from their own registries, and those that a PromQL text names."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

from prometheus_client.registry import Collector

import pipeline.observe
from pipeline.export import LeftOut
from pipeline.observe.exports import ExportMetrics
from pipeline.observe.fleet import Fleet, FleetMetrics
from pipeline.observe.metrics import Metrics

REMOTE = {f"rungwatch_quality_{name}" for name in ("score", "low", "high", "bitrate_bps")}
"""Written by `rungwatch export prometheus`; no process serves them."""
OF_PROMETHEUS = {"job", "instance"}
OF_REMOTE = {"stream", "rendition", "model", "display_height"}

_NAME = re.compile(r"(?<![\w:])(?:[a-z_]+:)?rungwatch_\w+(?::\w+)?")
_SELECTOR = re.compile(r"(?<![\w:])(rungwatch_\w+)\s*\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "info": ("_info",)}


def every_metric() -> Metrics:
    """Return a registry with all families that any process of ours serves."""
    metrics = Metrics("1.2.3")
    for module in pkgutil.iter_modules(pipeline.observe.__path__, "pipeline.observe."):
        for name, families in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if families.__module__ != module.name or not name.endswith("Metrics"):
                continue
            if list(inspect.signature(families).parameters) == ["metrics"]:
                families(metrics)
    ExportMetrics(metrics, LeftOut)
    FleetMetrics(metrics, lambda: Fleet(()))
    return metrics


def served() -> dict[str, set[str]]:
    """Return the labels of every sample that is served, by its name."""
    found: dict[str, set[str]] = {}
    for collector in list(every_metric().registry._collector_to_names):
        for family in _described(collector):
            for suffix in _SUFFIXES.get(family.type, ("",)):
                labels = set(getattr(collector, "_labelnames", None) or getattr(family, "_labelnames", ()))
                found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return {name: labels for name, labels in found.items() if name.startswith("rungwatch_")}


def _described(collector: Collector) -> list[object]:
    describe = getattr(collector, "describe", None)
    return list(describe() if describe else collector.collect())


def named(promql: str) -> set[str]:
    """Return the metrics of ours, and the recorded ones, that a text names."""
    return set(_NAME.findall(promql))


def selected_labels(promql: str) -> list[tuple[str, set[str]]]:
    """Return every metric of ours that is selected by labels, with the names of these."""
    return [(name, set(_LABEL.findall(labels))) for name, labels in _SELECTOR.findall(promql)]


def in_source(folder: Path) -> set[str]:
    """Return the names that stand in the sources as whole strings: what is made there."""
    texts = [path.read_text() for path in folder.glob("*.py")]
    return {name for text in texts for name in re.findall(r'^\s*"(rungwatch_\w+)",$', text, re.MULTILINE)}
