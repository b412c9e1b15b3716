"""A producer without a broker. One contract holds it and the real one together: tests/kafka/test_clients.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError


class MemoryProducer:
    """Keeps what is produced in `sent`, in order. While `down`, it acknowledges nothing, as if the broker were away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes]] = []  # topic, key and value of each acknowledged record
        self.down = False
        self.meanwhile: Callable[[], None] | None = None  # called once, before the next acknowledgement
        self._queued: list[tuple[tuple[str, str, bytes], Any]] = []

    def produce(self, topic: str, value: bytes, key: str, partition: int = -1, on_delivery: Any = None) -> None:
        """Queue a record. See Producer."""
        self._queued.append(((topic, key, value), on_delivery))

    def poll(self, timeout: float = -1) -> int:
        """Acknowledge what is queued, and return how many records this was. See Producer."""
        queued, self._queued = self._queued, []
        if self.meanwhile is not None and queued:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        for record, on_delivery in queued:
            if not self.down:
                self.sent.append(record)
            if on_delivery is not None:
                on_delivery(KafkaError(KafkaError._MSG_TIMED_OUT) if self.down else None, None)
        return len(queued)

    def flush(self, timeout: float = -1) -> int:
        """Acknowledge what is queued; return 0, because nothing stays queued. See Producer."""
        self.poll(timeout)
        return 0
