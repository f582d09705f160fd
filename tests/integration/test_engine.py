"""A worker's engine: the numbers of `rungwatch score`, whatever the order, the cache or the worker."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import media_factory
import pytest
from cheap_model import CheapModel
from ladder_factory import RATE, write_presentation
from media_factory import scene

from pipeline.clips import Probe, ProbeJob, SamplerChoice, windows_of, work
from pipeline.decode.isolate import IsolatedPool
from pipeline.decode.source import MediaSource
from pipeline.errors import NotFound, Rejected
from pipeline.ingest import Fetcher, Stream, find_streams
from pipeline.ingest.events import cut, events, spans_of
from pipeline.settings import DecodeLimits, FetchLimits
from schemas import SamplerIdentity, SegmentReady, SegmentScored
from workers.ahead import Pool
from workers.run import Failed, Options, Runner
from workers.scoring import Scorer
from workers.service.batcher import Batcher
from workers.service.engine import Engine
from workers.service.observer import Silent

LIMITS = DecodeLimits()
SAMPLER = SamplerIdentity(name="frame_difference", frames=8)
SEGMENT_SECONDS = 1.0


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with IsolatedPool(work, 2, LIMITS, lambda job: job.source.name) as made:
        yield made


@contextmanager
def an_engine(pool: Pool, folder: Path, *, sheets: int = 64, observer: Silent | None = None) -> Iterator[Engine]:
    scorer = Scorer(CheapModel(), SAMPLER)
    with Fetcher(FetchLimits(attempts=1), folders=[folder]) as fetcher, Batcher(scorer, 4) as batcher:
        yield Engine(
            scorer,
            batcher,
            pool,
            fetcher,
            limits=LIMITS,
            sampler=SamplerChoice(),
            grid=CheapModel.grid,
            sheets=sheets,
            observer=observer,
        )


def found_streams(*inputs: Path, ladder: bool = False) -> list[Stream]:
    limits = FetchLimits(attempts=1)
    with Fetcher(limits) as fetcher:
        found = list(find_streams([str(path) for path in inputs], as_ladder=ladder, limits=limits, fetcher=fetcher))
    assert all(isinstance(stream, Stream) for stream in found)
    return [stream for stream in found if isinstance(stream, Stream)]


def as_score_says(pool: Pool, streams: list[Stream]) -> dict[tuple[str, int], SegmentScored]:
    """Return what `rungwatch score` makes of the streams, by rendition and segment."""
    folder = media_folder(streams)
    options = Options(grid=CheapModel.grid, segment_seconds=SEGMENT_SECONDS, decoders=2)
    with IsolatedPool(work, 1, LIMITS, str) as aside, Fetcher(FetchLimits(attempts=1), folders=[folder]) as fetcher:
        runner = Runner(Scorer(CheapModel(), SAMPLER), pool, lambda: aside, fetcher, LIMITS, options)
        results = list(runner.score(streams, lambda _: None))
    return {
        (found.record.rendition_id, found.record.segment_number): found.record
        for found in results
        if not isinstance(found, Failed)
    }


def media_folder(streams: list[Stream]) -> Path:
    uri = next(iter(streams[0].segments.values()))[0].media.uri
    return Path(uri.removeprefix("file://")).parent


def all_events(pool: Pool, streams: list[Stream]) -> list[SegmentReady]:
    return [event for stream in streams for event in events(as_segments(pool, stream))]


def as_segments(pool: Pool, stream: Stream) -> Stream:
    if not stream.plain_files:
        return stream
    spans, renditions = {}, {}
    for rendition in stream.ladder.renditions:
        path = Path(stream.segments[rendition.rendition_id][0].media.uri.removeprefix("file://"))
        (probe,) = pool.submit(ProbeJob(MediaSource(name=path.name, path=path), LIMITS))
        assert isinstance(probe, Probe)
        assert probe.end_seconds is not None
        cuts = windows_of(probe.start_seconds, probe.end_seconds, SEGMENT_SECONDS)
        spans[rendition.rendition_id] = spans_of(cuts, probe.end_seconds)
        renditions[rendition.rendition_id] = rendition.model_copy(update={"rung": probe.rung})
    return cut(stream, spans, renditions)


def scores(engine: Engine, wanted: list[SegmentReady]) -> dict[tuple[str, int], SegmentScored]:
    found = {}
    for event in wanted:
        record = engine.score(event)
        found[record.rendition_id, record.segment_number] = record.model_copy(update={"scored_at": None})
    return found


def presentation(tmp_path: Path, kind: str) -> list[Stream]:
    if kind == "plain files":
        for name, size, rate in (("best", (320, 192), 700_000), ("low", (160, 96), 150_000)):
            media_factory.write_video(
                tmp_path / f"{name}.mp4", frames=80, fps=RATE, size=size, pattern=scene, options={"b": str(rate)}
            )
        return found_streams(tmp_path / "best.mp4", tmp_path / "low.mp4", ladder=True)
    master = write_presentation(tmp_path, frozen_best=kind == "frozen best rung")
    if kind == "other cuts":
        init, parts = media_factory.fragments(
            frames=100, fps=RATE, size=(160, 96), pattern=scene, options={"g": "25", "sc_threshold": "0", "crf": "30"}
        )
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", '#EXT-X-MAP:URI="low.init.mp4"']
        (tmp_path / "low.init.mp4").write_bytes(init)
        for number, part in enumerate(parts):
            (tmp_path / f"low.{number}.m4s").write_bytes(part)
            lines += ["#EXTINF:1.0,", f"low.{number}.m4s"]
        (tmp_path / "low.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST"]))
    return found_streams(master)


@pytest.mark.parametrize("kind", ["playlist", "frozen best rung", "other cuts", "plain files"])
def test_scores_are_those_of_the_command_in_any_order_and_with_any_cache(tmp_path: Path, pool: Pool, kind: str) -> None:
    streams = presentation(tmp_path, kind)
    expected = as_score_says(pool, streams)
    wanted = all_events(pool, streams)
    assert len(expected) == len(wanted)
    with an_engine(pool, tmp_path) as engine:
        assert scores(engine, wanted) == expected
    shuffled = random.Random(3).sample(wanted, len(wanted))
    with an_engine(pool, tmp_path, sheets=1) as engine:
        assert scores(engine, shuffled) == expected


def test_events_come_best_rung_first_at_every_time(tmp_path: Path) -> None:
    (stream,) = found_streams(write_presentation(tmp_path))
    made = list(events(stream))
    assert [event.segment.number for event in made] == [0, 0, 0, 1, 1, 1]
    assert [event.is_reference for event in made] == [True, False, False] * 2
    assert all(event.reference and event.reference.parts[0].stand_in for event in made)


def test_events_survive_the_bus(tmp_path: Path) -> None:
    (stream,) = found_streams(write_presentation(tmp_path))
    for event in events(stream):
        assert SegmentReady.model_validate_json(event.model_dump_json(exclude_none=True)) == event


def test_a_reference_is_decoded_once_where_many_wait_for_it(tmp_path: Path, pool: Pool) -> None:
    counted = Counted()
    (stream,) = found_streams(write_presentation(tmp_path))
    lower = [event for event in events(stream) if not event.is_reference and event.segment.number == 0] * 4
    with an_engine(pool, tmp_path, observer=counted) as engine:
        threads = [threading.Thread(target=engine.score, args=(event,)) for event in lower]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(counted.hits) == [False, *[True] * 7]


class Counted(Silent):
    def __init__(self) -> None:
        self.hits: list[bool] = []

    def sheet(self, *, hit: bool) -> None:
        self.hits.append(hit)


def test_a_missing_best_segment_is_rejected_and_the_others_are_compared_with_its_stand_in(
    tmp_path: Path, pool: Pool
) -> None:
    (stream,) = found_streams(write_presentation(tmp_path))
    (tmp_path / "best.0.m4s").unlink()
    best, following, low = list(events(stream))[:3]
    with an_engine(pool, tmp_path) as engine:
        with pytest.raises(NotFound, match=r"best\.0\.m4s"):
            engine.score(best)
        compared = engine.score(low)
        alone = engine.score(following)
    assert compared.reference_rendition_id == following.rendition.rendition_id
    assert (compared.basis, alone.basis) == ("ladder", "alone")


def test_files_outside_of_the_roots_are_rejected(tmp_path: Path, pool: Pool) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (stream,) = found_streams(write_presentation(outside))
    with an_engine(pool, inside) as engine, pytest.raises(Rejected, match="outside of the folders"):
        engine.score(next(events(stream)))


def test_live_scores_say_so_and_when_they_were_made(tmp_path: Path, pool: Pool) -> None:
    (stream,) = found_streams(write_presentation(tmp_path))
    event = next(events(stream)).model_copy(update={"live": True})
    before = datetime.now(UTC)
    with an_engine(pool, tmp_path) as engine:
        record = engine.score(event)
    assert record.live
    assert record.scored_at is not None
    assert before <= record.scored_at <= before + timedelta(minutes=5)
