"""The errors of Rungwatch: one tree, three fates.

    RungwatchError
    ├── UsageError            the command was called wrongly: exit code 2, nothing was tried
    ├── TooManyRejected       most of the last messages were: the process stops, the rest of the topic stays
    ├── StandsStill           a partition gives nothing, also to a fresh consumer: the process stops
    ├── Transient             may pass: retried with backoff, the work stays open
    │   └── Unavailable       Kafka or Redis is away: waited for as long as it takes
    └── Rejected              will not pass: dead letter with `reason`, good input beside it goes on
        ├── NotFound          nothing is there
        ├── NotAllowed        scheme, host or path outside of what the settings allow
        ├── LimitExceeded     bytes, pixels, frames, seconds, memory or redirects over a setting
        ├── EmptyInput        zero bytes
        ├── NotMedia          no container or codec that is known
        ├── BadPlaylist       a playlist or manifest that cannot be read
        ├── NoVideo           media without pictures
        │   ├── AudioOnly
        │   └── SubtitleOnly
        ├── Encrypted         "encrypted: not scored"
        ├── HdrNotScored      "HDR: not scored"
        ├── Truncated         cut off before the first picture
        ├── Damaged           packets are there, no picture comes out
        ├── UnsupportedCodec  a video stream that no decoder here reads
        ├── DecoderFailed     the decoder crashed, hung or ran out of memory; it was replaced
        ├── BadEvent          a message that is not what its topic carries
        └── GaveUp            was transient until its time was over

Anything else is a bug and stops the process.
"""

from typing import ClassVar


class RungwatchError(Exception):
    """Base of all errors that a user can meet; the message says what, where, and what to do next."""


class UsageError(RungwatchError):
    """The command was called in a way that cannot work."""


class TooManyRejected(RungwatchError):
    """So much of what comes is rejected that the process itself must be broken."""


class StandsStill(RungwatchError):
    """Messages wait in a partition, and the bus hands none of them out."""


class Transient(RungwatchError):
    """May pass when tried again."""


class Unavailable(Transient):
    """A service that everything waits for is away."""


class Rejected(RungwatchError):
    """Will fail however often it is tried."""

    reason: ClassVar[str] = "rejected"

    def __init__(self, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail
        """The decoder's own last words or a stack, for the dead letter; None: there is no more to say."""


class NotFound(Rejected):
    reason = "not_found"


class NotAllowed(Rejected):
    reason = "not_allowed"


class LimitExceeded(Rejected):
    reason = "limit_exceeded"


class EmptyInput(Rejected):
    reason = "empty"


class NotMedia(Rejected):
    reason = "not_media"


class BadPlaylist(Rejected):
    reason = "bad_playlist"


class NoVideo(Rejected):
    reason = "no_video"


class AudioOnly(NoVideo):
    reason = "audio_only"


class SubtitleOnly(NoVideo):
    reason = "subtitle_only"


class Encrypted(Rejected):
    reason = "encrypted"


class HdrNotScored(Rejected):
    reason = "hdr"


class Truncated(Rejected):
    reason = "truncated"


class Damaged(Rejected):
    reason = "damaged"


class UnsupportedCodec(Rejected):
    reason = "unsupported_codec"


class DecoderFailed(Rejected):
    reason = "decoder_failed"


class BadEvent(Rejected):
    reason = "bad_event"


class GaveUp(Rejected):
    reason = "gave_up"


def _by_reason(root: type[Rejected]) -> dict[str, type[Rejected]]:
    found = {root.reason: root}
    for child in root.__subclasses__():
        found |= _by_reason(child)
    return found


REJECTIONS: dict[str, type[Rejected]] = _by_reason(Rejected)
"""Every rejection by its `reason`, to rebuild an error that crossed a process boundary."""
