"""A consumer that rests in a silence misses nothing, and does not rest while messages come."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import psutil
from confluent_kafka import OFFSET_BEGINNING, Message, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from pipeline import topics
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader, resting_reader, send, writer
from pipeline.kafka.resting import AWAKE, BRIEFLY, RestingConsumer, rest_after
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings

PARTITIONS = 4
DEADLINE = 60


@given(st.floats(0, 1e6))
def test_a_rest_is_none_at_first_and_bounded_at_last(silence: float) -> None:
    rest = rest_after(silence, BRIEFLY)
    assert (rest == 0) == (silence < AWAKE)
    assert rest <= BRIEFLY


def consumer_of(broker: str) -> tuple[Settings, RestingConsumer]:
    settings = Settings(kafka=broker, partitions=PARTITIONS)
    ensure_topics(broker, settings)
    consumer = resting_reader(settings, "rests", BRIEFLY)
    consumer.assign([TopicPartition(topics.RECORDS.name, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    return settings, consumer


def until(condition: Callable[[], bool], consumer: RestingConsumer, taken: list[Message]) -> None:
    end = monotonic() + DEADLINE
    while not condition():
        taken += [m for m in consumer.consume(100, 0.1) if m.error() is None]
        assert monotonic() < end


def test_what_comes_while_it_rests_is_read_once_and_in_order(fresh_embedded: EmbeddedBroker) -> None:
    settings, consumer = consumer_of(fresh_embedded.bootstrap)
    producer = writer(settings)
    taken: list[Message] = []
    for n in range(3):
        until(lambda: consumer.rest_left > 0, consumer, taken)
        send(producer, [(topics.RECORDS.name, str(p), f"{n}".encode()) for p in range(20)])
        until(lambda n=n: len(taken) == 20 * (n + 1), consumer, taken)  # type: ignore[misc]
        assert consumer.rest_left == 0
    for p in range(PARTITIONS):
        offsets = [m.offset() for m in taken if m.partition() == p]
        assert offsets == list(range(len(offsets)))
    consumer.close()


def test_a_seek_while_it_rests_is_where_it_reads_on(fresh_embedded: EmbeddedBroker) -> None:
    settings, consumer = consumer_of(fresh_embedded.bootstrap)
    send(writer(settings), [(topics.RECORDS.name, "k", b"v")] * 5, 0)
    taken: list[Message] = []
    until(lambda: consumer.rest_left > 0, consumer, taken)
    consumer.seek(TopicPartition(topics.RECORDS.name, 0, 0))
    until(lambda: len(taken) == 10, consumer, taken)
    consumer.close()


def test_who_has_paused_it_is_not_resumed_by_it(fresh_embedded: EmbeddedBroker) -> None:
    settings, consumer = consumer_of(fresh_embedded.bootstrap)
    taken: list[Message] = []
    until(lambda: consumer.rest_left > 0, consumer, taken)
    consumer.stir()
    consumer.pause(consumer.assignment())
    send(writer(settings), [(topics.RECORDS.name, "k", b"v")])
    end = monotonic() + AWAKE + 2
    while monotonic() < end:
        assert [m for m in consumer.consume(100, 0.1) if m.error() is None] == []
    consumer.resume(consumer.assignment())
    until(lambda: len(taken) == 1, consumer, taken)
    consumer.close()


def test_a_pause_while_it_rests_outlasts_the_rest(fresh_embedded: EmbeddedBroker) -> None:
    settings, consumer = consumer_of(fresh_embedded.bootstrap)
    until(lambda: consumer.rest_left > 0, consumer, [])
    consumer.pause(consumer.assignment())
    assert consumer.rest_left == 0
    send(writer(settings), [(topics.RECORDS.name, "k", b"v")])
    end = monotonic() + 2 * BRIEFLY
    while monotonic() < end:
        assert [m for m in consumer.consume(100, 0.1) if m.error() is None] == []
    consumer.close()


def test_partitions_that_go_and_come_while_it_rests_are_read_again(fresh_embedded: EmbeddedBroker) -> None:
    """librdkafka keeps a partition paused over its assignments, until it is resumed."""
    settings, consumer = consumer_of(fresh_embedded.bootstrap)
    taken: list[Message] = []
    until(lambda: consumer.rest_left > 0, consumer, taken)
    consumer.unassign()
    until(lambda: consumer.rest_left == 0, consumer, taken)
    consumer.stir()
    consumer.assign([TopicPartition(topics.RECORDS.name, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    send(writer(settings), [(topics.RECORDS.name, "k", b"v")])
    until(lambda: len(taken) == 1, consumer, taken)
    consumer.close()


def test_a_silence_costs_the_broker_a_fraction(fresh_embedded: EmbeddedBroker) -> None:
    """CPU of the broker, beside a consumer that never rests, in the same run."""
    settings, consumer = consumer_of(fresh_embedded.bootstrap)
    process = psutil.Process(fresh_embedded.pid)

    def spent() -> float:
        times = process.cpu_times()
        return times.user + times.system

    until(lambda: consumer.rest_left >= BRIEFLY - 0.05, consumer, [])
    begun, before = monotonic(), spent()
    while monotonic() - begun < 5:
        consumer.consume(100, 0.1)
    resting = spent() - before
    consumer.close()
    restless = reader(settings, "restless")
    restless.assign([TopicPartition(topics.RECORDS.name, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    restless.consume(100, 1)
    begun, before = monotonic(), spent()
    while monotonic() - begun < 5:
        restless.consume(100, 0.1)
    assert resting < (spent() - before) / 2
    restless.close()
