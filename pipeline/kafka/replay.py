"""Reading partitions from their beginning to their end, where "the end" can be believed.

Two brokers, two traps. On Apache Kafka a dead writer's open transaction hides what follows it: the
end is reached only when the end-of-partition event lies at or beyond the high watermark seen at the
start. On the embedded broker that watermark may be too low: one more poll must come back empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.errors import UnavailableError
from pipeline.kafka.clients import TIMEOUT, broker_error, is_away

_NO_LEADER_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
QUIET = 0.2  # seconds of silence after the end before it is believed


def replay(
    consumer: Consumer,
    partitions: Sequence[tuple[str, int]],
    take: Callable[[Message], object],
    patience: float = 120.0,
    begin: Mapping[tuple[str, int], int] | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """Give every record of the partitions to `take`, in order per partition, and return at their end.

    `begin` holds offsets to begin with, other partitions are read from their beginning. The consumer
    stays assigned, positioned behind the last record. `progress` is told the partitions read and their number.
    Raises UnavailableError after `patience` seconds in which nothing came and no partition ended, and for a broker
    that is away; AntispamError when it refuses.
    """
    ends = {(topic, p): _end(consumer, topic, p, monotonic() + patience) for topic, p in partitions}
    # Assigned only now: librdkafka waits 500 ms before it repeats an offset request to a partition with unknown leader.
    starts = begin or {}
    consumer.assign([TopicPartition(topic, p, starts.get((topic, p), OFFSET_BEGINNING)) for topic, p in partitions])
    reached: set[tuple[str, int]] = set()
    moved_at = monotonic()
    while True:
        progress(len(reached), len(ends))
        quiet = True
        for message in consumer.consume(10_000, QUIET):
            error = message.error()
            where = (message.topic() or "", message.partition() or 0)
            if error is None:
                quiet = False
                moved_at = monotonic()
                reached.discard(where)
                take(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                if (message.offset() or 0) >= ends[where] and where not in reached:
                    moved_at = monotonic()
                    reached.add(where)
            elif not is_away(error):
                raise broker_error(error, where[0])
        if quiet and len(reached) == len(ends):
            return
        if monotonic() - moved_at > patience:
            left = sorted({topic for topic, _ in ends.keys() - reached}) or ["the broker"]
            raise UnavailableError(f"{', '.join(left)}: nothing came for {patience:.0f} s, and the end is not reached")


def _end(consumer: Consumer, topic: str, partition: int, give_up: float) -> int:
    """The high watermark. Waits for the leader of a partition that was created a moment ago."""
    while True:
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)[1])
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or monotonic() > give_up:
                raise broker_error(_reason(consumer, topic, error.args[0]), topic) from None
            sleep(0.05)


def _reason(consumer: Consumer, topic: str, error: KafkaError) -> KafkaError:
    """The broker's error for a topic that librdkafka calls unknown; we may lack the right to see it."""
    if error.code() != KafkaError._UNKNOWN_PARTITION:
        return error
    try:
        return consumer.list_topics(topic, timeout=TIMEOUT).topics[topic].error or error
    except KafkaException as instead:
        away: KafkaError = instead.args[0]
        return away
