"""The results of one poll, to be written in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from pipeline import metrics, topics
from pipeline.errors import AntispamError
from pipeline.events import Event, encode
from pipeline.kafka.clients import MAX_RECORD
from pipeline.kafka.dead_letters import letter
from pipeline.kafka.polled import Polled
from pipeline.stream.batch_metrics import BatchMetrics

Output = tuple[str, bytes, bytes, int]  # topic, key, value, partition; -1: that of the key
_log = structlog.get_logger()


@dataclass(slots=True)
class Batch:
    """The records to write, and facts about the poll that are needed after the commit."""

    now: int  # ms, by our clock
    outputs: list[Output] = field(default_factory=list)
    failures: list[tuple[Polled, str]] = field(default_factory=list)  # with the cause; each becomes a dead letter
    partitions: set[int] = field(default_factory=set)  # partitions whose state has changed
    oldest: int = 0  # ms, our clock: when the oldest counted event was taken in
    bulk_size: float | None = None  # average number of recipients of a bulk submission; None without bulk submissions
    fresh: int = 0  # records that had not been dead letters before
    failed: int = 0  # number of fresh records that become dead letters
    metrics: BatchMetrics = field(default_factory=BatchMetrics)


def output(topic: str, key: str, record: Event, partition: int) -> Output:
    """A record encoded for its topic.

    Raises AntispamError if it is too large for the broker: a retry would fail for ever.
    """
    name, value = key.encode(), encode(record)
    if len(name) + len(value) > MAX_RECORD:
        kind = type(record).__name__
        raise AntispamError(f"its {kind} has {len(name) + len(value)} bytes, at most {MAX_RECORD} fit {topic}")
    return topic, name, value, partition


def dead_letter(message: Polled, cause: str, now: int) -> Output:
    """The letter of a record that failed at `now` (ms)."""
    topic, partition, offset = message.topic, message.partition, message.offset
    metrics.DEAD_LETTERS.labels(topic).inc()
    _log.error("dead_letter", topic=topic, partition=partition, offset=offset, cause=cause)
    name, value = letter(topic, partition, offset, cause, message.key, message.value, now, message.attempts + 1)
    return topics.DEAD_LETTERS.name, name, value, partition
