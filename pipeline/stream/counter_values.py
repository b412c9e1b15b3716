"""Values of shared counters between the second counting stage and the workers.

The stage publishes whole windows, not numbers. So a worker reads the value at the time of its event, and a key that has
become quiet counts down on the worker without further records.

A window with a single event or value is not published: most recipients get one message, and their windows would be most
of the topic. So the second event of a key may not see the first.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time

import msgspec
import structlog
from confluent_kafka import Message

from pipeline import metrics, topics
from pipeline.decision.configuration import Config
from pipeline.durations import MINUTE_MS, SECOND_MS
from pipeline.events import CounterValue, decoder
from pipeline.kafka.clients import UNHURRIED, reader
from pipeline.kafka.polled import is_record
from pipeline.kafka.replay import replay
from pipeline.rules.counting.counters import window_of
from pipeline.rules.counting.windows import Recent, Window
from pipeline.rules.policies.policy import On
from pipeline.settings import Settings
from pipeline.stream.batch import Output, output
from pipeline.stream.state import PartitionState

LEAST = 2  # the least count, or number of values, that is published
MOST = 200_000  # windows that a worker holds, the last published ones: up to 70 MB
EXPIRE_EVERY_MS = 10 * SECOND_MS
_NONE_COUNTED = [-1, -1]  # source offsets of a window that only the stage counts on

_decode = decoder(CounterValue)
_log = structlog.get_logger()


def value_of(identity: str, key: str, window: Window | Recent, at: int) -> Output | None:
    """The record that publishes a window, moved by an event decided at `at` (ms); None if it holds too little."""
    size = window.total if isinstance(window, Window) else window.size
    if size < LEAST:
        return None
    value = CounterValue(counter=identity, key=key, window=tuple(window.dump()[1]), at=at)
    return output(topics.COUNTER_VALUES.name, f"{identity}\0{key}", value, 0)


class CounterFollower:
    """The published windows of the shared counters for one kind of event, followed on their topic."""

    def __init__(self, settings: Settings, name: str, on: On, clock: Callable[[], float] = time) -> None:
        """`clock` gives epoch seconds."""
        self.values = PartitionState()
        self._on = on
        self._clock = clock
        self._late_ms = settings.late_minutes * MINUTE_MS
        self._expired_at = 0
        self._kept: dict[str, int] = {}  # ms by identity
        self._consumer = reader(settings, f"counters-{name}", **UNHURRIED)

    def catch_up(self, config: Config) -> None:
        """Read to the end of the topic."""
        self._declared(config)
        replay(self._consumer, [(topics.COUNTER_VALUES.name, 0)], self._take)

    def poll(self, config: Config) -> PartitionState:
        """Process new records of the topic, and forget quiet keys now and then; returns at once."""
        self._declared(config)
        now = int(self._clock() * 1000)
        for message in self._consumer.consume(10_000, 0):
            if is_record(message):
                at = self._take(message)
                if at is not None:
                    metrics.COUNTER_VALUE_SECONDS.labels(self._on).observe(max(0, now - at) / 1000)
        if abs(now - self._expired_at) >= EXPIRE_EVERY_MS:  # the clock may be set back
            self._expired_at = now
            self.values.expire(self._kept, now)
        return self.values

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _declared(self, config: Config) -> None:
        counters = [c for policy in config.policies for c in policy.counters if c.shared and c.on == self._on]
        self._kept = {c.identity: c.kept_ms + self._late_ms for c in counters}

    def _take(self, message: Message) -> int | None:
        """Take in a published window of a declared counter. Returns when its newest event was decided (ms)."""
        try:
            value = _decode(message.value() or b"")
            window = window_of(value.counter).load(_NONE_COUNTED, list(value.window))
        except (msgspec.DecodeError, ValueError) as error:
            metrics.UNDECODABLE.labels(topics.COUNTER_VALUES.name).inc()
            _log.error("counter_value_undecodable", offset=message.offset(), cause=str(error))
            return None
        if value.counter not in self._kept:
            return None
        self.values.put(value.counter, value.key, window, message.timestamp()[1])
        self.values.shrink(MOST)
        return value.at
