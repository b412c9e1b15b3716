"""The loop of a worker or of the second counting stage: poll, decide or count, commit.

After a rollback it continues from the committed state.

Each poll is one transaction. Rebalances happen inside a poll, so between transactions.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from pipeline import metrics
from pipeline.decision.configuration import Config
from pipeline.durations import MINUTE_MS
from pipeline.errors import UnavailableError
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.polled import Polled, next_offsets
from pipeline.kafka.security import ends
from pipeline.kafka.steady import patiently
from pipeline.kafka.streams import Stream
from pipeline.process import readiness
from pipeline.process.backoff import Backoff
from pipeline.settings import Settings
from pipeline.stream.batch import Batch
from pipeline.stream.known import Known, KnownFollower
from pipeline.stream.lanes import Lanes, Positions
from pipeline.stream.partitions import Partitions
from pipeline.stream.state import PartitionState
from pipeline.stream.transactions import RolledBackError, Transactions

# Rollbacks in a row without a commit; also attempts of one recovery.
RECOVERY = Backoff(first=1.0, longest=1.0, tries=30)

_log = structlog.get_logger()


class Work(Protocol):
    """What is done with a poll: the decider of a worker, or the second counting stage."""

    def decide(
        self, polled: Sequence[Polled], states: Mapping[int, PartitionState], config: Config, known: Known
    ) -> Batch:
        """The results of one poll. Raises RolledBackError if the same poll may be decided later."""

    def committed(self, batch: Batch) -> None:
        """The batch has been committed."""

    def rolled_back(self) -> None:
        """The last batch has not been committed."""


class PollLoop:
    """The connections to the broker of one worker or second counting stage, and its loop."""

    def __init__(
        self,
        stream: Stream,
        settings: Settings,
        decider: Work,
        stopping: threading.Event,
        known: KnownFollower | None = None,
    ) -> None:
        """`known` follows what other stages have told; None: the decider needs nothing of it."""
        client = f"{stream.name}-{settings.worker_id}"
        self._transactions = Transactions(stream, settings, client)
        self._name = stream.name
        self._late_ms = settings.late_minutes * MINUTE_MS
        self._decider = decider
        self._stopping = stopping
        self._follower = ConfigFollower(settings, client)
        self._known = known
        self._lanes = Lanes(stream, settings, client)
        self._partitions = Partitions(stream, settings)
        self._rebalances = 0
        self._rollbacks = 0  # in a row

    def run(self) -> None:
        """Run until `stopping` is set. Raises every fault that does not concern a single event."""
        self._transactions.start(self._stopping)
        self._say(False, "the configuration")
        self._follower.catch_up()
        if self._known is not None:
            self._wait_for_configuration()
            self._known.catch_up(self._follower.config)
        self._say(False, "its partitions; those of a dead worker come after a session's time")
        self._lanes.join(self._on_assign, self._on_revoke)
        while not self._stopping.is_set():
            self._step()

    def close(self) -> None:
        """Leave the group and close the connections."""
        self._transactions.close()
        self._lanes.close()
        self._follower.close()
        if self._known is not None:
            self._known.close()

    def _wait_for_configuration(self) -> None:
        """Wait for a configuration: without any, nothing is polled."""
        if self._follower.config.epoch == 0:
            self._say(False, "a configuration: none was ever published")
            _log.warning("waiting_for_configuration", stream=self._name)
        while self._follower.config.epoch == 0 and not self._stopping.wait(0.05):
            self._follower.poll()

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        numbers = sorted(p.partition for p in partitions)
        started = perf_counter()
        positions = patiently(self._name, lambda: self._restore(numbers), self._stopping)
        if positions is None:
            return  # the worker ends, so it polls nothing from these partitions
        gc.freeze()  # configuration and windows hold no cycles: each full collection would look at all of them
        self._lanes.assign(positions)
        self._say(True)
        _log.info(
            "assigned",
            stream=self._name,
            partitions=len(numbers),
            entries=self._partitions.entries,
            seconds=round(perf_counter() - started, 2),
            epoch=self._follower.config.epoch,
        )

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        self._partitions.forget([p.partition for p in partitions])
        self._lanes.unassign_bulk()
        self._say(False)

    def _restore(self, numbers: list[int]) -> Positions:
        """Restore the partitions' states. Returns the positions to read from.

        The committed offsets are read first: the broker returns them only when the former owner has no open
        transaction. So the changelog, read afterwards, is complete.
        """
        positions = self._lanes.committed(numbers)
        self._partitions.restore(numbers)
        return positions

    def _step(self) -> None:
        rebalances = self._rebalances
        polled = self._lanes.poll()
        config = self._follower.poll()
        if rebalances != self._rebalances:
            # A poll that served a rebalance may return older records: from partitions that are gone, or from before the
            # restored positions. They cannot be distinguished from the others, so all are read again.
            self._recover()
        elif polled:
            gc.disable()  # a poll makes many objects and no cycles; few of them are left for a look between two polls
            try:
                self._transact(polled, config)
                self._rollbacks = 0
            except RolledBackError as error:
                self._roll_back(error)
            finally:
                gc.enable()

    def _transact(self, polled: list[Polled], config: Config) -> None:
        """Decide the polled records, and commit all results in one transaction. Raises RolledBackError."""
        started = perf_counter()
        known = Known() if self._known is None else self._known.poll(config)
        batch = self._decider.decide(polled, self._partitions.states, config, known)
        self._lanes.learn_bulk_size(batch.bulk_size)
        decided = perf_counter()
        offsets = next_offsets(polled)
        changes = self._partitions.changes(batch.partitions)
        self._transactions.write(batch.outputs, changes, offsets, self._lanes.membership())
        committed = perf_counter()
        metrics.BATCH_SECONDS.labels(self._name, "screen").observe(decided - started)
        metrics.BATCH_SECONDS.labels(self._name, "commit").observe(committed - decided)
        for position in offsets:
            metrics.POSITION.labels(position.topic, position.partition).set(position.offset)
        self._decider.committed(batch)
        self._partitions.expire(config, self._late_ms, batch.oldest)

    def _roll_back(self, error: RolledBackError) -> None:
        """Recover. From the second rollback in a row on, pause first.

        Raises `error` once RECOVERY is exhausted: operators notice a process that ends, but not one that retries for
        ever.
        """
        metrics.ABORTED.labels(self._name).inc()
        self._rollbacks += 1
        if RECOVERY.exhausted(self._rollbacks):
            raise error
        if self._rollbacks > 1:
            self._stopping.wait(RECOVERY.pause(self._rollbacks))
        self._recover()

    def _recover(self) -> None:
        """Return to the committed state: counters and positions are as before the poll.

        The broker may be unreachable, so this is tried a bounded number of times, and then raises the last
        KafkaException. The process ends, and its successor starts from the same committed offsets.
        """
        tries = 0
        ready = readiness.states().get(self._name, False)
        while True:
            tries += 1
            try:
                self._transactions.abort()
                self._rewind()
                self._say(ready)
                return
            except (KafkaException, UnavailableError) as error:
                final = isinstance(error, KafkaException) and ends(error.args[0])
                if final or RECOVERY.exhausted(tries) or self._stopping.wait(RECOVERY.pause(tries)):
                    raise
                _log.warning("recovery_retried", stream=self._name, tries=tries, cause=str(error))

    def _rewind(self) -> None:
        self._decider.rolled_back()
        self._lanes.rewind(self._restore(sorted(self._partitions.states)))

    def _say(self, ready: bool, waits_for: str = "") -> None:
        readiness.say(self._name, ready, waits_for)
