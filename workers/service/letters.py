"""Dead letters, read again: what is in them, and what of them can be published once more."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import BadEvent
from pipeline.stream.protocol import Message, Publication
from schemas import DeadLetter, SegmentReady
from workers.service.events import headers, parse


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant; None: whatever it is."""

    reason: str | None = None
    stream_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        return (
            self.reason in (None, letter.reason)
            and self.stream_id in (None, letter.stream_id)
            and (self.since is None or letter.rejected_at >= self.since)
            and (self.until is None or letter.rejected_at < self.until)
        )


def letters(messages: Iterable[Message], wanted: Wanted) -> list[DeadLetter]:
    """Return the letters that are meant, oldest first; of one event that failed more than once, the last."""
    found: dict[str, DeadLetter] = {}
    for message in messages:
        try:
            letter = parse(DeadLetter, message)
        except BadEvent:
            continue  # of another program; replaying it is not ours
        if wanted.takes(letter):
            key = letter.original_base64 or letter.origin
            found.pop(key, None)
            found[key] = letter
    return sorted(found.values(), key=lambda letter: letter.rejected_at)


def publications(found: Iterable[DeadLetter], source: str) -> Iterator[tuple[DeadLetter, Publication | None]]:
    """Yield each letter with what brings it back to where it came from; None: it holds no event to bring back."""
    for letter in found:
        topic = _topic(letter.origin)
        if letter.original_base64 is None or topic is None:
            yield letter, None
            continue
        value = base64.b64decode(letter.original_base64)
        yield letter, Publication(topic, letter.stream_id, value, _headers(value, source))


def _topic(origin: str) -> str | None:
    """Return the topic of ``topic/partition/offset``; None: the origin is something else, a file or an address."""
    parts = origin.rsplit("/", 2)
    is_place = len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit() and "/" not in parts[0]
    return parts[0] if is_place else None


def _headers(value: bytes, source: str) -> tuple[tuple[str, bytes], ...]:
    try:
        return headers(SegmentReady.model_validate_json(value), source)
    except ValueError:
        return ()
