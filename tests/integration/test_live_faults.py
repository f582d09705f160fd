"""Every fault of the simulator is found once by the readers of HLS and DASH, and nothing is found without one.

Told once when it begins and once when it is over; the delay is from the fault's start until it is told, in segment
durations, as measured with segments of 2 s (at most 2 are allowed). ``ts`` does as ``hls``.

    fault                   finding                   hls    dash   over after the fault's end, hls and dash, in s
    stale                   stale                     2.0    1.6    1, 0
    stale, one rung         stale                     1.9    2.0    1, 0
    errors                  failing_origin            1.0    0.9    3, 1 (as the pause before another try has it)
    time_jump               time_jump                 1.0    1.1    2, 2
    time_jump, one rung     time_jump                 1.0    -      2; a manifest has one clock for all rungs
    discontinuity, one rung discontinuity_mismatch    1.0    -      no end: an event; a manifest has none of one rung
    sequence_back           sequence_went_back        1.0    0.9    1, 0
    rung_gone               rung_gone                 1.0    0.9    1, 0
    target_duration         target_duration           1.0    0.9    1, 2
    changed_segment         changed_segment           1.0    -      13: a window without change; not done to manifests
    short_window            window_shrinking          1.0    0.9    5, 2
    garbage                 bad_playlist              1.0    0.9    3, 1
    cdn_down                failing_origin            1.0    -      47: when the first CDN is tried again
    slow                    slow_origin               one answer that takes longer than a segment lasts

What is not in a playlist or manifest is not for its reader to find:

    starved, frozen, black  in the pictures: found by the scores
    ad_break, discontinuity well announced: segments are labelled, and nothing is told
    missing_segment         by whoever fetches segments: told by the worker, and by the DASH reader where it is reported
    cdn_down in DASH        the same: base addresses of segments fail, and the manifest is read from elsewhere
    wrong_bandwidth, wrong_codec
                            by whoever decodes: what the segments are against what is declared, told by the worker
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from simulate_factory import Clock, make_encodes

from pipeline.errors import NotFound, Transient
from pipeline.ingest.dash_live import DashPresentation
from pipeline.ingest.fetch import Fetched, Fetcher
from pipeline.ingest.hls_live import HlsPresentation
from pipeline.settings import FetchLimits
from schemas import ManifestFinding, ManifestFindingKind, Resource, Segment
from workers.simulate import KINDS, Encodes, Origin

Kind = ManifestFindingKind
READERS = ("hls", "ts", "dash")
SEGMENT_SECONDS = 2.0
RUNG = 72
"""Height of the rung that a fault of one rung meets."""
MOST_SEGMENTS = 2
"""Segment durations within which a fault is found."""


class Punctual(Fetcher):
    """Says how long an answer took only where the origin was told to be slow: a busy machine is not the origin."""

    def __init__(self, limits: FetchLimits, origin: Origin) -> None:
        super().__init__(limits)
        self._origin = origin

    def fetch_if_changed(
        self, resource: Resource, known: Fetched | None = None, *, max_bytes: int | None = None
    ) -> Fetched | None:
        now = self._origin.clock()
        is_slow = any(
            fault.name == "slow" and fault.on_at(now) and (fault.rung is None or f"/{fault.rung}/" in resource.uri)
            for fault in self._origin.faults()
        )
        found = super().fetch_if_changed(resource, known, max_bytes=max_bytes)
        return found if is_slow or found is None else replace(found, seconds=0.001)


class Watch:
    """Follows one presentation as the feed does, on a clock that is moved instead of waiting."""

    def __init__(self, encodes: Encodes, reader: str, *, cdns: int = 0) -> None:
        self.clock = Clock()
        self.origin = Origin(encodes, clock=self.clock, cdns=cdns)
        self._reader = reader
        self.segments: dict[str, list[Segment]] = defaultdict(list)
        self.findings: list[ManifestFinding] = []
        self.heights: dict[str, int] = {}
        self._failures = 0

    def __enter__(self) -> "Watch":
        self.origin.__enter__()
        limits = FetchLimits(attempts=1, hosts=("127.0.0.1",))
        self.fetcher = Punctual(limits, self.origin).__enter__()
        url = {"hls": self.origin.hls_url, "ts": self.origin.hls_ts_url, "dash": self.origin.dash_url}[self._reader]
        scope = self.fetcher.access.admit_url(url)
        make = DashPresentation if self._reader == "dash" else HlsPresentation
        self.presentation = make(url, "live", self.fetcher, limits, scope, clock=self.clock)
        return self

    def __exit__(self, *error: object) -> None:
        self.presentation.close()
        self.fetcher.__exit__(None, None, None)
        self.origin.__exit__(None, None, None)

    def follow(self, seconds: float) -> Iterator[list[Segment]]:
        """Look whenever it is due; yield what is new each time."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            try:
                update = self.presentation.look()
            except Transient:
                self._failures += 1
                self.clock.now += 2.0 ** (self._failures - 1)
                continue
            self._failures = 0
            self.heights |= {each.rendition_id: each.rung.height_px or 0 for each in update.ladder.renditions}
            for segment in update.segments:
                self.segments[segment.rendition_id].append(segment)
            self.findings += update.findings
            yield list(update.segments)
            self.clock.now += max(0.05, update.wait_seconds)

    def run(self, seconds: float) -> None:
        for _ in self.follow(seconds):
            pass


@dataclass(frozen=True, slots=True)
class Row:
    """What a fault is found as, by reader; a reader that is not named finds nothing."""

    fault: str
    by: dict[str, Kind] = field(default_factory=dict)
    of_rung: bool = False
    """It is told of one rung; else of the presentation."""
    rung: str | None = None
    """The rung that the fault is switched on for; None: as the simulator has it."""
    is_event: bool = False
    """It is told once and has no end."""
    over_seconds: float = 20.0
    """After the end of the fault it is told as over within this time."""


def all_of(kind: Kind) -> dict[str, Kind]:
    return dict.fromkeys(READERS, kind)


def hls_of(kind: Kind) -> dict[str, Kind]:
    return {"hls": kind, "ts": kind}


ROWS = (
    Row("starved"),
    Row("frozen"),
    Row("black"),
    Row("stale", all_of(Kind.STALE)),
    Row("stale", all_of(Kind.STALE), of_rung=True, rung="72p"),
    Row("missing_segment"),
    Row("errors", all_of(Kind.FAILING_ORIGIN)),
    Row("time_jump", all_of(Kind.TIME_JUMP)),
    Row("time_jump", hls_of(Kind.TIME_JUMP), of_rung=True, rung="72p"),
    Row("ad_break"),
    Row("discontinuity"),
    Row("discontinuity", hls_of(Kind.DISCONTINUITY_MISMATCH), of_rung=True, rung="72p", is_event=True),
    Row("sequence_back", all_of(Kind.SEQUENCE_WENT_BACK)),
    Row("rung_gone", all_of(Kind.RUNG_GONE), of_rung=True),
    Row("target_duration", all_of(Kind.TARGET_DURATION)),
    Row("wrong_bandwidth"),
    Row("wrong_codec"),
    Row("changed_segment", hls_of(Kind.CHANGED_SEGMENT), of_rung=True),
    Row("short_window", all_of(Kind.WINDOW_SHRINKING)),
    Row("garbage", all_of(Kind.BAD_PLAYLIST)),
    Row("cdn_down", hls_of(Kind.FAILING_ORIGIN), over_seconds=70.0),
)


@pytest.fixture(scope="session")
def encodes(tmp_path_factory: pytest.TempPathFactory) -> Encodes:
    return make_encodes(tmp_path_factory.getbasetemp())


def seconds_between(moment: float, at: datetime | None) -> float:
    assert at is not None
    return at.timestamp() - moment


def check_told_once(watch: Watch, kind: Kind, since: float, until: float, row: Row) -> None:
    """One finding of this kind began in time, is over in time, and nothing else was told."""
    begun = [each for each in watch.findings if each.over_at is None]
    over = [each for each in watch.findings if each.over_at is not None]
    assert [each.kind for each in begun] == [kind]
    assert [each.finding_id for each in over] == ([] if row.is_event else [begun[0].finding_id])
    height = watch.heights[begun[0].rendition_id] if begun[0].rendition_id else None
    assert height == (RUNG if row.of_rung else None)
    assert 0 <= seconds_between(since, begun[0].found_at) <= MOST_SEGMENTS * SEGMENT_SECONDS
    assert all(0 <= seconds_between(until, each.over_at) <= row.over_seconds for each in over)


def check_segments(watch: Watch) -> None:
    """No segment of any rendition was missed or given twice, and each is where the one before ends."""
    assert len(watch.segments) == 3
    for segments in watch.segments.values():
        numbers = [segment.number for segment in segments]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        starts = [segment.start_seconds for segment in segments]
        expected = [starts[0] + SEGMENT_SECONDS * place for place in range(len(starts))]
        assert starts == pytest.approx(expected, abs=0.01)
    newest = {segments[-1].number for segments in watch.segments.values()}
    assert max(newest) - min(newest) <= 1


def test_the_table_names_every_fault_of_the_simulator() -> None:
    assert {row.fault for row in ROWS} | {"slow"} == set(KINDS)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.fault}{'-of-a-rung' if row.rung else ''}")
def test_a_fault_is_told_once_within_two_segments_and_nothing_else(encodes: Encodes, row: Row, reader: str) -> None:
    with Watch(encodes, reader, cdns=2 if row.fault == "cdn_down" else 0) as watch:
        watch.run(8)
        assert watch.findings == []
        fault = watch.origin.fault(row.fault, rung=row.rung)
        watch.run(fault.until_seconds - fault.since_seconds + row.over_seconds)
        if reader in row.by:
            check_told_once(watch, row.by[reader], fault.since_seconds, fault.until_seconds, row)
        else:
            assert watch.findings == []
        check_segments(watch)


@pytest.mark.parametrize("reader", READERS)
def test_half_an_hour_without_faults_brings_no_finding_and_every_segment_once(encodes: Encodes, reader: str) -> None:
    with Watch(encodes, reader) as watch:
        watch.run(1800)
        assert watch.findings == []
        check_segments(watch)
        assert all(len(segments) >= 1800 / SEGMENT_SECONDS for segments in watch.segments.values())


@pytest.mark.parametrize(
    ("fault", "kind"), [("missing_segment", Kind.MISSING_SEGMENT), ("cdn_down", Kind.FAILING_ORIGIN)]
)
def test_a_dash_reader_tells_what_those_who_fetch_segments_report(encodes: Encodes, fault: str, kind: Kind) -> None:
    with Watch(encodes, "dash", cdns=2) as watch:
        assert isinstance(watch.presentation, DashPresentation)
        watch.run(8)
        on = watch.origin.fault(fault)
        for new in watch.follow(16):
            for segment in new:
                try:
                    watch.fetcher.segment_bytes(segment)
                except (NotFound, Transient) as error:
                    watch.presentation.failed(segment, error)
        (finding,) = watch.findings
        assert finding.kind == kind
        assert 0 <= seconds_between(on.since_seconds, finding.found_at) <= MOST_SEGMENTS * SEGMENT_SECONDS
        check_segments(watch)


@pytest.mark.parametrize("reader", READERS)
def test_an_origin_whose_answers_take_longer_than_a_segment_is_told_at_once(tmp_path_factory, reader: str) -> None:
    short = make_encodes(tmp_path_factory.getbasetemp(), segment_seconds=1.0)
    with Watch(short, reader) as watch:
        watch.run(4)
        # The answers themselves are late by the real clock: only one or two of them are waited for.
        fault = watch.origin.fault("slow", rung="all" if reader == "dash" else "72p", seconds=1.2)
        watch.run(8)
        begun = [each for each in watch.findings if each.over_at is None]
        assert [each.kind for each in begun] == [Kind.SLOW_ORIGIN]
        assert [each.finding_id for each in watch.findings if each.over_at] == [begun[0].finding_id]
        assert seconds_between(fault.since_seconds, begun[0].found_at) <= MOST_SEGMENTS * 1.0
