"""What one poll causes, to be written in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.errors import AntispamError
from pipeline.events import Event, encode
from pipeline.kafka.clients import MAX_RECORD
from pipeline.kafka.polled import Polled
from pipeline.stream.batch_metrics import BatchMetrics

Output = tuple[str, bytes, bytes, int]  # topic, key, value, partition


@dataclass(slots=True)
class Batch:
    """The records to write, and what is known of the poll once they are written."""

    now: int  # ms, by our clock
    outputs: list[Output] = field(default_factory=list)
    failures: list[tuple[Polled, str]] = field(default_factory=list)  # with their cause: they become dead letters
    partitions: set[int] = field(default_factory=set)  # those whose state has moved
    oldest: int = 0  # ms: when the oldest event counted was taken in, by our clock
    bulk_size: float | None = None  # recipients of a bulk submission on average; None when there was none
    fresh: int = 0  # records that were no dead letters before
    failed: int = 0  # of them, those that become dead letters
    metrics: BatchMetrics = field(default_factory=BatchMetrics)


def output(topic: str, key: str, record: Event, partition: int) -> Output:
    """The record as it is written.

    Raises AntispamError for one that no broker would take: tried again it would fail for ever.
    """
    name, value = key.encode(), encode(record)
    if len(name) + len(value) > MAX_RECORD:
        kind = type(record).__name__
        raise AntispamError(f"its {kind} has {len(name) + len(value)} bytes, at most {MAX_RECORD} fit {topic}")
    return topic, name, value, partition
