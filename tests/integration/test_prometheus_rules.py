"""Alert and recording rules: what promtool says of them, that they name metrics we serve, and a real Prometheus."""

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from metric_names import OF_PROMETHEUS, OF_REMOTE, REMOTE, every_metric, in_source, named, selected_labels, served
from series_factory import point
from services.prometheus import Prometheus, promtool

from pipeline.observe.endpoint import Endpoint
from pipeline.observe.fleet import Fleet, FleetMetrics, FleetStream
from pipeline.observe.health import Health
from pipeline.observe.metrics import Metrics
from schemas import TimeBasis

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "prometheus"
RULE_FILES = sorted((FOLDER / "rules").glob("*.yaml"))
RULE_TESTS = sorted((FOLDER / "tests").glob("*.yaml"))
DASHBOARDS = sorted((ROOT / "docker" / "grafana").rglob("*.json"))
RULES: list[dict[str, Any]] = [
    rule for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


def expressions(document: Any) -> list[str]:
    """Return every `expr` and `query` of a document, wherever it stands."""
    if isinstance(document, dict):
        own = [document[key] for key in ("expr", "query") if isinstance(document.get(key), str)]
        return own + [each for value in document.values() for each in expressions(value)]
    return [each for value in document for each in expressions(value)] if isinstance(document, list) else []


PROMQL = [rule["expr"] for rule in RULES] + [
    each for path in DASHBOARDS for each in expressions(json.loads(path.read_text()))
]


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = promtool("check", "rules", *RULE_FILES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(RULE_FILES) == done.stdout.count("SUCCESS")


def test_promtool_finds_nothing_wrong_with_the_configuration() -> None:
    done = promtool("check", "config", FOLDER / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULE_FILES)} rule files found" in done.stdout


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_alerts_fire_and_stay_silent_as_their_tests_say(path: Path) -> None:
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_to_fire_and_to_stay_silent() -> None:
    tests = [each for path in RULE_TESTS for each in yaml.safe_load(path.read_text())["tests"]]
    fired = {each["alertname"]: set() for test in tests for each in test["alert_rule_test"]}
    for test in tests:
        for each in test["alert_rule_test"]:
            fired[each["alertname"]].add(bool(each["exp_alerts"]))
    assert fired == {name: {True, False} for name in ALERTS}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_is_how_bad_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    assert rule["annotations"]["runbook"] == f"docker/README.md#{name.lower()}"
    assert re.search(rf"^#+ {name}$", (ROOT / "docker" / "README.md").read_text(), re.MULTILINE)
    assert len(rule["annotations"]["description"]) > 100
    assert "for" in rule


def test_every_metric_that_a_rule_or_a_dashboard_names_is_served_or_recorded() -> None:
    known = set(served()) | RECORDED | REMOTE
    unknown = {name: text for text in PROMQL for name in named(text) - known}
    assert unknown == {}


def test_every_label_that_a_rule_or_a_dashboard_selects_by_is_one_of_its_metric() -> None:
    labels = {name: own | OF_PROMETHEUS for name, own in served().items()} | dict.fromkeys(REMOTE, OF_REMOTE)
    wrong = [(name, used - labels[name]) for text in PROMQL for name, used in selected_labels(text) if name in labels]
    assert [each for each in wrong if each[1]] == []


def test_the_registry_that_these_tests_know_has_every_metric_of_the_sources() -> None:
    without_suffix = {name.removesuffix("_total").removesuffix("_bucket") for name in served()}
    made = {name.removesuffix("_total") for name in in_source(ROOT / "pipeline" / "observe")}
    assert len(made) > 30
    assert made - without_suffix == set()


def test_names_and_labels_are_found_in_promql() -> None:
    text = 'sum by (to) (rate(rungwatch_a_bucket{to=~"x|y", le!="1"}[5m])) > stream:rungwatch_b:best2m'
    assert named(text) == {"rungwatch_a_bucket", "stream:rungwatch_b:best2m"}
    assert selected_labels(text) == [("rungwatch_a_bucket", {"to", "le"})]


def standing(prometheus: Prometheus) -> tuple[set[str], set[str]]:
    """Return which alerts fire, and how the rules are."""
    alerts, groups = prometheus.get("alerts")["alerts"], prometheus.get("rules")["groups"]
    return (
        {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"},
        {rule["health"] for group in groups for rule in group["rules"]},
    )


def test_a_real_prometheus_evaluates_all_rules_over_what_we_serve_and_sees_a_stale_stream(tmp_path: Path) -> None:
    """Scraped every second, with the waits of the alerts cut short."""
    shutil.copytree(FOLDER / "rules", tmp_path / "rules")
    for path in (tmp_path / "rules").glob("*.yaml"):
        path.write_text(re.sub(r"(interval|for): \w+", r"\1: 1s", path.read_text()))
    stale = point(time.time() - 300, 70.0, stream="news", time_basis=TimeBasis.PROGRAM_DATE_TIME)
    metrics = Metrics("1.2.3")
    FleetMetrics(metrics, lambda: Fleet((FleetStream("news", (stale,), 1),)))
    health = Health()
    with Endpoint("127.0.0.1", 0, metrics, health) as one, Endpoint("127.0.0.1", 0, every_metric(), health) as other:
        scrape = yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules/*.yaml"],
                "scrape_configs": [
                    {"job_name": f"rungwatch-{name}", "static_configs": [{"targets": [f"127.0.0.1:{each.port}"]}]}
                    for name, each in (("serve", one), ("other", other))
                ],
            }
        )
        with Prometheus(tmp_path, config=scrape) as prometheus:
            wanted = {"RungwatchStreamStale", "RungwatchOpenFindings", "RungwatchNoWorker"}
            until = time.monotonic() + 60
            # A scrape that took longer than its second, and rules whose turn is still to come, are seen for a moment.
            while (seen := standing(prometheus)) != (wanted, {"ok"}):
                assert time.monotonic() < until, seen
                time.sleep(0.5)
            (age,) = prometheus.query("max_over_time(rungwatch_stream_age_seconds[1m])")
            assert age["metric"]["stream"] == "news"
            assert float(age["value"][1]) > 290
