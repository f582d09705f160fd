"""`rungwatch grafana push` against a server that answers as Grafana's documented HTTP API does."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from grafana_server import ADMIN, EDITOR, INFINITY, PASSWORD, USER, VIEWER, Fault, GrafanaServer

from pipeline.grafana.alerts import ALERTS
from pipeline.grafana.names import API_UID, FLEET_UID, FOLDER_UID, PROMETHEUS_UID, STREAM_UID
from workers.cli.main import main

API_TOKEN = "a token of our own API"
EVERYTHING = 1 + 2 + 4 + len(ALERTS)


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Push(Protocol):
    def __call__(self, grafana: GrafanaServer | str, *words: str, **environment: str) -> Done: ...


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.grafana.server.FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("pipeline.grafana.push.FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def grafana() -> Iterator[GrafanaServer]:
    with GrafanaServer() as server:
        yield server


@pytest.fixture
def push(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Push:
    """The command as a user gives it, without a process of its own."""

    def run(grafana: GrafanaServer | str, *words: str, **environment: str) -> Done:
        url = grafana if isinstance(grafana, str) else grafana.url
        given = {"RUNGWATCH_GRAFANA_URL": url, "RUNGWATCH_GRAFANA_TOKEN": ADMIN, "RUNGWATCH_API_TOKEN": API_TOKEN}
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            for name, value in {**given, **environment}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["rungwatch", "grafana", "push", *words])
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def pushed(push: Push) -> Callable[..., str]:
    """The same, where it has to succeed."""

    def run(grafana: GrafanaServer, *words: str, **environment: str) -> str:
        done = push(grafana, *words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("version", ["10.4.19", "11.6.0", "12.4.1", "13.2.3"])
def test_a_second_push_has_nothing_to_do(version: str, pushed: Callable[..., str]) -> None:
    with GrafanaServer(version) as grafana:
        first = pushed(grafana)
        assert f"{EVERYTHING} created, 0 changed, 0 unchanged" in first
        grafana.asked.clear()
        second = pushed(grafana)
        assert f"0 created, 0 changed, {EVERYTHING} unchanged" in second
        assert grafana.writes == []


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    grafana: GrafanaServer, pushed: Callable[..., str]
) -> None:
    said = pushed(grafana, "--dry-run")
    assert "create       dashboard    Rungwatch: Stream (rungwatch-stream)" in said
    assert f"{EVERYTHING} to create, 0 to change, 0 unchanged" in said
    assert grafana.writes == []


def test_a_dry_run_names_the_paths_that_differ(grafana: GrafanaServer, pushed: Callable[..., str]) -> None:
    pushed(grafana)
    said = pushed(grafana, "--dry-run", "--page-url", "https://rungwatch.example")
    assert 'templating.list[page].query: "http://localhost:8090" -> "https://rungwatch.example"' in said
    assert "0 to create, 3 to change" in said


def test_what_differs_is_changed_and_nothing_else(grafana: GrafanaServer, pushed: Callable[..., str]) -> None:
    pushed(grafana)
    grafana.asked.clear()
    pushed(grafana, "--prometheus-url", "http://prometheus.example:9090")
    assert grafana.writes == [("PUT", f"/api/datasources/uid/{PROMETHEUS_UID}")]
    assert grafana.datasources[PROMETHEUS_UID]["url"] == "http://prometheus.example:9090"


def test_everything_lies_in_our_folder_and_rules_may_be_edited_in_grafana(
    grafana: GrafanaServer, pushed: Callable[..., str]
) -> None:
    pushed(grafana)
    assert {each["folderUid"] for each in grafana.dashboards.values()} == {FOLDER_UID}
    assert {each["folderUID"] for each in grafana.rules.values()} == {FOLDER_UID}
    assert {each.get("provenance") for each in grafana.rules.values()} == {None}


def test_the_token_of_our_api_is_kept_by_grafana_and_sent_again_only_when_asked(
    grafana: GrafanaServer, pushed: Callable[..., str]
) -> None:
    said = pushed(grafana)
    assert grafana.secrets[API_UID] == {"bearerToken": API_TOKEN}
    assert API_TOKEN not in said
    other = "another token of our API"
    assert "0 changed" in pushed(grafana, RUNGWATCH_API_TOKEN=other)
    again = pushed(grafana, "--renew-secrets", RUNGWATCH_API_TOKEN=other)
    assert "secureJsonData.bearerToken: kept by Grafana -> sent again" in again
    assert grafana.secrets[API_UID] == {"bearerToken": other}


def test_a_prometheus_that_is_there_already_is_used(grafana: GrafanaServer, pushed: Callable[..., str]) -> None:
    pushed(grafana, "--prometheus-uid", "theirs")
    assert PROMETHEUS_UID not in grafana.datasources
    (rule,) = {each["data"][0]["datasourceUid"] for each in grafana.rules.values()}
    assert rule == "theirs"


def test_a_dashboard_that_somebody_changed_is_left_alone_until_overwritten(
    grafana: GrafanaServer, pushed: Callable[..., str], push: Push
) -> None:
    pushed(grafana)
    grafana.edited(STREAM_UID, "alice", title="My streams")
    done = push(grafana)
    assert done.returncode == 3
    assert "it was changed by alice" in done.stdout
    assert 'title: "My streams" -> "Rungwatch: Stream"' in done.stdout
    assert grafana.dashboards[STREAM_UID]["model"]["title"] == "My streams"
    pushed(grafana, "--overwrite")
    assert grafana.dashboards[STREAM_UID]["model"]["title"] == "Rungwatch: Stream"


def test_a_rule_that_somebody_changed_is_left_alone_until_overwritten(
    grafana: GrafanaServer, pushed: Callable[..., str], push: Push
) -> None:
    pushed(grafana)
    grafana.rules["rungwatch-lag"]["for"] = "1h"
    done = push(grafana)
    assert done.returncode == 3
    assert 'for: "1h" -> "5m"' in done.stdout
    pushed(grafana, "--overwrite")
    assert grafana.rules["rungwatch-lag"]["for"] == "5m"


def test_a_412_between_reading_and_writing_is_said_and_the_rest_goes_on(
    grafana: GrafanaServer, pushed: Callable[..., str], push: Push
) -> None:
    pushed(grafana)
    grafana.faults.append(Fault("POST", "/api/dashboards/db", 412))
    done = push(grafana, "--page-url", "https://rungwatch.example")
    assert done.returncode == 3
    assert "would not change the dashboard Rungwatch: Fleet" in done.stdout
    assert "2 changed" in done.stdout


def test_a_name_that_is_taken_is_said(grafana: GrafanaServer, push: Push) -> None:
    grafana.datasources["x"] = {"uid": "x", "name": "Rungwatch API", "readOnly": False, "version": 1}
    done = push(grafana)
    assert done.returncode == 3
    assert "data source with the same name already exists" in done.stdout
    assert FLEET_UID in grafana.dashboards


def test_what_comes_from_files_is_left_alone(grafana: GrafanaServer, pushed: Callable[..., str], push: Push) -> None:
    pushed(grafana)
    grafana.dashboards[FLEET_UID]["provisioned"] = True
    grafana.dashboards[FLEET_UID]["model"]["title"] = "From a file"
    grafana.rules["rungwatch-lag"] |= {"provenance": "file", "for": "1h"}
    grafana.datasources[API_UID] |= {"readOnly": True, "url": "http://elsewhere"}
    done = push(grafana)
    assert done.returncode == 3
    assert done.stdout.count("it comes from a file of Grafana's provisioning") == 3


@pytest.mark.parametrize("afterwards", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("status", [503, 0], ids=["503", "cut off"])
def test_one_failure_is_asked_again_and_nothing_is_made_twice(
    grafana: GrafanaServer, status: int, afterwards: bool, pushed: Callable[..., str]
) -> None:
    for path in ("/api/folders", "/api/datasources", "/api/dashboards/db", "/api/v1/provisioning"):
        grafana.faults.append(Fault("POST", path, status, afterwards=afterwards))
    grafana.faults.append(Fault("GET", "/api/dashboards", 500))
    said = pushed(grafana)
    assert f"{EVERYTHING} created" in said
    assert (len(grafana.dashboards), len(grafana.rules), len(grafana.datasources)) == (4, len(ALERTS), 2)
    assert f"{EVERYTHING} unchanged" in pushed(grafana)


def test_a_grafana_that_stays_away_is_said(grafana: GrafanaServer, push: Push) -> None:
    grafana.faults.append(Fault("POST", "/api/folders", 502, times=9))
    done = push(grafana)
    assert done.returncode == 4
    assert "cannot make the folder now (502)" in done.stderr


def test_nobody_there_is_said_with_what_to_look_at(push: Push) -> None:
    done = push("http://127.0.0.1:9")
    assert done.returncode == 4
    assert "Grafana at http://127.0.0.1:9 cannot be reached: Connection refused" in done.stderr


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("glsa_wrong", "does not accept the token: make a service account token"),
        (EDITOR, "may not read the data source Rungwatch API: it needs the permission datasources:read"),
        (VIEWER, "it needs the permission datasources:read"),
    ],
)
def test_a_token_that_will_not_do_is_said_with_what_is_missing(
    grafana: GrafanaServer, token: str, expected: str, push: Push
) -> None:
    done = push(grafana, RUNGWATCH_GRAFANA_TOKEN=token)
    assert done.returncode == 2
    assert expected in done.stderr
    assert token not in done.stdout + done.stderr
    assert grafana.writes == []


def test_user_and_password_do_as_well_as_a_token(
    grafana: GrafanaServer, tmp_path: Path, pushed: Callable[..., str], push: Push
) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    pushed(grafana, "--user", USER, "--password-file", str(tmp_path / "password"))
    (tmp_path / "password").write_text("wrong")
    done = push(grafana, "--user", USER, "--password-file", str(tmp_path / "password"))
    assert done.returncode == 2
    assert "does not accept the user admin" in done.stderr


def test_a_missing_plugin_is_said_with_how_to_install_it(grafana: GrafanaServer, push: Push) -> None:
    grafana.plugins.clear()
    done = push(grafana)
    assert done.returncode == 2
    assert f"grafana cli plugins install {INFINITY}" in done.stderr
    assert grafana.writes == []


@pytest.mark.parametrize(
    ("version", "note"), [("9.5.1", "older than 10"), ("14.0.0", "newer than 13"), ("", "does not tell its version")]
)
def test_a_version_that_nothing_is_known_of_is_noted(version: str, note: str, push: Push) -> None:
    with GrafanaServer(version) as grafana:
        assert note in push(grafana, "--dry-run").stderr


def test_a_path_below_which_grafana_is_served_is_kept(grafana: GrafanaServer, push: Push) -> None:
    done = push(f"{grafana.url}/grafana")
    assert done.returncode in (2, 4)
    assert grafana.asked[0] == ("GET", "/grafana/api/health")
