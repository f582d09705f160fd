"""The dashboards and the tree of files: what Grafana 10 to 13 accept, and what docker/grafana carries."""

import json
import re
from pathlib import Path
from typing import Any

import grafana_types
import metric_names
import pytest
import yaml
from click.testing import CliRunner

from pipeline.grafana.alerts import ALERTS, rules
from pipeline.grafana.dashboards import dashboards
from pipeline.grafana.names import API_SOURCE, API_UID, INFINITY, PROMETHEUS_UID, Site
from pipeline.grafana.provisioning import tree
from workers.cli.grafana import export

TREE = Path(__file__).parents[2] / "docker" / "grafana"
HOSTS = ("--api-url", "http://serve:8090", "--prometheus-url", "http://prometheus:9090")
"""Where the others are in docker/compose.yaml."""
DASHBOARDS = dashboards(Site())
PANELS = [
    pytest.param(panel, id=f"{uid}: {panel['title']}")
    for uid, model in DASHBOARDS.items()
    for panel in model["panels"]
    if panel["type"] != "row"
]


def test_docker_grafana_is_what_export_writes(tmp_path: Path) -> None:
    done = CliRunner().invoke(export, [str(tmp_path), *HOSTS], catch_exceptions=False)
    assert done.exit_code == 0
    written = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    there = {path.relative_to(TREE): path.read_text() for path in TREE.rglob("*") if path.is_file()}
    assert written == there, f"run: rungwatch grafana export docker/grafana {' '.join(HOSTS)}"


@pytest.mark.parametrize("path", sorted(TREE.rglob("*.json")), ids=lambda path: path.name)
def test_a_dashboard_file_is_not_in_the_shape_that_provisioning_refuses(path: Path) -> None:
    model = json.loads(path.read_text())
    assert {"apiVersion", "kind", "spec", "elements", "layout"} & set(model) == set()
    assert isinstance(model["panels"], list)
    assert isinstance(model["schemaVersion"], int)


if grafana_types.is_to_be_had():  # where npm and node are not, there is nothing that could check it

    @pytest.mark.parametrize("version", grafana_types.VERSIONS)
    def test_the_dashboards_have_the_types_that_grafana_publishes(version: str, tmp_path: Path) -> None:
        assert grafana_types.complaints(version, DASHBOARDS, tmp_path) == ""

    @pytest.mark.parametrize(
        ("path", "value", "said"),
        [
            (("gridPos", "w"), "wide", "Type 'string' is not assignable to type 'number'"),
            (("options", "colorMode"), "loud", '"loud"\' is not assignable'),
            (("options", "colourMode"), "value", "'\"colourMode\"' does not exist"),
        ],
    )
    def test_the_types_find_what_is_wrong(path: tuple[str, str], value: str, said: str, tmp_path: Path) -> None:
        model = json.loads(json.dumps(DASHBOARDS["rungwatch-fleet"]))
        panel = next(each for each in model["panels"] if each["type"] == "stat")
        panel[path[0]][path[1]] = value
        assert said in grafana_types.complaints(grafana_types.VERSIONS[-1], {"one": model}, tmp_path)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_something_says_what_to_do_and_is_part_of_grafana(panel: dict[str, Any]) -> None:
    assert panel["type"] in grafana_types.PANELS
    assert panel["targets"]
    assert len(panel["description"]) > 40
    assert panel["fieldConfig"]["defaults"].get("unit") or panel["type"] == "table"
    assert {target["datasource"]["uid"] for target in panel["targets"]} <= {API_UID, PROMETHEUS_UID}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("model", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_have_places_of_their_own(model: dict[str, Any]) -> None:
    assert len({panel["id"] for panel in model["panels"]}) == len(model["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in model["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("model", DASHBOARDS.values(), ids=DASHBOARDS)
def test_every_variable_that_is_used_is_there(model: dict[str, Any]) -> None:
    text = json.dumps([model["panels"], model["annotations"], model["templating"]])
    used = set(re.findall(r"\$\{?([a-z_]+)", text.replace("$__", ""))) - {"all"}
    known = {variable["name"] for variable in model["templating"]["list"]}
    assert used - {"__from", "__to", "__value", "__data", "__field", "__url_time_range", "__all"} <= known
    assert known - used <= {"rendition", "page"}


def test_the_dashboards_of_a_stream_let_choose_stream_rendition_model_and_display_height() -> None:
    for uid in ("rungwatch-stream", "rungwatch-ladder"):
        names = [variable["name"] for variable in DASHBOARDS[uid]["templating"]["list"]]
        assert names[:4] == ["stream", "rendition", "model", "display_height"]


def test_a_link_to_our_page_carries_stream_and_time() -> None:
    text = json.dumps(DASHBOARDS["rungwatch-stream"])
    assert "${page:raw}/?stream=${stream:percentencode}&from=${__from:date:iso}&to=${__to:date:iso}" in text


@pytest.mark.parametrize("model", DASHBOARDS.values(), ids=DASHBOARDS)
def test_a_query_of_our_api_is_one_of_the_backend_parser(model: dict[str, Any]) -> None:
    targets = [target for panel in model["panels"] for target in panel.get("targets", ())]
    targets += [each["target"] for each in model["annotations"]["list"] if each["datasource"] == API_SOURCE]
    for target in targets:
        if target["datasource"] != API_SOURCE:
            continue
        assert (target["type"], target["source"], target["parser"]) == ("json", "url", "backend")
        assert target["format"] in {"table", "timeseries", "dataframe"}
        assert target["url"].startswith("/api/v1/")
        assert {column["type"] for column in target["columns"]} <= {"string", "number", "timestamp"}
        if target["format"] == "timeseries":
            kinds = [column["type"] for column in target["columns"]]
            assert sorted(kinds) == ["number", "string", "timestamp"]


def test_the_data_sources_hold_no_secret_and_allow_our_api_only() -> None:
    found = yaml.safe_load(tree(Site(api_url="https://api.example"))["provisioning/datasources/rungwatch.yaml"])
    assert found["apiVersion"] == 1
    ours, prometheus = found["datasources"]
    assert (ours["uid"], ours["type"], prometheus["uid"]) == (API_UID, INFINITY, PROMETHEUS_UID)
    assert ours["secureJsonData"] == {"bearerToken": "$__env{RUNGWATCH_API_TOKEN}"}
    assert ours["jsonData"]["allowedHosts"] == [ours["url"]] == ["https://api.example"]
    for source in found["datasources"]:
        assert {"name", "type", "uid", "access", "url", "jsonData", "orgId", "editable"} <= set(source)


def test_the_provider_reads_the_folder_in_which_the_dashboards_lie() -> None:
    files = tree(Site(), "/etc/grafana/provisioning")
    (provider,) = yaml.safe_load(files["provisioning/dashboards/rungwatch.yaml"])["providers"]
    folder = provider["options"]["path"].removeprefix("/etc/grafana/")
    assert {Path(name).stem for name in files if Path(name).parent == Path(folder)} == set(DASHBOARDS)
    assert provider["type"] == "file"


def test_the_alert_rules_in_files_are_those_of_the_api_with_dollars_doubled() -> None:
    document = yaml.safe_load(tree(Site())["provisioning/alerting/rungwatch.yaml"])
    (group,) = document["groups"]
    assert set(group) == {"orgId", "name", "folder", "interval", "rules"}
    assert [rule["uid"] for rule in group["rules"]] == [alert.uid for alert in ALERTS]
    for rule in group["rules"]:
        assert {"uid", "title", "condition", "data", "noDataState", "execErrState", "for"} <= set(rule)
        text = json.dumps(rule)
        # One alone would be filled from the environment of Grafana, with nothing.
        assert re.findall(r"(?<!\$)\$(?!\$)", text) == []
        wanted = rules(Site())[rule["uid"]]
        again = json.loads(text.replace("$$", "$"))
        assert again["annotations"].items() <= wanted["annotations"].items()
        assert {**again, "annotations": {}}.items() <= {**wanted, "annotations": {}}.items()


def test_every_metric_that_is_asked_for_is_served_with_these_labels() -> None:
    there = metric_names.served()
    texts = [target["expr"] for panel in PANELS for target in panel.values[0]["targets"] if "expr" in target]
    for text in [*texts, *(alert.expr for alert in ALERTS)]:
        assert metric_names.named(text) - set(there) == set(), text
        for name, selector in re.findall(r"(rungwatch_\w+)\{([^}]*)\}", text):
            assert set(re.findall(r"(\w+)(?:=|!=)", selector)) <= there[name] | metric_names.OF_PROMETHEUS, text


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)
def test_an_alert_rule_says_what_to_do_and_where_to_look(alert: Any) -> None:
    rule = rules(Site())[alert.uid]
    assert len(rule["uid"]) <= 40
    assert alert.dashboard_uid in DASHBOARDS
    assert len(alert.summary) > 30
    assert len(alert.what_to_do) > 20
    labels = set(re.findall(r"\$labels\.(\w+)", alert.summary))
    assert all(f"{label}" in re.findall(r"by \(([^)]*)\)", alert.expr)[0] for label in labels)
