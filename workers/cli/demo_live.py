"""`rungwatch demo --live`: a live origin with faults, watched while they come and go, and the story told at the end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.errors import NotFound
from pipeline.series import SeriesQueries
from schemas import FindingKind, ManifestFindingKind, QualityPoint
from workers.cli.options import scoring_options, settings_with
from workers.cli.progress import Progress
from workers.cli.watch_display import Screen
from workers.service.feed import FeedOptions
from workers.service.watch import Watched, run_watch
from workers.simulate import Fault, Origin, Plan, prepare

_SECONDS = 180.0
_DROP = 10.0  # points by which a rung must fall under its own usual to be told
_AROUND_SECONDS = 6.0  # a segment and the look that finds it


@dataclass(frozen=True, slots=True)
class _Act:
    """One fault, when it comes, and how it should be seen."""

    name: str
    after_seconds: float
    seconds: float
    rung_place: int | None
    """Which rung from the top; None: the stream as a whole."""
    finding: FindingKind | ManifestFindingKind | None
    """None: the scores themselves must show it."""


_ACTS = (
    _Act("starved", 40, 20, 1, None),
    _Act("frozen", 80, 16, 2, FindingKind.FROZEN),
    _Act("stale", 115, 12, None, ManifestFindingKind.STALE),
    _Act("rung_gone", 145, 10, 3, ManifestFindingKind.RUNG_GONE),
)


def run_live(out: Path, video: Path | None, model: str, device: str, decoders: int, allow_untrained: bool) -> int:
    """Run the demo and return the exit code: 0 where everything was found."""
    started = time.monotonic()
    click.echo("1. Encoding four rungs for a live origin" + (f" from {video}" if video else ""))
    with Progress() as progress:
        plan = Plan(video=video, rungs=4)
        encodes = prepare(plan, out / "live", report=lambda share, text: progress.say(f"   {share:4.0%}  {text}"))
    settings = settings_with()
    options = scoring_options(model, device, decoders, allow_untrained, "auto", "frame_difference", 8)
    with Origin(encodes) as origin:
        click.echo(f"2. It is on the air: {origin.hls_url}")
        click.echo("3. What will go wrong:")
        faults = []
        for act in _ACTS:
            rung = None if act.rung_place is None else origin.rungs[act.rung_place]
            fault = origin.fault(act.name, rung=rung, seconds=act.seconds, after_seconds=act.after_seconds)
            faults.append((act, fault))
            click.echo(f"   - after {act.after_seconds:.0f} s, for {act.seconds:.0f} s: {_what(fault)}")
        click.echo(f"4. Watching for {_SECONDS / 60:.0f} minutes, without a pristine source\n")
        state = out / f"live-{int(time.time())}"
        with _Story(faults) as screen:
            run_watch(
                settings,
                [origin.hls_url],
                FeedOptions(),
                options,
                state=state,
                redis_url=None,
                again=False,
                display=screen,
                seconds=_SECONDS,
            )
    click.echo("\n5. What went wrong, and what was found:")
    missed = 0
    for fault, said in screen.told:
        missed += said is None
        mark = click.style("found ", fg="green") if said else click.style("MISSED", fg="red")
        click.echo(f"   {mark}  {_what(fault)}" + (f"\n           said: {said}" if said else ""))
    click.echo(
        f"\nDone in {time.monotonic() - started:.0f} s. The series stay: rungwatch series query live --state {state}"
    )
    return 1 if missed else 0


@dataclass
class _Told:
    told: list[tuple[Fault, str | None]] = field(default_factory=list)


class _Story(Screen, _Told):
    """The screen of `watch`, which at the end also looks for every fault in what was stored."""

    def __init__(self, faults: Sequence[tuple[_Act, Fault]]) -> None:
        Screen.__init__(self)
        _Told.__init__(self)
        self._faults = faults

    def done(self, watched: Watched, queries: SeriesQueries) -> None:
        Screen.done(self, watched, queries)
        for act, fault in self._faults:
            said = [_said(act, fault, queries, stream) for stream in watched.streams]
            self.told.append((fault, next((each for each in said if each), None)))


def _said(act: _Act, fault: Fault, queries: SeriesQueries, stream_id: str) -> str | None:
    """Return what was found of a fault, in the words of the program; None: nothing."""
    if isinstance(act.finding, ManifestFindingKind):
        found = queries.findings(stream_id, fault.since_seconds - 1, fault.until_seconds + _AROUND_SECONDS)
        return next(
            (f"{_clock(each.found_at.timestamp())}  {each.text}" for each in found if each.kind is act.finding), None
        )
    rungs = queries.renditions(stream_id)
    if fault.rung is not None:
        rungs = [rung for rung in rungs if rung.startswith(fault.rung)] or rungs
    for rung in rungs:
        points = _points(queries, stream_id, rung)
        during = [each for each in points if fault.since_seconds <= each.start_seconds < fault.until_seconds]
        if not during:
            continue
        if act.finding is not None:
            hit = next((each for each in during if act.finding in each.findings), None)
            if hit is not None:
                return f"{_clock(hit.start_seconds)}  {rung}: {act.finding.value}"
            continue
        before = [each.score for each in points if each.start_seconds < fault.since_seconds]
        worst = min(during, key=lambda each: each.score)
        usual = sorted(before)[len(before) // 2] if before else None
        if usual is not None and worst.score <= usual - _DROP:
            return f"{_clock(worst.start_seconds)}  {rung}: from {usual:.0f} to {worst.score:.0f}"
    return None


def _points(queries: SeriesQueries, stream_id: str, rung: str) -> list[QualityPoint]:
    try:
        found = queries.points(stream_id, rung, resolution="raw")
    except NotFound:
        return []
    return [each.raw for each in found if each.raw is not None]


def _what(fault: Fault) -> str:
    where = f"{fault.rung}: " if fault.rung else ""
    return where + fault.kind.help


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")
