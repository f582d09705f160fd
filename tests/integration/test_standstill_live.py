"""A live source that stands still, through `watch`: told once by the API, as an annotation and in a report."""

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import httpx
from command_line import WAIT_SECONDS, Commands
from simulate_factory import make_encodes

from pipeline.series import EmbeddedRedis
from schemas import ManifestFindingKind
from workers.simulate import Origin

MANIFEST = {kind.value for kind in ManifestFindingKind}


def streams(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/streams").json()["streams"]
    return found


def seen(incidents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that are in the pictures: on a busy machine the origin may be slow as well, and that is told."""
    return [each for each in incidents if each["cause"] not in MANIFEST]


def told(client: httpx.Client) -> list[dict[str, Any]]:
    """Return the incidents in the pictures of the only stream."""
    asked = {"stream": streams(client)[0]["stream_id"]}
    return seen(client.get("/api/v1/incidents", params=asked).json()["incidents"])


def page_of(folder: Path) -> str:
    """Return the address of the page, as soon as `watch` says it."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        for log in folder.glob("watch-*.log"):
            if found := re.findall(r"the page: (http://\S+/)", log.read_text()):
                return str(found[0])
        time.sleep(0.1)
    raise AssertionError("no page was served")


def test_a_source_that_stands_still_is_told_once_by_everybody(tmp_path: Path) -> None:
    commands = Commands(tmp_path, RUNGWATCH_INCIDENT_STILL_SECONDS="6")
    state = tmp_path / "state"
    with (
        Origin(make_encodes(tmp_path)) as origin,
        commands.running("watch", "--page", "0", origin.hls_url, "--state", state, "--late-seconds", "600") as watching,
    ):
        with httpx.Client(base_url=page_of(tmp_path), trust_env=False, timeout=WAIT_SECONDS) as client:
            end = time.monotonic() + WAIT_SECONDS
            while not streams(client):  # else it may stand still before anybody follows it
                assert time.monotonic() < end, "nothing was scored"
                time.sleep(0.2)
            origin.fault("frozen", seconds=14)
            while not (found := told(client)):
                assert time.monotonic() < end, "it was not told"
                time.sleep(0.5)
        (incident,) = found
        assert (incident["cause"], incident["severity"], incident["rendition_ids"]) == ("still", "warning", [])
        assert incident["summary"].startswith("The source stands still from ")
        url = EmbeddedRedis.url_of(state / "redis")
        sent = commands.run("grafana", "annotate", "--redis", url, "--once", "--dry-run")
        assert sent.returncode == 0, sent.stderr
        assert sent.stdout.count("The source stands still") == 1
        reported = commands.run("report", incident["stream_id"], "--redis", url, "--format", "json", "--out", "-")
        assert reported.returncode == 0, reported.stderr
        assert [each["cause"] for each in seen(json.loads(reported.stdout)["incidents"])] == ["still"]
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(60) == 0
