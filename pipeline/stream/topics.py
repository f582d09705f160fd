"""The topics and groups of one installation: their names, and how the topics are to be made."""

from dataclasses import dataclass, field

KIB = 1024
MIB = 1024 * KIB
DAY_SECONDS = 86_400

MOST_MESSAGE_BYTES = 2 * MIB
"""Of the biggest topic: its messages hold a whole one of another topic as base64 (4/3), and up to 64 KiB of stack."""


@dataclass(frozen=True)
class Topics:
    """Names, each with the prefix of the installation."""

    prefix: str
    segments: str = field(init=False)
    """`SegmentReady`, by stream: what is to be scored."""
    scores: str = field(init=False)
    """`SegmentScored`, by stream."""
    skipped: str = field(init=False)
    """`SegmentSkipped`, by stream: live work that came too late."""
    dead_letters: str = field(init=False)
    """`DeadLetter`: what could not be dealt with, with the original."""
    findings: str = field(init=False)
    """What was seen besides the scores, by stream."""
    alerts: str = field(init=False)
    """`Incident`, by incident: the last word on each is kept."""

    def __post_init__(self) -> None:
        for name in ("segments", "scores", "skipped", "dead_letters", "findings", "alerts"):
            object.__setattr__(self, name, self.prefix + name.replace("_", "-"))

    def group(self, name: str) -> str:
        """Return the full name of a consumer group."""
        return self.prefix + name


@dataclass(frozen=True)
class TopicPlan:
    """One topic as it should be."""

    name: str
    partitions: int
    retention_seconds: int
    cleanup: str = "delete"
    """``delete``: old messages go; ``compact,delete``: before that, of each key the newest message is kept."""
    message_bytes: int = MIB
    """Of the biggest message (a batch, as Kafka counts)."""
    holds: str = ""
    """What is in it, for people."""


def plans(prefix: str, partitions: int) -> tuple[TopicPlan, ...]:
    """Return how the topics are to be made.

    Args:
        prefix: Before every name.
        partitions: Of the topics that workers share; at most so many workers of one group are at work at once.
    """
    topics = Topics(prefix)
    few = min(partitions, 4)
    return (
        TopicPlan(topics.segments, partitions, 3 * DAY_SECONDS, holds="segments to be scored"),
        # Longer than raw points live, so that the series can be made again from them.
        TopicPlan(topics.scores, partitions, 14 * DAY_SECONDS, holds="scores of segments"),
        TopicPlan(topics.skipped, few, 7 * DAY_SECONDS, holds="live segments that came too late"),
        TopicPlan(
            topics.dead_letters,
            few,
            30 * DAY_SECONDS,
            message_bytes=MOST_MESSAGE_BYTES,
            holds="what could not be scored, and why",
        ),
        TopicPlan(topics.findings, few, 30 * DAY_SECONDS, holds="what was seen besides the scores"),
        TopicPlan(topics.alerts, few, 90 * DAY_SECONDS, "compact,delete", holds="incidents, the last word on each"),
    )
