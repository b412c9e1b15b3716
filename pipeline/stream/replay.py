"""Reading partitions from their beginning to their end, where "the end" can be believed.

Two brokers, two traps. On Apache Kafka a dead writer's open transaction hides what follows it: the
end is reached only when the end-of-partition event lies at or beyond the high watermark seen at the
start. On the embedded broker that watermark may be too low: one more poll must come back empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.errors import AntispamError
from pipeline.stream.clients import TIMEOUT

QUIET = 0.2  # seconds of silence after the end before it is believed


def replay(
    consumer: Consumer,
    partitions: Sequence[tuple[str, int]],
    take: Callable[[Message], None],
    deadline: float = 600.0,
    start: int = OFFSET_BEGINNING,
) -> None:
    """Give every record of the partitions to `take`, in order per partition, and return at their end.

    The consumer stays assigned, positioned behind the last record. `deadline` is in seconds; `start` is
    the offset to begin at in each partition.
    Raises AntispamError when the end is not reached in time, KafkaException on a broker's error.
    """
    consumer.assign([TopicPartition(topic, p, start) for topic, p in partitions])
    ends = {
        (topic, p): consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=TIMEOUT)[1]
        for topic, p in partitions
    }
    reached: set[tuple[str, int]] = set()
    give_up = monotonic() + deadline
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
