"""Joins the troubles of renditions into incidents: one cause, opened once, closed once, told in a sentence."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pipeline.history import SeriesPoint
from pipeline.settings import IncidentSettings
from pipeline.standstill import resting, standstills
from pipeline.starvation import starving
from pipeline.troubles import (
    LEVEL,
    NOT_SCORED,
    Known,
    Trouble,
    end_of,
    labelled,
    level_troubles,
    manifest_troubles,
    picture_troubles,
    unscored_troubles,
)
from pipeline.words import as_bitrate, as_duration, as_span, count, listed, printable
from schemas import FindingKind, Incident, ManifestFinding, SegmentSkipped, Severity, TimeBasis

SILENT_SECONDS = 60.0
"""A rendition that is this far behind the others is not waited for."""
CRITICAL_BELOW = 40
"""A segment that is poor or bad makes a drop critical."""
MOST_NAMES = 4
LONGEST_ID = 512
LONGEST_SUMMARY = 2048

STARVED = "starved"
LOW_QUALITY = "low_quality"
TOLD: Mapping[str, tuple[str, str, str]] = {
    FindingKind.FROZEN: ("stands still", "stand still", " while the others move"),
    FindingKind.BLACK: ("is black", "are black", " while the others show a picture"),
    FindingKind.DAMAGED: ("cannot be decoded without damage", "cannot be decoded without damage", ""),
    FindingKind.TRUNCATED: ("has segments that are cut off", "have segments that are cut off", ""),
    FindingKind.MISMATCH: ("does not show what the best rung shows", "do not show what the best rung shows", ""),
}
"""For one and for many renditions, and what is added where others are well."""
LOOK: Mapping[str, tuple[str, str]] = {
    FindingKind.FROZEN: ("look at its encoder", "look at the source, before the encoders"),
    FindingKind.STILL: (
        "look at the source, before the encoders",
        "look at the source, before the encoders; a slate or a title card may stand so rightly",
    ),
    FindingKind.BLACK: ("look at its encoder", "look at the source, before the encoders"),
    FindingKind.DAMAGED: ("look at its packager and its origin", "look at the packager and the origin"),
    FindingKind.TRUNCATED: ("look at its packager and its origin", "look at the packager and the origin"),
    FindingKind.MISMATCH: ("look for an ad or a slate on some rungs only", "look for an ad or a slate on some rungs"),
    STARVED: ("look at the bitrate that its encoder is given", "look at the bitrate that the encoder is given"),
    LOW_QUALITY: ("look at its encoder", "look at the source, or at content that is hard to encode"),
}
"""Where to look: where some renditions have it, and where all have."""


def incidents(
    stream_id: str,
    points: Mapping[str, Sequence[SeriesPoint]],
    *,
    live: bool,
    findings: Sequence[ManifestFinding] = (),
    skipped: Sequence[SegmentSkipped] = (),
    ads: Sequence[tuple[float, float]] = (),
    known_until_seconds: float | None = None,
    still_seconds: float | None = None,
) -> list[Incident]:
    """Return the incidents of one stream in order of time.

    An incident keeps its id while the points grow: it is made of stream, what is wrong, and where that starts, and not
    of the renditions, of which more may join. It closes when the rendition has been well for some time, never sooner.

    Args:
        stream_id: Whose.
        points: Of one range, by rendition, best bitrate first; segments, or roll-ups where they are gone.
        live: The axis is the clock, and more may follow. False: media time; all is over where the points end.
        findings: Of playlists and manifests; left out where `live` is not so, as they have the clock only.
        skipped: What was not scored as it was too late.
        ads: [start, end) of ad breaks, in order of time: a roll-up does not know what was an ad.
        known_until_seconds: Up to where there would be points if there were any; None: to the end of the last.
        still_seconds: From when on a source that stands still is told; None: as `IncidentSettings` says.
    """
    ordered = {rendition: sorted(own, key=lambda each: each.start_seconds) for rendition, own in points.items()}
    ends = {rendition: end_of(own[-1]) for rendition, own in ordered.items() if own}
    for late in skipped:
        end = late.start_seconds + (late.duration_seconds or 0.0)
        ends[late.rendition_id] = max(end, ends.get(late.rendition_id, end))
    until = max([*ends.values(), *([] if known_until_seconds is None else [known_until_seconds])], default=0.0)
    silent = {rendition for rendition, own in ordered.items() if own and until - ends[rendition] > SILENT_SECONDS}
    waited = min([until, *(ends[rendition] for rendition, own in ordered.items() if own and rendition not in silent)])
    labelled_parts = {rendition: labelled(own, ads) for rendition, own in ordered.items() if own}
    settled = waited if live else until
    rests = resting(labelled_parts, settled)
    least_seconds = IncidentSettings().still_seconds if still_seconds is None else still_seconds
    troubles = list(standstills(rests, least_seconds, Known(settled, live)))
    for rendition, parts in labelled_parts.items():
        known = Known(ends[rendition], live and rendition not in silent)
        starves = starving(parts)
        falls = list(level_troubles(rendition, parts, known, starves))
        troubles += [*falls, *picture_troubles(rendition, parts, known, falls, starves, rests, settled)]
    scored = {
        (rendition, round(each.start_seconds, 3))
        for rendition, own in ordered.items()
        for each in own
        if skipped and each.label is not None
    }
    missed = [late for late in skipped if (late.rendition_id, round(late.start_seconds, 3)) not in scored]
    # What starts where some rendition is not known yet would start sooner when it is.
    told = [each for each in troubles if not live or each.start_seconds < waited]
    told += unscored_troubles(missed, Known(until, live))
    if live:
        starts = {rendition: [each.start_seconds for each in own] for rendition, own in ordered.items()}
        told += manifest_troubles(findings, until, starts)
    names = list(ordered)
    found = [_incident(stream_id, group, names, live) for group in _grouped(told)]
    return sorted(found, key=lambda each: (each.start_seconds, each.incident_id))


def incident_id(stream_id: str, family: str, start_seconds: float) -> str:
    tail = f"/{family}/{round(start_seconds * 1000)}"
    if len(stream_id) + len(tail) <= LONGEST_ID:
        return f"{stream_id}{tail}"
    digest = hashlib.sha256(stream_id.encode()).hexdigest()[:16]
    return f"{stream_id[: LONGEST_ID - len(tail) - 17]}~{digest}{tail}"


def _grouped(troubles: Sequence[Trouble]) -> list[list[Trouble]]:
    """Return the troubles of one family that start together as one group; the first of a group starts first."""
    groups: list[list[Trouble]] = []
    latest: dict[str, list[Trouble]] = {}
    for trouble in sorted(troubles, key=lambda each: (each.start_seconds, each.rendition_id or "")):
        group = latest.get(trouble.family)
        if group and trouble.start_seconds - group[0].start_seconds <= group[0].together_seconds:
            group.append(trouble)
        else:
            latest[trouble.family] = [trouble]
            groups.append(latest[trouble.family])
    return groups


def _incident(stream_id: str, group: Sequence[Trouble], names: Sequence[str], live: bool) -> Incident:
    start = group[0].start_seconds
    end = None if any(each.lasts for each in group) else max(each.end_seconds for each in group)
    ids = {each.rendition_id for each in group}
    order = {name: index for index, name in enumerate(names)}
    renditions = [] if None in ids else sorted((each for each in ids if each), key=lambda each: order.get(each, 1e9))
    everywhere = len(names) > 1 and set(names) <= ids
    family = group[0].family
    cause = family
    starved = 2 * sum(each.starved for each in group) > len(group)
    if family == LEVEL:
        cause = STARVED if starved else LOW_QUALITY
    elif family == FindingKind.FROZEN and starved:
        cause = STARVED
    # The one that fell furthest speaks for all.
    told = max(group, key=lambda each: (each.usual_score or 0) - (each.score or 0))
    worst = min((each.worst_score for each in group if each.worst_score is not None), default=None)
    critical = any(each.severity is Severity.CRITICAL for each in group) or (
        family == LEVEL and (everywhere or (worst is not None and worst < CRITICAL_BELOW))
    )
    basis = TimeBasis.PROGRAM_DATE_TIME if live else TimeBasis.MEDIA_TIME
    when = as_span(start, end, basis) + ("" if end is None else f" ({as_duration(end - start)})")
    return Incident(
        incident_id=incident_id(stream_id, family, start),
        stream_id=stream_id,
        rendition_ids=tuple(renditions),
        cause=cause,
        severity=Severity.CRITICAL if critical else Severity.WARNING,
        summary=_sentence(cause, told, group, renditions, names, when)[:LONGEST_SUMMARY],
        opened_at=datetime.fromtimestamp(start, UTC) if live else None,
        closed_at=datetime.fromtimestamp(end, UTC) if live and end is not None else None,
        start_seconds=start,
        end_seconds=end,
        worst_score=worst,
        score=told.score,
        usual_score=told.usual_score,
        bitrate_bps=_whole(told.bitrate_bps),
        usual_bitrate_bps=_whole(told.usual_bitrate_bps),
    )


def _sentence(
    cause: str, told: Trouble, group: Sequence[Trouble], renditions: Sequence[str], names: Sequence[str], when: str
) -> str:
    everywhere = len(names) > 1 and set(names) <= set(renditions)
    who = _who(renditions, names)
    many = len(renditions) > 1
    if cause == FindingKind.STILL:
        on = f", on all {len(names)} renditions" if len(names) > 1 else ""
        return f"The source stands still {when}{on}: {LOOK[cause][True]}."
    if cause == STARVED and told.family == FindingKind.FROZEN:
        usual, got = as_bitrate(told.usual_bitrate_bps), as_bitrate(told.bitrate_bps)
        instead = "" if told.usual_bitrate_bps is None else f" instead of {usual}"
        text = f"{who} {TOLD[FindingKind.FROZEN][many]} {when}, as the bitrate is {got}{instead}"
        return f"{text}: {LOOK[cause][everywhere]}."
    if cause in (STARVED, LOW_QUALITY):
        whose = f" ({printable(told.rendition_id or '')})" if many else ""
        begins = " at the start" if told.at_start else ""
        text = f"{who}: {when} the score is low{begins}, {told.score:.0f} instead of {told.usual_score:.0f}{whose}"
        if cause == STARVED:
            usual, got = as_bitrate(told.usual_bitrate_bps), as_bitrate(told.bitrate_bps)
            text += f", and the bitrate {got} instead of {usual}"
        if any(each.stuck for each in group):
            text += ", so that the picture sticks"
        return f"{text}: {LOOK[cause][everywhere]}."
    if cause in TOLD:
        one, several, beside = TOLD[cause]
        text = f"{who} {several if many else one} {when}"
        text += beside if len(names) > len(renditions) else ""
        if told.score is not None and told.usual_score is not None and told.usual_score - told.score >= 1:
            text += f", the score is {told.score:.0f} instead of {told.usual_score:.0f}"
        return f"{text}: {LOOK[cause][everywhere or len(names) == 1]}."
    if cause == NOT_SCORED:
        segments = sum(each.segments for each in group)
        verb = "was" if segments == 1 else "were"
        return (
            f"{who}: {count(segments, 'segment')} {when} {verb} not scored, as their turn came too late: "
            "add workers, or watch fewer streams."
        )
    more = sum(each.segments for each in group) - 1
    again = f" (and {count(more, 'more time')})" if more else ""
    return f"{who} {when}: {printable(told.text).rstrip('. ')}{again}."


def _who(renditions: Sequence[str], names: Sequence[str]) -> str:
    if not renditions:
        return "The presentation"
    if len(names) > 1 and set(names) <= set(renditions):
        return f"All {len(renditions)} renditions"
    if len(renditions) > MOST_NAMES:
        return f"{len(renditions)} of {max(len(names), len(renditions))} renditions"
    return listed([printable(each) for each in renditions])


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
