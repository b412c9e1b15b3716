"""Counts decisions by verdict as they arrive, for the view of `up` and for benchmarks."""

from __future__ import annotations

from collections import Counter

import msgspec
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from pipeline import metrics, topics
from pipeline.events import Verdict, decoder
from pipeline.kafka.clients import UNHURRIED, reader
from pipeline.settings import Settings

REMEMBERED = 1_000_000  # decisions remembered to recognise a repeated one


class _DecisionFields(msgspec.Struct):
    id: str
    round: int
    verdict: Verdict
    source: str
    messages: int
    accepted_at: int
    decided_at: int
    port: str
    sender: str = ""


class Tally:
    """Reads every decision from the beginning. The first of a (sender, id, round) counts, later ones are repeats."""

    def __init__(self, settings: Settings) -> None:
        self.submissions: Counter[Verdict] = Counter()
        self.messages: Counter[Verdict] = Counter()
        self.records: Counter[Verdict] = Counter()
        self.repeated = 0
        self.latencies_ms: list[int] = []
        self._ids: dict[int, None] = {}  # ids, the oldest first
        self._decode = decoder(_DecisionFields)
        self._consumer = reader(settings, "tally", **UNHURRIED)
        self._consumer.assign(
            [TopicPartition(topics.DECISIONS.name, p, OFFSET_BEGINNING) for p in range(settings.partitions)]
        )

    @property
    def total(self) -> int:
        """The number of submissions and records decided."""
        return self.submissions.total() + self.records.total()

    def poll(self, timeout: float) -> int:
        """Count the decisions that have arrived. Returns how many were new. `timeout` in seconds."""
        new = 0
        for message in self._consumer.consume(5000, timeout):
            if message.error() is not None:
                continue
            try:
                seen = self._decode(message.value() or b"")
            except msgspec.DecodeError:
                metrics.UNDECODABLE.labels(topics.DECISIONS.name).inc()
                continue
            key = hash((seen.source, seen.sender or seen.port, seen.id, seen.round))
            if key in self._ids:
                self.repeated += 1
                continue
            self._ids[key] = None
            if len(self._ids) > REMEMBERED:
                del self._ids[next(iter(self._ids))]
            new += 1
            if seen.source == "record":
                self.records[seen.verdict] += 1
                continue
            self.submissions[seen.verdict] += 1
            self.messages[seen.verdict] += seen.messages
            self.latencies_ms.append(seen.decided_at - seen.accepted_at)
            if len(self.latencies_ms) > 10_000:
                del self.latencies_ms[:5000]
        return new

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()
