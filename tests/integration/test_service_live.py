"""A live stream as a user follows it: `watch` alone, `ingest` and `worker` over Kafka, a stop and a second start."""

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
from command_line import WAIT_SECONDS, Commands, wait_for, wait_for_state
from pydantic import SecretStr
from simulate_factory import make_encodes

from pipeline.errors import Unavailable
from pipeline.series import EmbeddedRedis, SeriesQueries, connect
from pipeline.settings import RedisSettings
from schemas import ManifestFindingKind
from workers.simulate import Origin


@pytest.fixture
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    # A minute of segments, kept for three: what a busy machine comes late to must still be there.
    with Origin(make_encodes(tmp_path_factory.getbasetemp()), window=30) as made:
        yield made


def points(commands: Commands, *words: str | Path) -> Counter[tuple[str, int]]:
    """Return how often every segment of the stream `live` has a point, by its place on the clock."""
    found = commands.run("series", "query", "live", "--resolution", "raw", "--format", "json", *words)
    assert found.returncode == 0, found.stderr
    return Counter(
        (line["rendition_id"], round(point["start_seconds"]))
        for line in json.loads(found.stdout)["renditions"]
        for point in line["points"]
    )


@pytest.mark.parametrize("kind", ["hls", "dash"])
def test_watch_follows_until_it_is_stopped_and_goes_on(tmp_path: Path, origin: Origin, kind: str) -> None:
    alone, state = Commands(tmp_path), tmp_path / "state"
    url = origin.hls_url if kind == "hls" else origin.dash_url
    with alone.running("watch", url, "--state", state, "--late-seconds", "600") as first:
        name = stream_of(state)
        wait_for_state(state, 9, name)
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
    with alone.running("watch", url, "--state", state, "--late-seconds", "600") as second:
        wait_for_state(state, 18, name)
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 0
    listed = json.loads(alone.run("series", "query", name, "--format", "json", "--state", state).stdout)
    for line in listed["renditions"]:
        starts = [round(point["start_seconds"]) for point in line["points"]]
        assert starts == sorted(set(starts)), "a segment was scored under two times"
        assert len(starts) >= 4


def test_watch_serves_the_page_and_the_api_over_what_it_finds(tmp_path: Path, origin: Origin) -> None:
    with Commands(tmp_path).running("watch", "--page", "0", origin.hls_url, "--state", tmp_path / "state") as watching:
        wait_for_state(tmp_path / "state", 3, stream_of(tmp_path / "state"))
        [log] = tmp_path.glob("watch-*.log")
        [url] = re.findall(r"the page: (http://\S+/)", log.read_text())
        with httpx.Client(base_url=url, trust_env=False, timeout=WAIT_SECONDS) as client:
            assert "<title>Rungwatch" in client.get("/").text
            [stream] = client.get("/api/v1/streams").json()["streams"]
            ladder = client.get("/api/v1/ladder", params={"stream": stream["stream_id"]}).json()
            assert all(0 <= rung["score"] <= 100 for rung in ladder["rungs"])
            assert "rungwatch_stream_score{" in client.get("/metrics").text
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(60) == 0


def test_watch_writes_to_the_redis_that_it_is_told(tmp_path: Path, commands: Commands, origin: Origin) -> None:
    alone = Commands(tmp_path, RUNGWATCH_REDIS_PREFIX=commands.redis.prefix)
    url, state = commands.redis.url.get_secret_value(), tmp_path / "state"
    with alone.running("watch", "--redis", url, origin.hls_url, "--state", state) as watching:
        wait_for(commands, 3, "live")
        assert not (state / "redis").exists()
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(60) == 0


def stream_of(state: Path) -> str:
    settings = RedisSettings(url=SecretStr(EmbeddedRedis.url_of(state / "redis")))
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        with closing(connect(settings)) as link, suppress(Unavailable):
            if found := SeriesQueries(link, settings).streams():
                return found[0].stream_id
        time.sleep(0.2)
    raise AssertionError("no stream was written")


def test_a_fault_is_found_while_the_stream_is_followed_over_kafka(
    tmp_path: Path, commands: Commands, origin: Origin
) -> None:
    with (
        commands.running("worker", "--host", "127.0.0.1", "--instance", "one"),
        commands.running("series", "run"),
        commands.running("ingest", origin.hls_url, "--state", tmp_path / "state", "--late-seconds", "600") as ingest,
    ):
        wait_for(commands, 6, "live")
        fault = origin.fault("stale", seconds=300)
        wait_for_finding(commands, ManifestFindingKind.STALE)
        origin.clear(fault.fault_id)
        wait_for(commands, 15, "live")
        ingest.send_signal(signal.SIGTERM)
        assert ingest.wait(60) == 0
    assert set(points(commands).values()) == {1}
    listed = commands.run("series", "findings", "live")
    assert "stale" in listed.stdout
    states = commands.run("sources", "--state", tmp_path / "state", "--format", "json")
    assert [each["id"] for each in json.loads(states.stdout)] == ["live"]


def wait_for_finding(commands: Commands, kind: ManifestFindingKind) -> None:
    end = time.monotonic() + WAIT_SECONDS
    with closing(connect(commands.redis)) as link:
        queries = SeriesQueries(link, commands.redis)
        while kind not in {found.kind for found in queries.findings("live")}:
            assert time.monotonic() < end, f"{kind} was not found"
            time.sleep(0.1)


def test_check_finds_what_is_wrong_and_says_so_in_its_exit_code(tmp_path: Path, origin: Origin) -> None:
    alone = Commands(tmp_path)
    # Nobody is slow who answers within a segment: with such long ones a busy machine is not.
    with Origin(make_encodes(tmp_path, segment_seconds=10.0, loop_seconds=20.0)) as long_segments:
        sound = alone.run("check", long_segments.hls_url, "--for", "4")
    assert (sound.returncode, sound.stdout) == (0, "")
    assert "no findings" in sound.stderr
    origin.fault("stale", seconds=300)
    broken = alone.run("check", origin.hls_url, "--for", "9", "--format", "json")
    assert broken.returncode == 3
    assert "stale" in {json.loads(line)["kind"] for line in broken.stdout.splitlines()}
    assert alone.run("check", f"{origin.url}/nothing.m3u8").returncode == 4


def test_sources_of_a_file_come_and_go_while_it_is_followed(tmp_path: Path, commands: Commands, origin: Origin) -> None:
    config, state = tmp_path / "sources.yaml", tmp_path / "state"

    def sources(*named: tuple[str, str]) -> None:
        lines = [f"  - {{id: {name}, url: '{url}'}}" for name, url in named]
        config.write_text("\n".join(["sources:", *lines]))

    def states() -> dict[str, str]:
        listed = commands.run("sources", "--state", state, "--format", "json")
        return {each["id"]: each["state"] for each in json.loads(listed.stdout)} if listed.stdout else {}

    sources(("news", origin.hls_url), ("broken", f"{origin.url}/nothing.m3u8"))
    with commands.running("ingest", "--config", config, "--state", state) as ingest:
        wait_until(lambda: states() == {"news": "following", "broken": "failed"})
        listed = commands.run("sources", "--state", state)
        assert listed.returncode == 3
        assert "nothing.m3u8: the server answered 404" in listed.stdout
        sources(("news", origin.hls_url), ("sport", origin.dash_url))
        wait_until(lambda: states() == {"news": "following", "sport": "following"})
        config.write_text("sources: [")
        time.sleep(1.5)
        assert states() == {"news": "following", "sport": "following"}
        ingest.send_signal(signal.SIGTERM)
        assert ingest.wait(60) == 0


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
