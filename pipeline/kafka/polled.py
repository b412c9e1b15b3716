"""Polled records with their partition and offset, and the offsets to read on from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from confluent_kafka import KafkaException, Message, TopicPartition

from pipeline.errors import AntispamError
from pipeline.kafka.security import ends
from pipeline.topics import Topic

Partition = tuple[str, int]  # topic, number


class Polled(msgspec.Struct, frozen=True, gc=False):
    """One polled record; `lane` is the index of its topic in the stream's lanes."""

    lane: int
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    attempts: int


def records(messages: list[Message], lanes: Sequence[Topic]) -> list[Polled]:
    """The records of a poll, without its events. Raises KafkaException for an error that does not pass by itself."""
    lane_numbers = {topic.name: i for i, topic in enumerate(lanes)}
    polled = []
    for message in messages:
        if is_record(message):
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if topic is None or partition is None or offset is None:
                raise AntispamError("the broker gave a record without its topic, partition or offset")
            key, value = message.key(), message.value()
            polled.append(Polled(lane_numbers[topic], topic, partition, offset, key, value, _attempts(message)))
    return polled


def is_record(message: Message) -> bool:
    """True for a record, False for the end of a partition. Raises KafkaException for an error that does not pass."""
    error = message.error()
    if error is not None and ends(error):
        raise KafkaException(error)
    return error is None


def next_offsets(messages: list[Polled]) -> list[TopicPartition]:
    """The next offset of each partition, behind its last record."""
    last = {(m.topic, m.partition): m.offset for m in messages}
    return [TopicPartition(topic, partition, offset + 1) for (topic, partition), offset in last.items()]


def _attempts(message: Message) -> int:
    """How often this record was a dead letter before. The header is ours, but any client can write it."""
    headers = message.headers()
    if not headers:
        return 0
    for name, value in headers.items() if isinstance(headers, dict) else headers:
        if name == "attempts" and isinstance(value, bytes) and value.isdigit() and len(value) < 6:
            return int(value)
    return 0
