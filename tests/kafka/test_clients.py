"""Producing: a full queue is waited for, the order is kept, and an outage is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import topics
from pipeline.errors import UnavailableError
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import produce, reader, send, writer
from pipeline.kafka.replay import replay
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from tests.harness.memory_producer import MemoryProducer
from tests.harness.processes.workers import settings_for


class SmallQueue:
    """A producer with room for two records; serving deliveries empties it."""

    def __init__(self) -> None:
        self.queued: list[tuple[Any, ...]] = []
        self.delivered: list[tuple[Any, ...]] = []

    def produce(self, *record: Any, on_delivery: Any) -> None:
        if len(self.queued) == 2:
            raise BufferError
        self.queued.append((*record, on_delivery))

    def poll(self, seconds: float) -> int:
        self.delivered += self.queued
        self.queued = []
        return 0


def test_a_full_queue_is_waited_for_and_no_record_is_lost_or_overtaken() -> None:
    producer: Any = SmallQueue()
    records = [("topic", f"key-{n}", b"value", n) for n in range(7)]
    for record in records:
        produce(producer, *record)
    sent = producer.delivered + producer.queued
    assert sent == [(topic, value, key, partition, None) for topic, key, value, partition in records]


def test_without_a_partition_the_key_names_it() -> None:
    producer: Any = SmallQueue()
    produce(producer, "topic", None, None, on_delivery=print)
    assert producer.queued == [("topic", None, None, -1, print)]


# What tests of roles take from MemoryProducer holds for the real producer


class OnABroker:
    """The real producer on a broker, and what a consumer finds there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.producer: Any = writer(settings)

    @property
    def sent(self) -> list[tuple[str, str, bytes]]:
        found: list[Any] = []

        def take(message: Any) -> None:
            found.append((message.topic(), message.key().decode(), message.value()))

        consumer = reader(self._settings, "contract")
        try:
            replay(consumer, [(topics.ALERTS.name, 0)], take)
        finally:
            consumer.close()
        return found


@pytest.fixture(params=["memory", pytest.param("embedded", marks=pytest.mark.broker)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Something with `producer` and `sent`: in memory, then on a broker."""
    if request.param == "memory":
        producer = MemoryProducer()
        return SimpleNamespace(producer=producer, sent=producer.sent)
    embedded: EmbeddedBroker = request.getfixturevalue("fresh_embedded")
    settings = settings_for(embedded.bootstrap, tmp_path, partitions=1)
    ensure_topics(embedded.bootstrap, settings)
    return OnABroker(settings)


def test_what_send_has_returned_from_is_there_in_order(either: Any) -> None:
    first = [(topics.ALERTS.name, f"key-{n}", f"value-{n}".encode()) for n in range(100)]
    second = [(topics.ALERTS.name, "key-0", b"again")]
    send(either.producer, first)
    send(either.producer, second)
    assert either.sent == first + second


@pytest.mark.parametrize("kind", ["memory", "real"])
@pytest.mark.long
def test_records_that_no_broker_acknowledged_are_an_outage(kind: str, tmp_path: Path) -> None:
    if kind == "memory":
        producer: Any = MemoryProducer()
        producer.down = True
    else:
        away = settings_for("127.0.0.1:9", tmp_path)
        producer = writer(away, None, **{"message.timeout.ms": 200})
    with pytest.raises(UnavailableError, match=r"^2 records not acknowledged: "):
        send(producer, [("topic", "a", b"1"), ("topic", "b", b"2")])
