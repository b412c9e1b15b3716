"""Reading partitions from their beginning to their end, where "the end" can be believed.

Two brokers, two traps. On Apache Kafka a dead writer's open transaction hides what follows it: the
end is reached only when the end-of-partition event lies at or beyond the high watermark seen at the
start. On the embedded broker that watermark may be too low: one more poll must come back empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.errors import AntispamError
from pipeline.stream.clients import TIMEOUT

_NO_LEADER_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
QUIET = 0.2  # seconds of silence after the end before it is believed


def replay(
    consumer: Consumer,
    partitions: Sequence[tuple[str, int]],
    take: Callable[[Message], None],
    deadline: float = 600.0,
    begin: Mapping[tuple[str, int], int] | None = None,
) -> None:
    """Give every record of the partitions to `take`, in order per partition, and return at their end.

    `begin` holds offsets to begin with, other partitions are read from their beginning. The consumer
    stays assigned, positioned behind the last record. `deadline` is in seconds.
    Raises AntispamError when the end is not reached in time, KafkaException on a broker's error.
    """
    give_up = monotonic() + deadline
    ends = {(topic, p): _end(consumer, topic, p, give_up) for topic, p in partitions}
    # Only now: librdkafka waits 500 ms before it asks again for an offset of a partition whose leader it did not know.
    starts = begin or {}
    consumer.assign([TopicPartition(topic, p, starts.get((topic, p), OFFSET_BEGINNING)) for topic, p in partitions])
    reached: set[tuple[str, int]] = set()
    while True:
        quiet = True
        for message in consumer.consume(10_000, QUIET):
            error = message.error()
            where = (message.topic() or "", message.partition() or 0)
            if error is None:
                quiet = False
                reached.discard(where)
                take(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                if (message.offset() or 0) >= ends[where]:
                    reached.add(where)
            elif not error.retriable():
                raise KafkaException(error)
        if quiet and len(reached) == len(ends):
            return
        if monotonic() > give_up:
            raise AntispamError(f"{len(ends) - len(reached)} partitions not read to their end in {deadline:.0f} s")


def _end(consumer: Consumer, topic: str, partition: int, give_up: float) -> int:
    """The high watermark; a partition made a moment ago may not have its leader yet."""
    while True:
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT)[1])
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or monotonic() > give_up:
                raise
            sleep(0.05)
