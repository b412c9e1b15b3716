"""Consumers that rest while nothing comes, for a broker that cannot wait.

Apache Kafka holds a fetch until there is something to give. The embedded broker reads every partition again
for each fetch, twice, and is asked again at once: a dozen consumers that wait 10 ms kept one core busy while
nothing came. Nor does it answer early, so a longer wait would delay every message (docs/performance.md).
So a consumer that has heard nothing for seconds pauses its partitions between two looks. The first message
after a silence waits for the rest to end; while messages come there is no rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from pipeline.kafka.address import CLUSTER_PREFIX

AWAKE = 2.0  # seconds without a record until a consumer begins to rest
BRIEFLY = 0.5  # seconds a consumer rests at most, after ten of silence, when messages wait for it
LOOK = 0.03  # seconds a poll waits between two rests: a fetch takes 10 ms
REQUEST = 5.0  # seconds the broker has for an answer


def rest_after(silence: float, longest: float) -> float:
    """Seconds of rest between two looks when nothing has come for `silence` seconds: none, then 0.1 to `longest`."""
    return 0.0 if silence < AWAKE else min(longest, silence / 20)


class RestingConsumer(Consumer):
    """A consumer whose `consume` looks less often in a silence, on the embedded broker only.

    `consume` then returns earlier than its timeout, with nothing. It never rests while its caller has paused
    partitions. `enable.partition.eof` must be on: the ends say that the broker has answered.
    """

    def __init__(self, config: dict[str, Any], longest: float) -> None:
        super().__init__(config)
        self._longest = longest
        self._heard_at = monotonic()
        self._rests_until: float | None = None  # None: awake
        self._rested: list[TopicPartition] = []  # paused for the rest
        self._ended: set[tuple[str | None, int | None]] = set()  # partitions that said so since it woke
        self._held = False  # paused by the caller
        self._embedded: bool | None = None  # not asked yet

    @property
    def rest_left(self) -> float:
        """Seconds until it looks again; 0 while it is awake."""
        return 0.0 if self._rests_until is None else max(0.0, self._rests_until - monotonic())

    def stir(self) -> None:
        """Stay awake, or wake up: what comes elsewhere says that something may come here."""
        self._heard_at = monotonic()
        if self._rests_until is not None:
            self._wake()

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """See Consumer. Serves rebalances while it rests too."""
        left = self.rest_left
        if left > 0:
            left = max(left, 0.001)  # librdkafka counts in whole milliseconds: 0 would come back at once
            return super().consume(num_messages, left if timeout < 0 else min(timeout, left))
        if self._rests_until is not None:
            self._wake()
        silent = self._embedded and monotonic() - self._heard_at >= AWAKE
        found = super().consume(num_messages, min(timeout, LOOK) if silent and timeout > 0 else timeout)
        self._ended.update((m.topic(), m.partition()) for m in found if m.error() is not None)
        if any(m.error() is None for m in found):
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
        """Pause, once the broker's answer since the last rest is known: all partitions ended, or no more came."""
        rest = rest_after(monotonic() - self._heard_at, self._longest)
        if not rest or not self._on_embedded():
            return
        assigned = self.assignment()
        if assigned and (quiet or len(self._ended) >= len(assigned)):
            super().pause(assigned)
            self._rested = assigned
            self._rests_until = monotonic() + rest

    def _wake(self) -> None:
        """Resume. librdkafka would notice within a second only; a question to the broker wakes its thread at once."""
        paused = self._end_rest()
        if paused:
            with suppress(KafkaException):  # away: it is looked for again, as by any consumer
                self.get_watermark_offsets(paused[0], timeout=REQUEST)

    def _end_rest(self) -> list[TopicPartition]:
        """Resume what was paused for the rest, and return it.

        Those too that were taken from us meanwhile: librdkafka keeps a partition paused until it is resumed, also
        when it is assigned again.
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
                return False  # away: asked again at the next poll
        return self._embedded
