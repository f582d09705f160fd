"""From the errors of kafka-python to ours: what passes by itself, and what somebody must put right."""

import kafka.errors as theirs

from pipeline.errors import RungwatchError, Unavailable, UsageError
from pipeline.settings import KafkaSettings

_MOST_WORDS = 300
"""Some errors quote a whole response of the broker."""


def unknown_topic(settings: KafkaSettings, topic: str) -> UsageError:
    return UsageError(
        f"Kafka at {settings.bootstrap} has no topic {topic!r} (or it may not be seen): make it with "
        "`rungwatch topics create`."
    )


def in_our_words(error: Exception, settings: KafkaSettings, doing: str) -> RungwatchError:
    """Return what an error of the client means, and what to do about it.

    Args:
        error: A KafkaError.
        settings: Those that the client was made with.
        doing: What was tried, to go after "Kafka at host:port: ", for example ``reading as group g``.
    """
    at = f"Kafka at {settings.bootstrap}"
    who = f"user {settings.username!r}" if settings.security.startswith("SASL") else "this client"
    match error:
        case theirs.UnsupportedSaslMechanismError():
            return UsageError(f"{at} does not offer {settings.sasl}: set RUNGWATCH_KAFKA_SASL to what it offers.")
        case theirs.SaslAuthenticationFailedError() | theirs.IllegalSaslStateError():
            return UsageError(
                f"{at} refuses {who} with {settings.sasl}: check RUNGWATCH_KAFKA_USERNAME, RUNGWATCH_KAFKA_PASSWORD "
                "and RUNGWATCH_KAFKA_SASL."
            )
        case theirs.AuthorizationError():
            return UsageError(
                f"{at} does not allow {who} {doing} ({type(error).__name__}): have it allowed (kafka-acls)."
            )
        case theirs.FencedInstanceIdError():
            return UsageError(
                f"{at}: another process took over as RUNGWATCH_KAFKA_INSTANCE_ID={settings.instance_id}: give each "
                "process an id of its own."
            )
        case theirs.InvalidSessionTimeoutError():
            return UsageError(
                f"{at} does not allow RUNGWATCH_KAFKA_SESSION_SECONDS={settings.session_seconds:g}: stay within its "
                "group.min.session.timeout.ms and group.max.session.timeout.ms."
            )
        case theirs.InconsistentGroupProtocolError():
            return UsageError(
                f"{at}: {doing} fails, the group has members that share partitions another way: stop them, or set "
                "another RUNGWATCH_KAFKA_PREFIX."
            )
        case theirs.GroupMaxSizeReachedError():
            return UsageError(f"{at}: {doing} fails, the group is full (group.max.size): start fewer workers.")
        case theirs.UnsupportedCodecError():
            return UsageError(
                f"{at}: {doing} fails, a message is compressed in a way that is not known here ({error}): install "
                "kafka-python with its extra for it (zstd, lz4, snappy), or let the producer use gzip."
            )
        case theirs.KafkaConfigurationError() | theirs.UnsupportedVersionError():
            return UsageError(f"{at}: {doing} cannot work: {error}")
    words = str(error)[:_MOST_WORDS] or "no more is known"
    return Unavailable(f"{at}: {doing} fails for now ({type(error).__name__}: {words})")
