"""Makes the page of a stretch of time of one stream: points and incidents of its series, with kept pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from pipeline.history import PictureEntry, Pictures, Resolution, SeriesEntry, SeriesPoint
from pipeline.report.rendition import Note
from pipeline.report.rendition import Severity as Weight
from pipeline.report.shift import Shift, Totals, totals_of, worst_first
from pipeline.report.shown import Identity, ShownFrame, ShownPage, ShownRung, ShownStream
from pipeline.troubles import STILL_EXCELLENT
from pipeline.words import WALL_CLOCK, as_time, count, listed, printable
from schemas import Basis, Incident, SegmentSkipped, Severity, TimeBasis

MOST_FRAMES = 12
APART_SECONDS = 60.0
"""Pictures of one rendition that are nearer than this show the same trouble: the worst of them is shown."""
MOST_INCIDENT_PICTURES = 40


@dataclass(frozen=True, slots=True)
class StretchLine:
    """One rendition over the stretch."""

    entry: SeriesEntry
    points: Sequence[SeriesPoint]


@dataclass(frozen=True, slots=True)
class Stretch:
    """[start_seconds, end_seconds) of one stream: all that a report of it is made of."""

    stream_id: str
    time_basis: TimeBasis
    start_seconds: float
    end_seconds: float
    lines: Sequence[StretchLine]
    """Best bitrate first."""
    incidents: Sequence[Incident] = ()
    skipped: Sequence[SegmentSkipped] = ()
    ads: Sequence[tuple[float, float]] = ()

    @property
    def is_clock(self) -> bool:
        return self.time_basis in WALL_CLOCK

    def skipped_of(self, line: StretchLine) -> list[tuple[float, float]]:
        """Return the spans of a rendition that came too late to be scored."""
        return [
            (late.start_seconds, late.start_seconds + (late.duration_seconds or 0.0))
            for late in self.skipped
            if late.rendition_id == line.entry.series.rendition_id
        ]

    def totals(self) -> list[Totals]:
        """Return how the time of every rendition went."""
        return [
            totals_of(
                line.entry.series.rendition_id,
                line.points,
                self.start_seconds,
                self.end_seconds,
                skipped=self.skipped_of(line),
                ads=self.ads,
                incidents=self.incidents,
            )
            for line in self.lines
        ]


def page_of_series(stretch: Stretch, pictures: Pictures) -> ShownPage:
    """Return the page. Raises Unavailable where the pictures cannot be read."""
    kept = pictures.kept(stretch.stream_id, None, stretch.start_seconds, stretch.end_seconds)
    rungs = [_rung(stretch, line) for line in stretch.lines]
    notes = [_note(incident, stretch) for incident in stretch.incidents]
    shift = Shift(
        stretch.start_seconds,
        stretch.end_seconds,
        worst_first(stretch.incidents, stretch.end_seconds),
        stretch.totals(),
        _incident_pictures(stretch, kept, pictures),
    )
    resolutions = {point.resolution for line in stretch.lines for point in line.points}
    said = _resolution_note(stretch)
    stream = ShownStream(
        stream_id=stretch.stream_id,
        label=printable(stretch.stream_id),
        overview=_overview(stretch, rungs),
        time_basis=stretch.time_basis,
        display_height_px=stretch.lines[0].entry.series.display_height_px,
        rungs=rungs,
        notes=notes,
        listed_notes=[said] if said else [],
        troubled_ids=sorted({each for note in notes for each in note.rendition_ids}),
        frames=_frames(stretch, kept, pictures),
        frames_title="The worst frames",
        shift=shift,
        ads=stretch.ads,
        skipped={line.entry.series.rendition_id: stretch.skipped_of(line) for line in stretch.lines},
        step="One step is one segment" if resolutions == {Resolution.RAW} else "One step is a segment, minute or hour",
    )
    return ShownPage(_headline(stretch), [stream], _identities(stretch))


def when(seconds: float, stretch: Stretch) -> str:
    """Return a moment, with its date where the stretch lies in more than one day."""
    if not stretch.is_clock:
        return as_time(seconds)
    days = {datetime.fromtimestamp(each, UTC).date() for each in (stretch.start_seconds, stretch.end_seconds)}
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%-d %b %H:%M:%S} UTC" if len(days) > 1 else f"{moment:%H:%M:%S} UTC"


def _headline(stretch: Stretch) -> str:
    name, length = printable(stretch.stream_id), _roughly(stretch.end_seconds - stretch.start_seconds)
    if not stretch.incidents:
        return f"{name}: no incident in {length}."
    number = len(stretch.incidents)
    critical = sum(each.severity is Severity.CRITICAL for each in stretch.incidents)
    still = sum(each.is_open for each in stretch.incidents)
    told = count(number, "critical incident" if critical == number else "incident")
    more = [f"{critical} of them critical"] if 0 < critical < number else []
    more += [f"{still} still open"] if still else []
    return f"{name}: {told} in {length}{''.join(f', {each}' for each in more)}."


def _roughly(seconds: float) -> str:
    """Return a length as one says it: ``8 h``, ``8 h 5 min``, ``12 min``, ``32 s``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = ([f"{hours} h"] if hours else []) + ([f"{minutes} min"] if minutes or not hours else [])
    return " ".join(parts)


def _overview(stretch: Stretch, rungs: Sequence[ShownRung]) -> str:
    moments = []
    for seconds in (stretch.start_seconds, stretch.end_seconds):
        moments.append(
            f"{datetime.fromtimestamp(seconds, UTC):%-d %B %Y, %H:%M:%S} UTC" if stretch.is_clock else as_time(seconds)
        )
    best, last = rungs[0], rungs[-1]
    told = [f"{each.mean:.0f} ({each.word}) for {each.label}" for each in ((best, last) if len(rungs) > 1 else (best,))]
    shown = stretch.lines[0].entry.series.display_height_px
    return (
        f"From {moments[0]} to {moments[1]}: {count(len(rungs), 'rendition')}, shown at {shown} lines; in the mean "
        f"{' to '.join(told)}."
    )


def _rung(stretch: Stretch, line: StretchLine) -> ShownRung:
    points, series = line.points, line.entry.series
    weights = [max(point.duration_seconds, 1e-3) for point in points]
    rated = [(point.bitrate_bps, weight) for point, weight in zip(points, weights, strict=True) if point.bitrate_bps]
    bases = {basis for point in points for basis, _ in point.bases}
    worst = min(points, key=_worst_score)
    return ShownRung(
        rendition_id=series.rendition_id,
        label=printable(series.rendition_id),
        points=points,
        mean=fmean([point.score for point in points], weights),
        low=fmean([point.low for point in points], weights),
        high=fmean([point.high for point in points], weights),
        worst_score=_worst_score(worst),
        worst_when=when(worst.least_seconds if worst.raw is None else worst.raw.worst_seconds, stretch),
        bitrate_bps=fmean([bps for bps, _ in rated], [weight for _, weight in rated]) if rated else None,
        basis=str(min(bases, default=Basis.ALONE)) if len(bases) < 2 else "mixed",
        segments=sum(point.count for point in points),
    )


def _worst_score(point: SeriesPoint) -> float:
    return point.least_score if point.raw is None else point.raw.worst_score


def _note(incident: Incident, stretch: Stretch) -> Note:
    end = stretch.end_seconds if incident.end_seconds is None else incident.end_seconds
    every = tuple(line.entry.series.rendition_id for line in stretch.lines)
    span = (max(incident.start_seconds, stretch.start_seconds), min(end, stretch.end_seconds))
    return Note(Weight.PROBLEM, incident.cause, incident.summary, incident.rendition_ids or every, (span,))


def _resolution_note(stretch: Stretch) -> Note | None:
    """Say which parts are not shown segment by segment."""
    coarse: dict[Resolution, list[float]] = {}
    for line in stretch.lines:
        for point in line.points:
            if point.resolution is not Resolution.RAW:
                coarse.setdefault(point.resolution, []).append(point.start_seconds)
    if not coarse:
        return None
    parts = [
        f"from {when(min(starts), stretch)} to {when(max(starts), stretch)} by the {resolution.value}"
        for resolution, starts in coarse.items()
    ]
    return Note(
        Weight.INFO,
        "resolution",
        f"Shown {listed(parts)}: of that time single segments are not kept any more, or it is too long for them; "
        "incidents there are told as exactly as their points allow.",
    )


def _frames(stretch: Stretch, kept: Sequence[PictureEntry], pictures: Pictures) -> list[ShownFrame]:
    """Return the worst that are not excellent, or all are: of a rendition in an incident one, else some time apart."""
    bad = [entry for entry in kept if entry.score < STILL_EXCELLENT]
    kept = bad or kept
    shown: list[PictureEntry] = []
    told: set[tuple[str, str]] = set()
    for entry in sorted(kept, key=lambda each: (each.score, each.start_seconds)):
        causes = {(each.incident_id, entry.rendition_id) for each in stretch.incidents if _is_in(entry, each, stretch)}
        if causes & told or any(
            other.rendition_id == entry.rendition_id and abs(other.start_seconds - entry.start_seconds) < APART_SECONDS
            for other in shown
        ):
            continue
        told |= causes
        shown.append(entry)
        if len(shown) == MOST_FRAMES:
            break
    found = [(entry, _jpeg(entry, pictures)) for entry in shown]
    return [
        ShownFrame(entry.rendition_id, jpeg, entry.score, when(entry.worst_seconds, stretch))
        for entry, jpeg in found
        if jpeg
    ]


def _incident_pictures(stretch: Stretch, kept: Sequence[PictureEntry], pictures: Pictures) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for incident in worst_first(stretch.incidents, stretch.end_seconds)[:MOST_INCIDENT_PICTURES]:
        inside = [entry for entry in kept if _is_in(entry, incident, stretch)]
        if inside and (jpeg := _jpeg(min(inside, key=lambda entry: entry.score), pictures)):
            found[incident.incident_id] = jpeg
    return found


def _is_in(entry: PictureEntry, incident: Incident, stretch: Stretch) -> bool:
    end = stretch.end_seconds if incident.end_seconds is None else incident.end_seconds
    return incident.start_seconds <= entry.start_seconds < end and entry.rendition_id in incident.rendition_ids


def _jpeg(entry: PictureEntry, pictures: Pictures) -> bytes | None:
    return pictures.jpeg(entry.stream_id, entry.rendition_id, entry.start_seconds)


def _identities(stretch: Stretch) -> list[Identity]:
    found = {}
    for line in stretch.lines:
        series = line.entry.series
        hashes = list(dict.fromkeys(point.raw.weights_hash for point in line.points if point.raw))
        for weights in hashes or [line.entry.latest.weights_hash]:
            found[series.model_name, weights, series.sampler_name, series.sampler_frames] = Identity(
                model=printable(series.model_name),
                weights=weights[:12],
                sampler=f"{printable(series.sampler_name)}, {series.sampler_frames} frames a segment",
            )
    return list(found.values())
