"""The heads of the audit trail on their topic: as the relay writes them, and read again to compare."""

from __future__ import annotations

import msgspec
from confluent_kafka import Message as KafkaMessage

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.events import AuditHead, decoder, encode
from pipeline.settings import Settings
from pipeline.store.outbox import Message
from pipeline.stream.address import bootstrap
from pipeline.stream.admin import cluster_id
from pipeline.stream.clients import reader
from pipeline.stream.replay import replay

_decode = decoder(AuditHead)


def message(head: AuditHead) -> Message:
    """A head as a record of its topic."""
    return Message(topics.AUDIT_HEADS.name, f"{head.row}/{head.mac}", encode(head), 0)


def published(settings: Settings) -> list[AuditHead]:
    """Every head on the topic, oldest first. Raises AntispamError when no broker gives them, or one is unreadable."""
    heads: list[AuditHead] = []

    def take(record: KafkaMessage) -> None:
        try:
            heads.append(_decode(record.value() or b""))
        except msgspec.DecodeError:
            raise AntispamError(f"{topics.AUDIT_HEADS.name}: offset {record.offset()} is not a head") from None

    cluster_id(bootstrap(settings), settings=settings)  # says within 10 s when no broker answers
    consumer = reader(settings, "audit-verify")
    try:
        replay(consumer, [(topics.AUDIT_HEADS.name, 0)], take)
    finally:
        consumer.close()
    return heads
