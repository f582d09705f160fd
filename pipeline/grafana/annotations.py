"""Annotations in Grafana's own store: each is sent once, and given its end when what it tells of is over."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from pipeline.errors import Unavailable
from pipeline.grafana.names import TAG, Json
from pipeline.grafana.server import Grafana, NotThere
from schemas import Incident, ManifestFinding

log = logging.getLogger(__name__)

SURE_AFTER_SECONDS = 60.0
"""A request whose answer was lost may still be done by Grafana; after so long it is looked up once more."""
LONGEST_TAG = 80
"""Grafana's columns hold 100 characters of a tag, and 500 of all together on old databases."""
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is to stand in Grafana."""

    key: str
    """The same for every repeat."""
    stream_id: str
    what: str
    """Two notes of one stream and one `what` that overlap in time are one, where `merges`."""
    text: str
    tags: tuple[str, ...]
    start_ms: int
    end_ms: int | None
    """None: it still lasts, or it is a moment."""
    merges: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known of a note that was sent."""

    annotation_id: int
    what: str
    start_ms: int
    end_ms: int | None = None
    unsure_since: float | None = None
    """An answer was lost then, so that it may stand there twice; None: it does not."""

    @property
    def text(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def parsed(cls, text: str) -> "Mark":
        return cls(**json.loads(text))


class Sent(Protocol):
    """See `pipeline.series.sent.SentStore`."""

    def known(self, stream_ids: Sequence[str]) -> dict[str, dict[str, str]]: ...

    def note(self, stream_id: str, texts: Mapping[str, str]) -> None: ...

    def forget(self, stream_id: str, keys: Sequence[str]) -> None: ...


class Store(Protocol):
    """Where annotations stand. All raise Unavailable and UsageError as `Grafana.ask`."""

    def found(self, tag: str) -> list[int]:
        """Return the numbers of those with a tag, the first that was made first."""
        ...

    def send(self, body: Json) -> int:
        """Write one, once, and return its number; after Unavailable it may have been written."""
        ...

    def end(self, number: int, end_ms: int) -> bool:
        """Say until when one lasts; False: it is not there any more."""
        ...

    def remove(self, number: int) -> None: ...


class GrafanaStore:
    """Implements `Store` over the HTTP API."""

    def __init__(self, grafana: Grafana) -> None:
        self._grafana = grafana

    def found(self, tag: str) -> list[int]:
        params = {"tags": tag, "type": "annotation", "limit": "10"}
        answer: Any = self._grafana.ask(
            "look for an annotation", lambda api: api.client.GET("/annotations", params=params)
        )
        return sorted(int(each["id"]) for each in answer or [])

    def send(self, body: Json) -> int:
        answer = self._grafana.tell("write an annotation", lambda api: api.client.POST("/annotations", json=body))
        log.info("Sent to Grafana: %s", body["text"])
        return int(answer["id"])

    def end(self, number: int, end_ms: int) -> bool:
        # PATCH, and of the client's methods none: they would set everything that is not given to nothing.
        body = {"timeEnd": end_ms}
        try:
            self._grafana.ask("end an annotation", lambda api: api.client.PATCH(f"/annotations/{number}", json=body))
        except NotThere:
            return False
        return True

    def remove(self, number: int) -> None:
        self._grafana.found(
            "remove a second copy of an annotation", lambda api: api.client.DELETE(f"/annotations/{number}")
        )


class AnnotationObserver(Protocol):
    """Is told what was done."""

    def sent(self) -> None: ...

    def ended(self) -> None: ...

    def surplus(self) -> None:
        """One stood there twice, and was removed once."""


class Annotator:
    """Sends notes to one place. For one thread."""

    def __init__(
        self,
        store: Store,
        sent: Sent,
        observer: AnnotationObserver,
        *,
        kept_seconds: float,
        now_seconds: Callable[[], float] = time.time,
    ) -> None:
        """`kept_seconds`: marks of what began longer ago are forgotten; notes must be younger."""
        self._store, self._sent, self._observer = store, sent, observer
        self._kept_seconds = kept_seconds
        self._now_seconds = now_seconds
        self._unsure: dict[str, float] = {}

    def tell(self, notes: Sequence[Note], alive: Callable[[], None] = lambda: None) -> None:
        """Send what is not there yet, and end what is over; a repeat does nothing.

        Raises:
            Unavailable: Grafana or Redis is away; what is not done yet is done the next time.
            UsageError: Grafana refuses.
        """
        by_stream: dict[str, list[Note]] = {}
        for note in notes:
            by_stream.setdefault(note.stream_id, []).append(note)
        for stream_id, texts in self._sent.known(list(by_stream)).items():
            marks = {key: Mark.parsed(text) for key, text in texts.items()}
            for note in sorted(by_stream[stream_id], key=lambda each: each.start_ms):
                alive()
                self._tell(note, marks)
            self._settle(stream_id, marks)

    def _tell(self, note: Note, marks: dict[str, Mark]) -> None:
        key = _key_of(note, marks)
        mark = marks.get(key)
        if mark is None:
            marks[key] = self._begun(note)
        elif note.end_ms is not None and mark.end_ms is None:
            self._end(mark.annotation_id, note.end_ms, note.text)
            marks[key] = replace(mark, end_ms=note.end_ms)
            self._observer.ended()
        else:
            return
        self._sent.note(note.stream_id, {key: marks[key].text})

    def _begun(self, note: Note) -> Mark:
        # Looked up first: the last time its answer may have been lost, or the mark of it.
        there = self._store.found(tag_of(note.key))
        if there:
            number = there[0]
            if note.end_ms is not None:
                self._end(number, note.end_ms, note.text)
        else:
            number = self._send(note)
        return Mark(number, note.what, note.start_ms, note.end_ms, self._unsure.pop(note.key, None))

    def _send(self, note: Note) -> int:
        body: Json = {"time": note.start_ms, "text": note.text, "tags": [*note.tags, tag_of(note.key)]}
        if note.end_ms is not None:
            body["timeEnd"] = note.end_ms
        try:
            number = self._store.send(body)
        except Unavailable:
            self._unsure[note.key] = self._now_seconds()
            raise
        self._observer.sent()
        return number

    def _end(self, number: int, end_ms: int, text: str) -> None:
        if not self._store.end(number, end_ms):
            log.info("An annotation was removed in Grafana before its end: %s", text)

    def _settle(self, stream_id: str, marks: Mapping[str, Mark]) -> None:
        """Remove what stands there twice, and forget what is long past."""
        now = self._now_seconds()
        for key, mark in marks.items():
            if mark.unsure_since is None or now - mark.unsure_since < SURE_AFTER_SECONDS:
                continue
            for number in self._store.found(tag_of(key)):
                if number != mark.annotation_id:
                    self._store.remove(number)
                    self._observer.surplus()
            self._sent.note(stream_id, {key: replace(mark, unsure_since=None).text})
        self._sent.forget(
            stream_id, [key for key, mark in marks.items() if now - mark.start_ms / 1000 > self._kept_seconds]
        )


def of_finding(finding: ManifestFinding) -> Note:
    """Return the note of a finding of a playlist, a manifest or an origin."""
    kind = finding.kind.value
    where = f"{finding.stream_id} {finding.rendition_id}" if finding.rendition_id else finding.stream_id
    start_ms = round(finding.found_at.timestamp() * 1000)
    return Note(
        f"finding/{finding.finding_id}/{start_ms}",
        finding.stream_id,
        f"finding/{kind}",
        f"{where}: {kind.replace('_', ' ')}: {finding.text}"[:LONGEST_TEXT],
        _tags("finding", kind, finding.severity.value, finding.stream_id, finding.rendition_id),
        start_ms,
        None if finding.over_at is None else max(start_ms, round(finding.over_at.timestamp() * 1000)),
    )


def of_incident(incident: Incident) -> Note:
    """Return the note of an incident of a live stream, whose seconds are those since the epoch."""
    renditions = incident.rendition_ids
    start_ms = round(incident.start_seconds * 1000)
    return Note(
        f"incident/{incident.incident_id}",
        incident.stream_id,
        f"incident/{incident.cause}",
        f"{incident.stream_id}: {incident.summary}"[:LONGEST_TEXT],
        _tags(
            "incident",
            incident.cause,
            incident.severity.value,
            incident.stream_id,
            renditions[0] if len(renditions) == 1 else None,
        ),
        start_ms,
        None if incident.end_seconds is None else max(start_ms, round(incident.end_seconds * 1000)),
        # The same trouble begins a little elsewhere when it is worked out of other points.
        merges=True,
    )


def tag_of(key: str) -> str:
    """Return the tag by which an annotation is found again."""
    return f"{TAG}:{hashlib.sha256(key.encode()).hexdigest()[:20]}"


def _key_of(note: Note, marks: Mapping[str, Mark]) -> str:
    if note.key in marks or not note.merges:
        return note.key
    for key, mark in marks.items():
        starts_before = note.end_ms is None or mark.start_ms <= note.end_ms
        if mark.what == note.what and starts_before and (mark.end_ms is None or note.start_ms <= mark.end_ms):
            return key
    return note.key


def _tags(what: str, kind: str, severity: str, stream_id: str, rendition_id: str | None) -> tuple[str, ...]:
    tags = [TAG, what, kind, severity, f"stream:{stream_id}"]
    if rendition_id is not None:
        tags.append(f"rendition:{rendition_id}")
    return tuple(tag[:LONGEST_TAG] for tag in tags)
