"""The bus on Apache Kafka. The modules of this package are the only ones that import kafka-python."""

from pipeline.stream.kafka.admin import TopicState, check, create, describe, message_counts
from pipeline.stream.kafka.consumer import KafkaBusConsumer
from pipeline.stream.kafka.producer import KafkaBusProducer
from pipeline.stream.kafka.span import read_range

__all__ = [
    "KafkaBusConsumer",
    "KafkaBusProducer",
    "TopicState",
    "check",
    "create",
    "describe",
    "message_counts",
    "read_range",
]
