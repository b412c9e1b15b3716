"""The states of the partitions that a worker owns: restored from the changelog, expired, dropped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from time import monotonic

from confluent_kafka import Message

from pipeline import metrics
from pipeline.decision.configuration import Config
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.kafka.streams import Stream
from pipeline.process import readiness
from pipeline.settings import Settings
from pipeline.stream.state import PartitionState

EXPIRY_EVERY = 10.0  # seconds between two clean-ups of expired counters


class Partitions:
    """The state of each owned partition, by its number."""

    def __init__(self, stream: Stream, settings: Settings) -> None:
        self.states: dict[int, PartitionState] = {}
        self._stream = stream
        self._settings = settings
        self._expired_at = 0.0  # monotonic seconds

    @property
    def entries(self) -> int:
        """The number of windows and later rounds in all partitions."""
        return sum(len(state) for state in self.states.values())

    def restore(self, partitions: Sequence[int]) -> None:
        """Own exactly these partitions, with the states restored from their changelog.

        Raises UnavailableError while the broker is unreachable, AntispamError when it refuses.
        """
        states = {number: PartitionState() for number in partitions}

        def take(message: Message) -> None:
            key, value, at = message.key() or b"", message.value(), message.timestamp()[1]
            if value is not None:
                states[message.partition() or 0].load(key, value, at)

        if partitions:
            changelog = [(self._stream.changelog.name, number) for number in partitions]
            consumer = reader(self._settings, f"{self._stream.name}-restore")
            try:
                replay(consumer, changelog, take, progress=self._say_progress)
            finally:
                consumer.close()
        self.states = states

    def forget(self, partitions: Collection[int]) -> None:
        """Give up these partitions and drop their states."""
        for number in partitions:
            self.states.pop(number, None)

    def changes(self, partitions: Collection[int]) -> Iterator[tuple[bytes, bytes | None, int]]:
        """End a poll. Returns (key, value, partition) of the changelog records of these partitions."""
        for number in partitions:
            for key, value in self.states[number].changes():
                yield key, value, number

    def expire(self, config: Config, late_ms: int, oldest: int) -> None:
        """Drop expired state, and windows beyond the number set, every EXPIRY_EVERY seconds.

        `oldest` (ms) is when the oldest event at hand was taken in. Counts up to that age stay for a backlog that
        continues them.
        """
        now = monotonic()
        if now - self._expired_at < EXPIRY_EVERY:
            return
        self._expired_at = now
        if config.policy is not None:
            kept = {c.identity: c.kept_ms + late_ms for policy in config.policies for c in policy.kept}
            for state in self.states.values():
                state.expire(kept, oldest)
        for state in self.states.values():
            state.decided.expire(oldest)
            dropped = state.shrink(self._settings.counter_windows // len(self.states))
            metrics.STATE_DROPPED.labels(self._stream.name).inc(dropped)
        metrics.STATE_ENTRIES.labels(self._stream.name).set(self.entries)

    def _say_progress(self, done: int, of: int) -> None:
        readiness.say(self._stream.name, False, f"counters: {done} of {of} partitions of the changelog read")
