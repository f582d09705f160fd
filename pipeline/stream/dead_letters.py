"""What becomes of messages that will never succeed: a letter with all that is known, and a cap on their share."""

import base64
import traceback
from collections import Counter, deque
from datetime import UTC, datetime

from pydantic import ValidationError

from pipeline.errors import Rejected, TooManyRejected
from pipeline.settings import BusSettings
from pipeline.stream.protocol import Message, Publication
from schemas import DeadLetter, SegmentReady

_MESSAGE_CHARACTERS = 8192
_DETAIL_CHARACTERS = 65_536


def dead_letter(message: Message, error: Rejected, attempts: int, *, with_original: bool = True) -> DeadLetter:
    """Return what is kept of a message that was rejected."""
    event = _event(message.value)
    words = str(error) or type(error).__name__
    if not with_original:
        words += f" (the event of {len(message.value)} bytes is too large to be kept here; it is at {message.origin})"
    return DeadLetter(
        origin=message.origin,
        stream_id=event.stream_id if event else None,
        rendition_id=event.rendition.rendition_id if event else None,
        segment_number=event.segment.number if event else None,
        reason=error.reason,
        message=_plain(words)[:_MESSAGE_CHARACTERS],
        detail=_plain(error.detail or "".join(traceback.format_exception(error)))[-_DETAIL_CHARACTERS:],
        attempts=attempts,
        rejected_at=datetime.now(UTC),
        original_base64=base64.b64encode(message.value).decode() if with_original else None,
    )


def letter_publication(topic: str, message: Message, letter: DeadLetter) -> Publication:
    """Return the letter as it is published: under the key of the message, so that streams stay together."""
    headers = {
        "ce_specversion": "1.0",
        "ce_type": type(letter).__name__,
        "ce_id": letter.origin,
        "ce_source": str(message.partition),
        "ce_time": letter.rejected_at.isoformat(),
    }
    return Publication(
        topic,
        message.key,
        letter.model_dump_json().encode(),
        tuple((name, value.encode()) for name, value in headers.items()),
    )


class ShareCap:
    """Stops a process that rejects most of what it gets, before it has emptied the topic into the dead letters."""

    def __init__(self, settings: BusSettings) -> None:
        self._share = settings.dead_share
        self._least = min(settings.dead_least, settings.dead_window)
        self._last: deque[str | None] = deque(maxlen=settings.dead_window)
        self._dead: Counter[str] = Counter()

    def passed(self) -> None:
        self._note(None)

    def rejected(self, error: Rejected) -> None:
        """
        Raises:
            TooManyRejected: This one would be over the share; it is not to be published.
        """
        self._note(error.reason)
        dead = self._dead.total()
        if dead < self._least or dead <= self._share * len(self._last):
            return
        reason, times = self._dead.most_common(1)[0]
        raise TooManyRejected(
            f"{dead} of the last {len(self._last)} messages were rejected, {times} of them as {reason!r} (the last "
            f"one: {error}). It is more likely that this process or its settings are broken than that they all are, so "
            "it stops here; the rest of the topic stays where it is. Repair it, start it again, and bring the dead "
            "letters back with `rungwatch replay`; if they really are all bad, raise RUNGWATCH_BUS_DEAD_SHARE"
        )

    def _note(self, reason: str | None) -> None:
        if len(self._last) == self._last.maxlen and (oldest := self._last[0]) is not None:
            self._dead[oldest] -= 1
        self._last.append(reason)
        if reason is not None:
            self._dead[reason] += 1


def _event(value: bytes) -> SegmentReady | None:
    try:
        return SegmentReady.model_validate_json(value)
    except ValidationError:
        return None


def _plain(text: str) -> str:
    """Return text that JSON can carry: names of files may hold bytes that are no characters."""
    return text.encode("utf-8", "replace").decode()
