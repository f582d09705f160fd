"""Every query of every panel, variable, annotation and alert rule, asked of our real API and a real Prometheus."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import page_scene
import pytest
from grafana_reader import ALL, Chosen, Infinity, promql
from pydantic import SecretStr
from services.ports import free_port
from services.prometheus import Prometheus

from pipeline.export import LeftOut
from pipeline.grafana.alerts import ALERTS
from pipeline.grafana.dashboards import dashboards
from pipeline.grafana.names import API_SOURCE, API_UID, GRAFANA_SOURCE, Site
from pipeline.grafana.sources import sources
from pipeline.history import PictureEntry
from pipeline.observe.annotations import AnnotationMetrics
from pipeline.observe.bus import BusMetrics
from pipeline.observe.endpoint import Endpoint
from pipeline.observe.exports import ExportMetrics
from pipeline.observe.health import Health
from pipeline.observe.ingest import IngestMetrics
from pipeline.observe.metrics import STAGES, Metrics
from pipeline.observe.points import PointMetrics
from pipeline.observe.scoring import ScoringMetrics
from pipeline.series import Link, PictureStore, SeriesStore, Written
from pipeline.series.pictures import Picture
from pipeline.settings import RedisSettings
from schemas import Basis, ManifestFindingKind

STREAM = 'sport & "news" {1}/é'
TOKEN = "the token of our own API"
RATE_INTERVAL = "30s"
DASHBOARDS = dashboards(Site())
PAST_SECONDS = 3600.0


class World:
    """Our API over a filled Redis, and a Prometheus that scrapes it and a worker."""

    def __init__(self, stack: ExitStack, redis_url: str, folder: Path) -> None:
        self.now = time.time()
        self._fill(RedisSettings(url=SecretStr(redis_url), prefix="grafana-queries"))
        api, service = free_port(), free_port()
        environment = os.environ | {
            "RUNGWATCH_REDIS_URL": redis_url,
            "RUNGWATCH_REDIS_PREFIX": "grafana-queries",
            "RUNGWATCH_API_PORT": str(api),
            "RUNGWATCH_API_TOKEN": TOKEN,
            "RUNGWATCH_SERVICE_PORT": str(service),
        }
        log = stack.enter_context((folder / "serve.log").open("wb"))
        command = [sys.executable, "-m", "workers.cli.main", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        stack.callback(process.wait, 30)
        stack.callback(process.send_signal, signal.SIGTERM)
        worker = stack.enter_context(Worker())
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
            f"  - {{job_name: rungwatch-worker, static_configs: [{{targets: ['127.0.0.1:{worker.port}']}}]}}\n"
            f"  - {{job_name: rungwatch-serve, static_configs: [{{targets: ['127.0.0.1:{service}']}}]}}\n"
        )
        self.prometheus = stack.enter_context(Prometheus(folder, config=config))
        self.site = Site(api_url=f"http://127.0.0.1:{api}", prometheus_url=self.prometheus.url)
        self.infinity = Infinity(sources(self.site, with_token=True)[API_UID], TOKEN)
        wait(lambda: answers(f"{self.site.api_url}/healthz"), folder / "serve.log")
        # Rates need some scrapes, and something that happens between them.
        stack.enter_context(Reader(self.infinity, self.chosen))
        wait(lambda: self._scrapes() >= 8, self.prometheus.log_file)

    def chosen(self, rendition: list[str], **values: str | list[str]) -> Chosen:
        instances = self.prometheus.get("label/instance/values", **{"match[]": "rungwatch_build_info"})
        fixed: dict[str, str | list[str]] = {
            "stream": STREAM,
            "rendition": rendition,
            "model": "nano",
            "display_height": "1080",
            "instance": [ALL],
            "page": "http://localhost:8090",
        }
        options = {"rendition": list(page_scene.LADDER), "instance": instances}
        return Chosen({**fixed, **values}, options, self.now - PAST_SECONDS, time.time())

    def _fill(self, settings: RedisSettings) -> None:
        link = Link(settings)
        store = SeriesStore(link, settings)
        store.write(list(page_scene.fleet_points(self.now, 4)))
        # Up to the end of the test, so that the stream is fresh for as long.
        store.write(list(page_scene.live_points(self.now, PAST_SECONDS, stream=STREAM)))
        found = [page_scene.manifest_finding("stale", self.now - 1300, self.now - 1200, stream=STREAM),
                 page_scene.manifest_finding("slow_origin", self.now - 200, None, stream=STREAM)]  # fmt: skip
        store.find([each.model_copy(update={"rendition_id": "720p"}) for each in found])
        # In the middle of what stands still, which is the worst there is.
        start = (self.now - sum(page_scene.FROZEN[1:]) / 2) // 2 * 2
        entry = PictureEntry(STREAM, "720p", start, start + 1, 20.0)
        PictureStore(link, settings).keep(Picture(entry, b"\xff\xd8\xff\xd9", has_fault=True))
        link.close()

    def _scrapes(self) -> float:
        found = self.prometheus.query("min(count_over_time(up[1m])) and min(up) == 1")
        return float(found[0]["value"][1]) if found else 0


class Reader:
    """Somebody who has a dashboard open; a context manager."""

    def __init__(self, infinity: Infinity, chosen: Callable[[list[str]], Chosen]) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(infinity, chosen))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self, infinity: Infinity, chosen: Callable[[list[str]], Chosen]) -> None:
        query = asked_variables()[0].values[0]["query"]["infinityQuery"]
        while not self._stop.wait(0.5):
            infinity.rows(query, chosen([ALL]))


class Worker:
    """The metrics of a worker at work, with an ingest in it, from their own classes; a context manager."""

    def __init__(self) -> None:
        self.metrics = Metrics("1.2.3")
        self.metrics.model("nano@0123456789ab")
        self._scoring, self._points = ScoringMetrics(self.metrics), PointMetrics(self.metrics)
        self._ingest, bus = IngestMetrics(self.metrics), BusMetrics(self.metrics)
        self._observer = bus.observer("worker")
        self._export = ExportMetrics(self.metrics, LeftOut)
        self._annotations = AnnotationMetrics(self.metrics)
        self._scoring.watch_decoding(lambda: 3)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Worker":
        self._endpoint = Endpoint("127.0.0.1", 0, self.metrics, Health())
        self.port = self._endpoint.port
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._endpoint.close()

    def _work(self) -> None:
        while not self._stop.wait(0.2):
            for stage in STAGES:
                self._scoring.stage(stage, 0.1)
            for basis in Basis:
                self._scoring.scored(basis, delay_seconds=3.0)
            self._scoring.sheet(hit=True)
            self._scoring.sheet(hit=False)
            self._scoring.batch(4, 0.05)
            self._scoring.waiting(2)
            self._scoring.skipped()
            self._observer.received("rungwatch.segments")
            self._observer.finished("rungwatch.segments", 0.5)
            self._observer.retried("rungwatch.segments", "Unavailable")
            self._observer.rejected("rungwatch.segments", "not_media")
            self._observer.standing(5, False, None)
            self._observer.lag("rungwatch.segments", 0, 7)
            self._points.written(Written(new=6, repeated=1), 1)
            self._points.delivered(3.5)
            self._ingest.announced()
            self._ingest.found(ManifestFindingKind.STALE)
            self._ingest.looked(0.02)
            self._ingest.sources(["following", "backing off"])
            self._export.written(4)
            self._annotations.sent()


@pytest.fixture(scope="module")
def world(redis_urls: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, redis_urls("redis 7"), tmp_path_factory.mktemp("world"))


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait(ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + 90
    while not ready():
        assert time.monotonic() < until, log.read_text(errors="replace")[-3000:]
        time.sleep(0.2)


def targets(source: str) -> list[Any]:
    return [
        pytest.param(target, id=f"{uid}: {panel['title']} {target['refId']}")
        for uid, model in DASHBOARDS.items()
        for panel in model["panels"]
        for target in panel.get("targets", ())
        if target["datasource"]["type"] == source
    ]


def asked_variables() -> list[Any]:
    return [
        pytest.param(variable, id=f"{uid}: {variable['name']}")
        for uid, model in DASHBOARDS.items()
        for variable in model["templating"]["list"]
        if variable.get("datasource") == API_SOURCE
    ]


def marks() -> list[Any]:
    return [
        pytest.param(each["target"], id=f"{uid}: {each['name']}")
        for uid, model in DASHBOARDS.items()
        for each in model["annotations"]["list"]
        if each["datasource"] != GRAFANA_SOURCE
    ]


@pytest.mark.parametrize("rendition", [[ALL], ["720p"], ["720p", "360p"]], ids=["all", "one", "two"])
@pytest.mark.parametrize("target", targets(API_SOURCE["type"]))
def test_a_query_of_our_api_brings_rows_with_every_column(
    world: World, target: dict[str, Any], rendition: list[str]
) -> None:
    rows = world.infinity.rows(target, world.chosen(rendition))
    assert rows
    for column in rows[0]:
        assert any(row[column] is not None for row in rows), f"nothing in {column}"


@pytest.mark.parametrize("rendition", [[ALL], ["720p"], ["720p", "360p"]], ids=["all", "one", "two"])
def test_the_chosen_renditions_are_those_that_come(world: World, rendition: list[str]) -> None:
    (target,) = [each.values[0] for each in targets(API_SOURCE["type"]) if "Quality of every rung" in str(each.id)]
    rows = world.infinity.rows(target, world.chosen(rendition))
    assert {row["rendition_id"] for row in rows} == (set(page_scene.LADDER) if rendition == [ALL] else set(rendition))


@pytest.mark.parametrize("variable", asked_variables())
def test_a_variable_has_values(world: World, variable: dict[str, Any]) -> None:
    rows = world.infinity.rows(variable["query"]["infinityQuery"], world.chosen([ALL]))
    (name,) = rows[0]
    values = {row[name] for row in rows}
    expected = {
        "stream": {STREAM},
        "rendition": set(page_scene.LADDER),
        "model": {"nano"},
        "display_height": {"1080"},
    }
    assert expected[variable["name"]] <= values


@pytest.mark.parametrize("target", marks())
def test_an_annotation_has_a_time_an_end_and_a_text(world: World, target: dict[str, Any]) -> None:
    rows = world.infinity.rows(target, world.chosen([ALL]))
    assert any(row["timeEnd"] is not None and row["timeEnd"] > row["time"] for row in rows)
    assert all(row["text"] for row in rows)


@pytest.mark.parametrize("target", targets("prometheus"))
def test_a_query_of_prometheus_brings_values_with_the_labels_of_its_legend(
    world: World, target: dict[str, Any]
) -> None:
    expr = promql(target["expr"], world.chosen([ALL]), RATE_INTERVAL)
    if target["range"]:
        now = time.time()
        found = world.prometheus.get("query_range", query=expr, start=f"{now - 20:.3f}", end=f"{now:.3f}", step="1")[
            "result"
        ]
        values = [value for each in found for _, value in each["values"]]
    else:
        found = world.prometheus.query(expr)
        values = [each["value"][1] for each in found]
    assert values, expr
    assert any(value != "NaN" for value in values), expr
    for label in [part.split("}}")[0] for part in target["legendFormat"].split("{{")[1:]]:
        assert any(each["metric"].get(label) for each in found), f"no {label}: {expr}"


def test_the_choice_of_processes_has_values(world: World) -> None:
    assert len(world.chosen([ALL]).options["instance"]) == 2


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)
def test_the_query_of_an_alert_rule_brings_a_value(world: World, alert: Any) -> None:
    assert world.prometheus.query(alert.expr), alert.expr


def test_our_api_lets_nobody_in_without_the_token_that_the_data_source_has(world: World) -> None:
    with pytest.raises(AssertionError, match="401"):
        Infinity(sources(world.site, with_token=False)[API_UID], "").rows(
            asked_variables()[0].values[0]["query"]["infinityQuery"], world.chosen([ALL])
        )
