"""How many acknowledged submissions the processor has not yet decided, per lane; and parts not yet joined.

The end of a partition is the higher of two offsets: the last one acknowledged to this process, and the broker's
watermark. Other processes write too, and the embedded broker's watermark may be too low. The position is the offset
that the processor's group has committed with its decisions. A reading costs a few requests a second, whatever the load.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from math import ceil
from time import monotonic
from types import MappingProxyType

from confluent_kafka import OFFSET_INVALID, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from pipeline import metrics, topics
from pipeline.events import Priority
from pipeline.ingest.broker import Lag
from pipeline.kafka.clients import administrator, reader
from pipeline.kafka.polled import Partition
from pipeline.kafka.streams import SUBMISSIONS
from pipeline.settings import Settings

REQUEST_SECONDS = 5.0
LONGEST = 60  # the longest wait, in seconds, that a client is told
# The lanes of a reader: what they are called in the metric, by topic.
LANES: Mapping[str, str] = MappingProxyType(
    {topics.SUBMISSIONS_EXPRESS.name: Priority.EXPRESS, topics.SUBMISSIONS_BULK.name: Priority.BULK}
)
PARTS_LANE = "parts"
OF_PARTS: Mapping[str, str] = MappingProxyType({topics.PARTS.name: PARTS_LANE})


class LagMeter:
    """Lag per lane. Any thread may call `acknowledged`; only one thread may call `read`."""

    def __init__(self, settings: Settings, group: str = SUBMISSIONS.name, lanes: Mapping[str, str] = LANES) -> None:
        """`group` reads the topics of `lanes`."""
        self._lanes = lanes
        self._limit = settings.api_lag_limit
        # Only offsets are read: this consumer never joins the group, and does not wait for the processor's transaction.
        self._consumer = reader(settings, group, **{"isolation.level": "read_uncommitted"})
        self._admin = administrator(settings)
        self._partitions = [(topic, partition) for topic in lanes for partition in range(settings.partitions)]
        self._lock = threading.Lock()
        self._ends: dict[Partition, int] = {}
        self._before: tuple[float, dict[str, int]] | None = None
        self.read_at = 0.0  # monotonic seconds
        self._lags = dict.fromkeys(lanes.values(), Lag())

    def lag(self, lane: str) -> Lag:
        """The lag of this lane as of the last reading."""
        return self._lags[lane]

    def acknowledged(self, topic: str, partition: int, offset: int) -> None:
        """Note that the broker has stored the record at `offset`."""
        with self._lock:
            source = (topic, partition)
            self._ends[source] = max(self._ends.get(source, 0), offset + 1)

    def read(self) -> None:
        """Read the offsets from the broker. Raises KafkaException when it does not answer."""
        committed = self._consumer.committed([TopicPartition(*source) for source in self._partitions], REQUEST_SECONDS)
        positions = {(tp.topic, tp.partition): tp.offset for tp in committed if tp.error is None}
        new = [source for source in self._partitions if positions.get(source, OFFSET_INVALID) == OFFSET_INVALID]
        if new:  # nothing committed yet
            positions |= self._offsets(new, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        highs = self._offsets(self._partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        with self._lock:
            for source, high in highs.items():
                self._ends[source] = max(self._ends.get(source, 0), high)
            ends = dict(self._ends)
        now = monotonic()
        self._lags, done = lags(ends, positions, self._before, now, self._limit, self._lanes)
        self._before = (now, done)
        self.read_at = now
        for lane, lag in self._lags.items():
            metrics.LAG.labels(str(lane)).set(lag.behind)

    def _offsets(self, sources: list[Partition], which: OffsetSpec) -> dict[Partition, int]:
        asked = self._admin.list_offsets(
            {TopicPartition(*source): which for source in sources}, request_timeout=REQUEST_SECONDS
        )
        return {(tp.topic, tp.partition): max(0, answer.result().offset) for tp, answer in asked.items()}

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()


def lags(
    ends: Mapping[Partition, int],
    positions: Mapping[Partition, int],
    before: tuple[float, dict[str, int]] | None,
    now: float,
    limit: int,
    lanes: Mapping[str, str] = LANES,
) -> tuple[dict[str, Lag], dict[str, int]]:
    """Lag per lane, and the sum of positions per lane. `before` holds the time (seconds) and sums of the last call.

    The seconds of a lag tell when it will be below `limit` at the speed since the last call, from 1 to LONGEST.
    """
    behind = dict.fromkeys(lanes.values(), 0)
    done = dict.fromkeys(lanes.values(), 0)
    for (topic, partition), position in positions.items():
        lane = lanes[topic]
        behind[lane] += max(0, ends.get((topic, partition), 0) - position)
        done[lane] += position
    found = {}
    for lane in behind:
        speed = 0.0
        if before is not None and now > before[0]:
            speed = (done[lane] - before[1][lane]) / (now - before[0])
        excess = behind[lane] - limit
        seconds = 1 if excess <= 0 else LONGEST if speed <= 0 else min(LONGEST, max(1, ceil(excess / speed)))
        found[lane] = Lag(behind[lane], seconds)
    return found, done
