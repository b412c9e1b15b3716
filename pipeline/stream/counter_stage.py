"""The second counting stage: counters whose keys come from all partitions, such as recipients.

A worker sees the events of its own ports only. So workers write what their events add to such counters, partitioned by
the key (`increments.py`). This stage counts it with the windows of the first stage, in the same loop: one transaction
holds the changelog, the source offsets and the published values (`counter_values.py`), so after a crash no increment is
lost or counted twice. An increment takes half a second to its value at the workers, under load a few seconds.

Several processes may share the partitions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from time import time

import msgspec
import structlog

from pipeline import metrics
from pipeline.decision.configuration import Config
from pipeline.events import Increments, decoder
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.polled import Polled
from pipeline.kafka.streams import COUNTERS
from pipeline.rules.counting.counters import OF_VALUES, Counter
from pipeline.settings import Settings
from pipeline.stream.batch import Batch
from pipeline.stream.counter_values import value_of
from pipeline.stream.known import Known
from pipeline.stream.poll_loop import PollLoop
from pipeline.stream.state import PartitionState
from pipeline.stream.transactions import RolledBackError

_decode = decoder(Increments)
_log = structlog.get_logger()


def run_counters(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop` is set. Raises when the broker does not answer."""
    loop = PollLoop(COUNTERS, settings, CounterStage(settings), stop)
    try:
        loop.run()
    finally:
        loop.close()


class CounterStage:
    """Counts polled increments; the module explains how."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time) -> None:
        """`clock` gives epoch seconds."""
        self._clock = clock
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)

    def decide(self, polled: Sequence[Polled], states: Mapping[int, PartitionState], config: Config, _: Known) -> Batch:
        """Count one poll, and publish the moved windows.

        An undecodable record is left out. Raises TooManyDeadLettersError when most are undecodable, and
        RolledBackError for a counter of a configuration that has not arrived here yet.
        """
        batch = Batch(now=int(self._clock() * 1000))
        batch.oldest, batch.fresh = batch.now, len(polled)
        batch.partitions = {message.partition for message in polled}
        counters = {c.identity: c for policy in config.policies for c in policy.counters if c.shared}
        decided_at: dict[int, int] = {}
        cause = ""
        for message in polled:
            try:
                told = _decode(message.value or b"")
            except msgspec.DecodeError as error:
                metrics.UNDECODABLE.labels(message.topic).inc()
                _log.error("increments_undecodable", partition=message.partition, offset=message.offset)
                batch.failed, cause = batch.failed + 1, str(error)
                continue
            batch.oldest = min(batch.oldest, told.oldest)
            decided_at[message.partition] = max(told.at, decided_at.get(message.partition, 0))
            self._count(told, message, states[message.partition], counters, config.epoch, batch.now)
        self._limit.check(COUNTERS.name, batch.failed, batch.fresh, cause)
        for partition, at in decided_at.items():
            told_values = (value_of(*moved, at) for moved in states[partition].moved())
            batch.outputs += [value for value in told_values if value is not None]
        return batch

    def committed(self, batch: Batch) -> None:
        """Count the batch, which has been committed."""
        self._limit.note(batch.failed, batch.fresh)
        metrics.COUNTER_VALUES_TOLD.inc(len(batch.outputs))

    def rolled_back(self) -> None:
        """Nothing to forget: the poll loop restores the windows."""

    def _count(
        self,
        told: Increments,
        message: Polled,
        state: PartitionState,
        counters: Mapping[str, Counter],
        epoch: int,
        now: int,
    ) -> None:
        """Move the windows of one record's increments."""
        for identity, keys in told.moves.items():
            counter = counters.get(identity)
            if counter is None and told.epoch > epoch:
                raise RolledBackError(f"counter {identity}: epoch {told.epoch} is not known yet")
            if counter is None:  # a newer policy does not declare it any more
                continue
            for key, moves in keys.items():
                window = state.window(identity, key, now)
                if not window.include(message.lane, message.offset):
                    metrics.REPLAYED.labels(COUNTERS.name).inc(len(moves))
                    continue
                for at, amount in moves:
                    if isinstance(amount, int) != (counter.aggregate in OF_VALUES):
                        counter.move(window, at, amount)
