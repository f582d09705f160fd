"""Findings and incidents as annotations in Grafana: as they happen, each once, whatever breaks in between."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import page_scene
import pytest
from command_line import WAIT_SECONDS
from grafana_server import ADMIN, EDITOR, VIEWER, Fault, GrafanaServer
from page_scene import NEWS, manifest_finding
from pydantic import SecretStr
from services.redis_fixtures import Series

from pipeline.errors import Unavailable, UsageError
from pipeline.grafana.annotations import SURE_AFTER_SECONDS, Annotator, GrafanaStore, Note, of_finding
from pipeline.grafana.server import Grafana
from pipeline.series.sent import SentStore
from pipeline.settings import GrafanaSettings
from workers.service.annotate import NoteSource

DAY = 86_400.0
NOW = 1_770_000_000.0


class Counts(Counter[str]):
    def sent(self) -> None:
        self["sent"] += 1

    def ended(self) -> None:
        self["ended"] += 1

    def surplus(self) -> None:
        self["surplus"] += 1


class Clock:
    seconds = NOW

    def __call__(self) -> float:
        return self.seconds


class Desk:
    """An annotator over a real Redis, and the server that it sends to."""

    def __init__(self, server: GrafanaServer, series: Series) -> None:
        self.server, self.counts, self.clock = server, Counts(), Clock()
        self.grafana = Grafana(GrafanaSettings(url=server.url, token=SecretStr(EDITOR)))
        self.sent = SentStore(series.link, series.settings, "a grafana", 3 * DAY)
        self.annotator = Annotator(
            GrafanaStore(self.grafana), self.sent, self.counts, kept_seconds=3 * DAY, now_seconds=self.clock
        )  # fmt: skip

    def tell(self, *notes: Note) -> None:
        self.annotator.tell(notes)

    @property
    def there(self) -> list[dict[str, object]]:
        return list(self.server.annotations.values())


@pytest.fixture
def desk(series7: Series, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("pipeline.grafana.server.FIRST_PAUSE_SECONDS", 0.01)
    with GrafanaServer() as server:
        desk = Desk(server, series7)
        yield desk
        desk.grafana.close()


def stale(over: float | None = None) -> Note:
    return of_finding(manifest_finding("stale", NOW - 100, over))


def incident(start: float, end: float | None, key: str = "i", cause: str = "frozen") -> Note:
    ends = None if end is None else round(end * 1000)
    return Note(
        key, NEWS, f"incident/{cause}", "it stands still", ("rungwatch",), round(start * 1000), ends, merges=True
    )


def test_a_finding_is_sent_once_with_its_tags_and_its_time(desk: Desk) -> None:
    for _ in range(3):
        desk.tell(stale())
    (there,) = desk.there
    assert there["time"] == round((NOW - 100) * 1000)
    assert there["text"] == "news-hd: stale: nothing new for 50 s"
    tags = there["tags"]
    assert isinstance(tags, list)
    assert {"rungwatch", "finding", "stale", "warning", "stream:news-hd"} < set(tags)
    assert desk.counts == {"sent": 1}


def test_a_finding_that_is_over_is_given_its_end_and_keeps_its_tags(desk: Desk) -> None:
    desk.tell(stale())
    tags = desk.there[0]["tags"]
    for _ in range(2):
        desk.tell(stale(NOW - 40))
    (there,) = desk.there
    assert there["timeEnd"] == round((NOW - 40) * 1000)
    assert there["tags"] == tags
    assert desk.counts == {"sent": 1, "ended": 1}


def test_a_finding_that_is_over_when_it_is_first_seen_is_sent_with_its_end(desk: Desk) -> None:
    desk.tell(stale(NOW - 40))
    assert desk.there[0]["timeEnd"] == round((NOW - 40) * 1000)
    assert [method for method, _ in desk.server.writes] == ["POST"]


@pytest.mark.parametrize("status", [503, 0], ids=["503", "cut off"])
@pytest.mark.parametrize("afterwards", [False, True], ids=["not done", "done"])
def test_a_lost_answer_makes_no_second_annotation(desk: Desk, status: int, afterwards: bool) -> None:
    desk.server.faults.append(Fault("POST", "/api/annotations", status, afterwards=afterwards))
    with pytest.raises(Unavailable):
        desk.tell(stale())
    desk.tell(stale())
    desk.tell(stale())
    assert len(desk.there) == 1


def test_one_that_grafana_wrote_after_all_is_removed_when_it_is_seen(desk: Desk) -> None:
    desk.server.faults.append(Fault("POST", "/api/annotations", 0))
    with pytest.raises(Unavailable):
        desk.tell(stale())
    desk.tell(stale())
    # The request whose answer was lost is done only now.
    desk.server.annotations[999_999] = {**desk.there[0], "id": 999_999}
    desk.clock.seconds += SURE_AFTER_SECONDS + 1
    desk.tell(stale())
    assert [each["id"] != 999_999 for each in desk.there] == [True]
    assert desk.counts == {"sent": 1, "surplus": 1}


def test_a_redis_that_forgot_everything_makes_no_second_annotation(desk: Desk) -> None:
    desk.tell(stale())
    desk.sent.forget(NEWS, list(desk.sent.known([NEWS])[NEWS]))
    desk.tell(stale(NOW - 40))
    (there,) = desk.there
    assert there["timeEnd"] == round((NOW - 40) * 1000)


def test_an_annotation_that_somebody_removed_is_not_made_again(desk: Desk) -> None:
    desk.tell(stale())
    desk.server.annotations.clear()
    desk.tell(stale(NOW - 40))
    assert desk.there == []


def test_an_incident_that_is_told_again_from_elsewhere_is_the_same_one(desk: Desk) -> None:
    desk.tell(incident(NOW - 100, None))
    desk.tell(incident(NOW - 96, None, "another id"))
    desk.tell(incident(NOW - 96, NOW - 30, "another id"))
    desk.tell(incident(NOW - 94, NOW - 28, "a third id"))
    (there,) = desk.there
    assert there["timeEnd"] == round((NOW - 30) * 1000)
    desk.tell(incident(NOW - 10, None, "a later one"), incident(NOW - 90, None, "b", "starved"))
    assert len(desk.there) == 3


def test_what_is_long_past_is_forgotten(desk: Desk) -> None:
    desk.tell(stale())
    desk.clock.seconds += 4 * DAY
    later = of_finding(manifest_finding("slow_origin", desk.clock.seconds, None))
    desk.tell(later)
    assert list(desk.sent.known([NEWS])[NEWS]) == [later.key]


def test_a_missing_permission_is_said_by_its_name(desk: Desk) -> None:
    desk.grafana.api.client.auth.token = VIEWER
    with pytest.raises(UsageError, match="it needs the permission annotations:create"):
        desk.tell(stale())


def test_the_incidents_of_a_live_stream_are_noted_once_while_time_goes_on(desk: Desk, series7: Series) -> None:
    begin = NOW - 3600
    written = 0.0
    source = NoteSource(series7.queries, DAY, lambda: begin + written)
    starved = {page_scene.STARVED[0]: page_scene.LADDER[page_scene.STARVED[0]], "1080p": page_scene.LADDER["1080p"]}
    points = list(page_scene.live_points(begin + 3000, 3000, stream=NEWS, ladder=starved))
    for upto in range(0, len(points), 120):
        series7.store.write(points[upto : upto + 120])
        written = points[min(upto + 119, len(points) - 1)].start_seconds + 3 - begin
        desk.tell(*source.notes())
    texts = [str(each["text"]) for each in desk.there]
    assert len(texts) == 1, texts
    assert "360p" in texts[0]
    (there,) = desk.there
    start, end = begin + 3000 - page_scene.STARVED[1], begin + 3000 - page_scene.STARVED[2]
    assert abs(int(str(there["time"])) / 1000 - start) < 10
    assert abs(int(str(there["timeEnd"])) / 1000 - end) < 30


@contextmanager
def annotate(series: Series, url: str, folder: Path, token: str = EDITOR) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "RUNGWATCH_REDIS_URL": series.settings.url.get_secret_value(),
        "RUNGWATCH_REDIS_PREFIX": series.settings.prefix,
        "RUNGWATCH_GRAFANA_URL": url,
        "RUNGWATCH_GRAFANA_TOKEN": token,
        "RUNGWATCH_GRAFANA_ANNOTATE_SECONDS": "0.3",
    }
    with (folder / f"annotate-{time.monotonic_ns()}.log").open("wb") as log:
        command = [sys.executable, "-m", "workers.cli.main", "grafana", "annotate"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_two_processes_send_what_happens_once_and_the_second_takes_over(series7: Series, tmp_path: Path) -> None:
    now = time.time()

    def at_work() -> int:
        return sum("Sending annotations" in log.read_text() for log in tmp_path.glob("*.log"))

    with GrafanaServer() as server, annotate(series7, server.url, tmp_path) as first:
        series7.store.find([manifest_finding("stale", now - 5, None)])
        wait(lambda: len(server.annotations) == 1)
        with annotate(series7, server.url, tmp_path) as second:
            wait(lambda: at_work() == 2)
            first.send_signal(signal.SIGTERM)
            assert first.wait(30) == 0
            series7.store.find([manifest_finding("stale", now - 5, now), manifest_finding("slow_origin", now, None)])
            wait(lambda: len(server.annotations) == 2)
            wait(lambda: any(each["timeEnd"] == round(now * 1000) for each in server.annotations.values()))
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
        assert len(server.annotations) == 2
    logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert EDITOR not in logs
    assert logs.count("Sent to Grafana: news-hd: stale") == 1


def test_a_grafana_that_is_away_is_waited_for(series7: Series, tmp_path: Path) -> None:
    series7.store.find([manifest_finding("stale", time.time() - 5, None)])
    with GrafanaServer() as server:
        server.faults.append(Fault("GET", "/api/org", 503, times=4))
        server.faults.append(Fault("POST", "/api/annotations", 502, times=2))
        with annotate(series7, server.url, tmp_path) as process:
            wait(lambda: len(server.annotations) == 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    log = next(tmp_path.glob("*.log")).read_text()
    assert "Annotations wait" in log
    assert "Annotations are sent again." in log


def test_a_wrong_token_ends_the_process_with_what_to_do(series7: Series, tmp_path: Path) -> None:
    with GrafanaServer() as server, annotate(series7, server.url, tmp_path, "glsa_wrong") as process:
        assert process.wait(WAIT_SECONDS) == 2
    assert "does not accept the token" in next(tmp_path.glob("*.log")).read_text()
    assert ADMIN not in next(tmp_path.glob("*.log")).read_text()


def test_a_dry_run_says_what_would_be_sent_and_needs_no_grafana(series7: Series) -> None:
    now = time.time()
    series7.store.find([manifest_finding("stale", now - 50, now - 5), manifest_finding("slow_origin", now, None)])
    series7.store.write(list(page_scene.live_points(now, 1200)))
    environment = os.environ | {
        "RUNGWATCH_REDIS_URL": series7.settings.url.get_secret_value(),
        "RUNGWATCH_REDIS_PREFIX": series7.settings.prefix,
    }
    command = [sys.executable, "-m", "workers.cli.main", "grafana", "annotate", "--dry-run", "--once"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line.removeprefix("POST /api/annotations ")) for line in done.stdout.splitlines()]
    assert {tuple(each["tags"][1:3]) for each in said} == {
        ("finding", "stale"), ("finding", "slow_origin"), ("incident", "frozen"),
    }  # fmt: skip
    assert next(each for each in said if "stale" in each["tags"])["timeEnd"] == round((now - 5) * 1000)
