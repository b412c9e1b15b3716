"""Producing: a full queue is waited for, and the order is kept."""

from __future__ import annotations

from typing import Any

from pipeline.kafka.clients import produce


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
