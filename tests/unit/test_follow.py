"""Many presentations on a schedule: each on its own clock, failures back off, and what is dropped stops."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from pipeline.errors import BadPlaylist, Rejected, Transient
from pipeline.ingest.presentation import Update
from schemas import Ladder, ManifestFinding, Rendition, Resource, Segment, SegmentReady, TimeBasis
from schemas.record import Record
from workers.service import follow
from workers.service.follow import Follower
from workers.service.sources import SourceSpec


@dataclass
class Scripted:
    """Implements `Presentation`: each look gives what stands next in the script; the last one again and again."""

    script: Sequence[Update | Exception]
    looks: int = 0
    is_closed: bool = False

    def look(self) -> Update:
        step = self.script[min(self.looks, len(self.script) - 1)]
        self.looks += 1
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Kept:
    """Implements `Sink`."""

    events: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def event(self, event: SegmentReady) -> bool:
        self.events.append(event.event_id)
        return True

    def finding(self, finding: ManifestFinding) -> None: ...

    def opened(self, source: SourceSpec, update: Update) -> None: ...

    def looked(self, source: SourceSpec, position: Record | None) -> None: ...

    def failed(self, source: SourceSpec, error: Rejected | Transient) -> None:
        self.errors.append(f"{source.id}: {error}")


def update(stream: str, *numbers: int, over: bool = False, wait: float = 0.01) -> Update:
    segments = tuple(
        Segment(
            rendition_id="only",
            number=number,
            media=Resource(uri=f"https://host/{number}.ts"),
            start_seconds=2.0 * number,
            duration_seconds=2.0,
        )
        for number in numbers
    )
    ladder = Ladder(stream_id=stream, renditions=(Rendition(rendition_id="only"),))
    return Update(ladder, TimeBasis.MEDIA_TIME, segments, (), True, over, wait)


def spec(name: str, **changes: object) -> SourceSpec:
    return SourceSpec(id=name, url=f"https://host/{name}.m3u8", **changes)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(follow, "_REJECTED_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(follow, "_LEAST_WAIT_SECONDS", 0.005)


def test_every_source_is_followed_to_its_end() -> None:
    scripts = {name: Scripted([update(name, 0), update(name, 1), update(name, 2, over=True)]) for name in "abc"}
    kept = Kept()
    follower = Follower(lambda source: scripts[source.id], kept, ends=True)
    follower.set_sources(map(spec, "abc"))
    follower.run(threading.Event())
    assert sorted(kept.events) == [f"{name}/only/0/{number}" for name in "abc" for number in range(3)]
    assert all(script.is_closed for script in scripts.values())
    assert {state.state for state in follower.states()} == {"ended"}


def test_a_source_that_fails_comes_back_and_is_told_once() -> None:
    away = Transient("the origin is away")
    flaky = Scripted([update("flaky", 0), away, away, away, update("flaky", 1, over=True)])
    kept = Kept()
    follower = Follower(lambda _: flaky, kept, ends=True)
    follower.set_sources([spec("flaky")])
    follower.run(threading.Event())
    assert kept.events == ["flaky/only/0/0", "flaky/only/0/1"]
    assert kept.errors == ["flaky: the origin is away"]


def test_a_source_that_cannot_be_read_does_not_hold_the_others_up() -> None:
    def opened(source: SourceSpec) -> Scripted:
        if source.id == "broken":
            raise BadPlaylist("not a playlist")
        return Scripted([update(source.id, 0, over=True)])

    kept = Kept()
    follower = Follower(opened, kept, ends=True)
    follower.set_sources([spec("broken"), spec("sound")])
    follower.run(threading.Event())
    assert kept.events == ["sound/only/0/0"]
    assert kept.errors == ["broken: not a playlist"]
    assert {state.id: state.state for state in follower.states()} == {"broken": "failed", "sound": "ended"}


def test_in_a_process_that_stays_a_failed_source_is_opened_again() -> None:
    tries: list[str] = []

    def opened(source: SourceSpec) -> Scripted:
        tries.append(source.id)
        if len(tries) < 3:
            raise BadPlaylist("not yet a playlist")
        return Scripted([update("late", 0), update("late")])

    kept = Kept()
    with running(Follower(opened, kept)) as follower:
        follower.set_sources([spec("late")])
        wait_until(lambda: kept.events == ["late/only/0/0"])
    assert len(kept.errors) == 1


def test_a_source_that_is_taken_out_is_closed_and_the_others_go_on() -> None:
    scripts = {name: Scripted([update(name)]) for name in "ab"}
    with running(Follower(lambda source: scripts[source.id], Kept())) as follower:
        follower.set_sources(map(spec, "ab"))
        wait_until(lambda: all(script.looks > 2 for script in scripts.values()))
        follower.set_sources([spec("b")])
        wait_until(lambda: scripts["a"].is_closed)
        seen = scripts["b"].looks
        wait_until(lambda: scripts["b"].looks > seen + 2)
        assert [state.id for state in follower.states()] == ["b"]


def test_a_source_whose_settings_change_is_opened_anew() -> None:
    opened: list[SourceSpec] = []

    def note(source: SourceSpec) -> Scripted:
        opened.append(source)
        return Scripted([update("a")])

    with running(Follower(note, Kept())) as follower:
        follower.set_sources([spec("a")])
        wait_until(lambda: len(opened) == 1)
        follower.set_sources([spec("a", display_height=720)])
        wait_until(lambda: len(opened) == 2)
    assert [source.display_height for source in opened] == [None, 720]


def test_a_bug_in_a_look_stops_the_follower() -> None:
    follower = Follower(lambda _: Scripted([ValueError("a bug")]), Kept())
    follower.set_sources([spec("a")])
    with pytest.raises(ValueError, match="a bug"):
        follower.run(threading.Event())


class running:  # noqa: N801 - reads as a word
    def __init__(self, follower: Follower) -> None:
        self._follower, self._stop = follower, threading.Event()
        self._thread = threading.Thread(target=follower.run, args=(self._stop,))

    def __enter__(self) -> Follower:
        self._thread.start()
        return self._follower

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
