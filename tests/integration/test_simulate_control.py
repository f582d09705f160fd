"""The control of the live origin, its command, and requests that make no sense."""

import json
import re
import socket
import subprocess
import sys
import urllib.request
from urllib.error import HTTPError

import m3u8
import pytest
from simulate_factory import RUNGS

from workers.simulate import KINDS


def _control(origin, method, path, document=None, content_type="application/json") -> tuple[int, dict]:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(
        origin.url + path, data=body, method=method, headers={"Content-Type": content_type}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_faults_are_switched_listed_and_ended_over_http(origin, clock) -> None:
    status, made = _control(origin, "POST", "/control/faults", {"fault": "frozen", "rung": "72p", "seconds": 30})
    assert (status, made["fault"], made["rung"], made["until"] - made["since"]) == (201, "frozen", "72p", 30)
    clock.now += 1
    _, told = _control(origin, "GET", "/control")
    assert [each["id"] for each in told["on"]] == [made["id"]]
    assert told["rungs"] == list(RUNGS) and told["hls"] == origin.hls_url
    assert {each["fault"] for each in told["kinds"]} == set(KINDS)
    assert _control(origin, "DELETE", f"/control/faults/{made['id']}")[1]["ended"][0]["id"] == made["id"]
    clock.now += 1
    assert _control(origin, "GET", "/control")[1]["on"] == []


@pytest.mark.parametrize(
    "document",
    [[], {}, {"fault": "melted"}, {"fault": "starved", "rung": "9p"}, {"fault": "slow", "value": "x"}, {"fault": "slow",
     "seconds": -1}, {"fault": "stale", "value": 3}, {"fault": "stale", "how": 3}, {"fault": "stale", "stream": "x"}],
)  # fmt: skip
def test_a_fault_that_cannot_be_had_is_refused_with_a_reason(origin, document) -> None:
    status, told = _control(origin, "POST", "/control/faults", document)
    assert status == 400 and len(told["error"]) > 10
    assert origin.faults() == ()


def test_the_control_takes_nothing_that_a_web_page_could_send(origin) -> None:
    assert _control(origin, "POST", "/control/faults", {"fault": "stale"}, "text/plain")[0] == 415


def test_the_command_serves_and_switches_faults(tmp_path, encodes) -> None:
    del encodes  # its cache has the encodes already
    folder = tmp_path.parent / "simulate"
    command = [sys.executable, "-m", "workers.cli.main", "simulate"]
    size = ["--rungs", "3", "--height", "96", "--loop-seconds", "8"]
    options = [*size, "--port", "0", "--cache", folder / "cache"]
    serving = subprocess.Popen([*command, *options, folder / "camera.mp4"], stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(serving.stdout.readline, "")
        said = []
        for line in lines:
            said.append(line)
            if "Ctrl-C" in line:
                break
        url = re.search(r"http://[\d.:]+", "".join(said))[0]
        assert m3u8.load(f"{url}/live/master.m3u8").is_variant
        fault = [*command, "fault", "--url", url]
        done = subprocess.run([*fault, "black", "--for", "60"], capture_output=True, text=True, check=True)
        assert done.stdout == "on: black, for 60 s\nto be found: black picture\n"
        listed = subprocess.run(fault, capture_output=True, text=True, check=True).stdout
        assert re.search(r"^on: black, until \d\d s from now$", listed, re.MULTILINE)
        refused = subprocess.run([*fault, "melted"], capture_output=True, text=True, check=False)
        assert refused.returncode == 2 and "there is no fault 'melted'" in refused.stderr
    finally:
        serving.terminate()
        rest, _ = serving.communicate(timeout=30)
    assert serving.returncode == 0 and rest == "stopped\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /live/master.m3u8 HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 20_000, b"431"),
        (b"POST /control/faults HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", b"413"),
        (b"PUT /live/master.m3u8 HTTP/1.1\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET /live/../../etc/passwd HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET /live/96p/-1.m4s HTTP/1.1\r\nConnection: close\r\n\r\n", b"404"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_and_the_origin_goes_on(viewer, sent, status) -> None:
    with socket.create_connection(("127.0.0.1", int(viewer.origin.url.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(sent)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    assert answer.split(b" ")[1] == status
    assert viewer.status("master.m3u8") == 200


def test_requests_on_one_connection_are_answered_in_order(viewer) -> None:
    port = int(viewer.origin.url.rpartition(":")[2])
    viewer.origin.fault("slow", value=0.1)
    viewer.clock.now += 0.1
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /live/master.m3u8 HTTP/1.1\r\n\r\nGET /time HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.index(b"#EXTM3U") < answer.index(b"2026-01-01T00:00:01")
