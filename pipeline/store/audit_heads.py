"""The heads of the audit trail on their topic: how the relay encodes them, and how they are read for comparison."""

from __future__ import annotations

import msgspec
from confluent_kafka import Message as KafkaMessage

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.events import AuditHead, decoder, encode
from pipeline.kafka.address import bootstrap
from pipeline.kafka.admin import cluster_id
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.settings import Settings
from pipeline.store.outbox import Message

_decode = decoder(AuditHead)


class ForeignHeadError(AntispamError):
    """A record on the topic that the relay did not write. Compaction lets it replace the head of the same key."""


def message(head: AuditHead) -> Message:
    """The Kafka record of a head."""
    return Message(topics.AUDIT_HEADS.name, _key(head), encode(head), 0)


def published(settings: Settings) -> list[AuditHead]:
    """Every head on the topic, oldest first.

    Raises ForeignHeadError for a record that is not a head or has another head's key, and AntispamError if no broker
    answers.
    """
    heads: list[AuditHead] = []

    def take(record: KafkaMessage) -> None:
        try:
            head = _decode(record.value() or b"")
        except msgspec.DecodeError:
            head = None
        if head is None or record.key() != _key(head).encode():
            raise ForeignHeadError(
                f"{topics.AUDIT_HEADS.name}: the record at offset {record.offset()} is none that the relay published: "
                "somebody else writes there, and heads may be missing; the relay's log has them (audit_head)"
            )
        heads.append(head)

    cluster_id(bootstrap(settings), settings=settings)  # fails within 10 s if no broker answers
    consumer = reader(settings, "audit-verify")
    try:
        replay(consumer, [(topics.AUDIT_HEADS.name, 0)], take)
    finally:
        consumer.close()
    return heads


def _key(head: AuditHead) -> str:
    return f"{head.row}/{head.mac}"
