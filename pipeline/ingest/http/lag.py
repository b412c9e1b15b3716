"""How far the processor is behind what the broker has acknowledged, per lane.

The end of a partition is the higher of what this process had acknowledged and the broker's watermark
(other processes write too; the embedded broker's watermark may be too low). The position is the offset
the processor's group has committed with its decisions. A few requests a second, none per submission.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from math import ceil
from time import monotonic

from confluent_kafka import OFFSET_INVALID, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from pipeline import metrics, topics
from pipeline.events import Priority
from pipeline.ingest.http.backend import Lag
from pipeline.kafka.clients import administrator, reader
from pipeline.kafka.polled import Partition
from pipeline.kafka.streams import SUBMISSIONS
from pipeline.settings import Settings

REQUEST_SECONDS = 5.0
LONGEST = 60  # seconds a client is told to wait at most
LANES = {topics.SUBMISSIONS_EXPRESS.name: Priority.EXPRESS, topics.SUBMISSIONS_BULK.name: Priority.BULK}


class LagMeter:
    """Lag per lane; `acknowledged` may be called from any thread, `read` from one."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.api_lag_limit
        # Offsets are asked for, never a membership; an open transaction of the processor is not waited for.
        self._consumer = reader(settings, SUBMISSIONS.name, **{"isolation.level": "read_uncommitted"})
        self._admin = administrator(settings)
        self._partitions = [(topic, partition) for topic in LANES for partition in range(settings.partitions)]
        self._lock = threading.Lock()
        self._ends: dict[Partition, int] = {}
        self._before: tuple[float, dict[Priority, int]] | None = None
        self.read_at = 0.0  # monotonic seconds
        self._lags = dict.fromkeys(Priority, Lag())

    def lag(self, priority: Priority) -> Lag:
        """As it was read last."""
        return self._lags[priority]

    def acknowledged(self, topic: str, partition: int, offset: int) -> None:
        """The broker has the record at `offset`."""
        with self._lock:
            source = (topic, partition)
            self._ends[source] = max(self._ends.get(source, 0), offset + 1)

    def read(self) -> None:
        """Ask the broker. Raises KafkaException when it does not answer."""
        committed = self._consumer.committed([TopicPartition(*source) for source in self._partitions], REQUEST_SECONDS)
        positions = {(tp.topic, tp.partition): tp.offset for tp in committed if tp.error is None}
        lows = self._offsets(OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        highs = self._offsets(OffsetSpec.latest())  # type: ignore[no-untyped-call]
        with self._lock:
            for source, high in highs.items():
                self._ends[source] = max(self._ends.get(source, 0), high)
            ends = dict(self._ends)
        for source in self._partitions:
            if positions.get(source, OFFSET_INVALID) == OFFSET_INVALID:
                positions[source] = lows[source]
        now = monotonic()
        self._lags, done = lags(ends, positions, self._before, now, self._limit)
        self._before = (now, done)
        self.read_at = now
        for priority, lag in self._lags.items():
            metrics.LAG.labels(priority.value).set(lag.behind)

    def _offsets(self, which: OffsetSpec) -> dict[Partition, int]:
        asked = self._admin.list_offsets(
            {TopicPartition(*source): which for source in self._partitions}, request_timeout=REQUEST_SECONDS
        )
        return {(tp.topic, tp.partition): max(0, answer.result().offset) for tp, answer in asked.items()}

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()


def lags(
    ends: Mapping[Partition, int],
    positions: Mapping[Partition, int],
    before: tuple[float, dict[Priority, int]] | None,
    now: float,
    limit: int,
) -> tuple[dict[Priority, Lag], dict[Priority, int]]:
    """Lag per lane, and the sum of positions per lane, which `before` gives of the last time (seconds, sums).

    The seconds of a lag are those until it is under `limit` at the speed seen since then, 1 to LONGEST.
    """
    behind = dict.fromkeys(Priority, 0)
    done = dict.fromkeys(Priority, 0)
    for (topic, partition), position in positions.items():
        priority = LANES[topic]
        behind[priority] += max(0, ends.get((topic, partition), 0) - position)
        done[priority] += position
    found = {}
    for priority in Priority:
        speed = 0.0
        if before is not None and now > before[0]:
            speed = (done[priority] - before[1][priority]) / (now - before[0])
        excess = behind[priority] - limit
        seconds = 1 if excess <= 0 else LONGEST if speed <= 0 else min(LONGEST, max(1, ceil(excess / speed)))
        found[priority] = Lag(behind[priority], seconds)
    return found, done
