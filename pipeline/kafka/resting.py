"""Resting consumers: they fetch less often in a silence, because the embedded broker cannot idle.

Apache Kafka holds a fetch until it has records. The embedded broker reads every partition twice for each fetch, and
the consumer fetches again at once: a dozen consumers with a wait of 10 ms kept one core busy without any messages. It
also never answers before the wait is over, so a longer wait would delay every message (docs/performance.md). So a
consumer without records for some seconds pauses its partitions between fetches. The first message after a silence
waits until the rest ends. While messages come, the consumer does not rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from pipeline.kafka.address import CLUSTER_PREFIX

AWAKE = 2.0  # seconds without a record until a consumer begins to rest
BRIEFLY = 1.0  # longest rest in seconds, after 20 seconds of silence, for a consumer that delays messages
LOOK = 0.03  # seconds of polling between two rests; a fetch takes 10 ms
REQUEST = 5.0  # seconds for an answer of the broker


def rest_after(silence: float, longest: float) -> float:
    """Seconds of rest after `silence` seconds without a record: none at first, then 0.1 to `longest`."""
    return 0.0 if silence < AWAKE else min(longest, silence / 20)


class RestingConsumer(Consumer):
    """A consumer that fetches less often in a silence, on the embedded broker only.

    While it rests, `consume` returns nothing, before its timeout. It never rests while its caller has paused
    partitions. `enable.partition.eof` must be on: the end events show that the broker has answered.
    """

    def __init__(self, config: dict[str, Any], longest: float) -> None:
        super().__init__(config)
        self._longest = longest
        self._heard_at = monotonic()
        self._rests_until: float | None = None  # None while it is awake
        self._rested: list[TopicPartition] = []  # paused for the rest
        self._ended: set[tuple[str | None, int | None]] = set()  # partitions whose end came since it woke
        self._held = False  # the caller has paused partitions
        self._embedded: bool | None = None  # not known yet

    @property
    def rest_left(self) -> float:
        """Seconds until the next fetch; 0 while it is awake."""
        return 0.0 if self._rests_until is None else max(0.0, self._rests_until - monotonic())

    def stir(self) -> None:
        """Stay awake, or wake up: records elsewhere announce records here."""
        self._heard_at = monotonic()
        if self._rests_until is not None:
            self._wake()

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """See Consumer. Handles rebalances during a rest too."""
        left = self.rest_left
        if left > 0:
            left = max(left, 0.001)  # librdkafka counts whole milliseconds, and 0 would return at once
            return super().consume(num_messages, left if timeout < 0 else min(timeout, left))
        if self._rests_until is not None:
            self._wake()
        silent = self._embedded and monotonic() - self._heard_at >= AWAKE
        found = super().consume(num_messages, min(timeout, LOOK) if silent and timeout > 0 else timeout)
        ends = [m for m in found if m.error() is not None]
        self._ended.update([(m.topic(), m.partition()) for m in ends])
        if len(ends) < len(found):
            self._heard_at = monotonic()
        elif self._ended and not self._held:
            self._rest(quiet=not found)
        return found

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """See Consumer."""
        self._held = True
        self._end_rest()
        super().pause(list(partitions))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """See Consumer."""
        self._held = False
        super().resume(list(partitions))

    def _rest(self, quiet: bool) -> None:
        """Pause, once the broker has answered since the last rest: all partitions ended, or no records came."""
        rest = rest_after(monotonic() - self._heard_at, self._longest)
        if not rest or not self._on_embedded():
            return
        assigned = self.assignment()
        if assigned and (quiet or len(self._ended) >= len(assigned)):
            super().pause(assigned)
            self._rested = assigned
            self._rests_until = monotonic() + rest

    def _wake(self) -> None:
        """Resume. A request to the broker wakes librdkafka's thread at once; alone it would notice within a second."""
        paused = self._end_rest()
        if paused:
            with suppress(KafkaException):  # the broker is away: the consumer looks for it again, as any consumer does
                self.get_watermark_offsets(paused[0], timeout=REQUEST)

    def _end_rest(self) -> list[TopicPartition]:
        """Resume the partitions paused for the rest, and return them.

        This includes partitions that were revoked meanwhile: librdkafka keeps a partition paused until it is resumed,
        also after it is assigned again.
        """
        paused, self._rested = self._rested, []
        self._rests_until = None
        self._ended.clear()
        if paused:
            super().resume(paused)
        return paused

    def _on_embedded(self) -> bool:
        if self._embedded is None:
            try:
                self._embedded = (self.list_topics(timeout=REQUEST).cluster_id or "").startswith(CLUSTER_PREFIX)
            except KafkaException:
                return False  # the broker is away: ask again at the next poll
        return self._embedded
