"""The role `parts`: parts of long messages from `parts`, whole submissions to the lanes, each exactly once.

One transaction holds the submissions, the changelog of what is open, and the source offsets. After a rollback, or when
partitions come or go, the role begins again from the changelog. Several processes may share the partitions.

A message is closed at its deadline only when its partition has been read to the end: a part that waits on the topic,
because this role was away, is not late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from time import time

import structlog
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from pipeline import topics
from pipeline.errors import UnavailableError
from pipeline.kafka.clients import TIMEOUT, reader, resting_reader
from pipeline.kafka.polled import Polled, records
from pipeline.kafka.replay import replay
from pipeline.kafka.resting import BRIEFLY
from pipeline.kafka.steady import patiently
from pipeline.kafka.streams import PARTS
from pipeline.process import readiness
from pipeline.settings import Settings
from pipeline.stream.parts.joiner import Joiner, Turn
from pipeline.stream.transactions import RolledBackError, Transactions

_MOST = 1000  # parts in a turn
_WAIT = 0.1  # seconds a poll waits for a first part
_log = structlog.get_logger()


def run_parts(settings: Settings, stop: threading.Event) -> None:
    """Join parts until `stop` is set. Raises UnavailableError when the broker does not answer, to be called again."""
    client = f"{PARTS.name}-{settings.worker_id}"
    with ExitStack() as stack:
        transactions = Transactions(PARTS, settings, client)
        stack.callback(transactions.close)
        transactions.start(stop)
        stage = Stage(settings, transactions, client, stop)
        stack.callback(stage.close)
        try:
            while not stop.is_set():
                stage.step()
        except RolledBackError as error:
            raise UnavailableError(f"parts: {error}") from error


class Stage:
    """The connections of the role. `clock` gives epoch seconds."""

    def __init__(
        self,
        settings: Settings,
        transactions: Transactions,
        client: str,
        stop: threading.Event,
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings, self._transactions, self._stop, self._clock = settings, transactions, stop, clock
        self._joiner = Joiner(settings)
        self._next: dict[int, int] = {}  # the offset of the next part, by owned partition
        self._ended: set[int] = set()  # partitions without a further part to read
        self._rebalances = 0
        self._consumer = resting_reader(settings, PARTS.name, BRIEFLY, **{"client.id": client})
        self._consumer.subscribe(
            [topics.PARTS.name], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
        readiness.say(PARTS.name, False, "its partitions")

    def step(self) -> None:
        """One turn. Raises RolledBackError when it is not durable, and KafkaException."""
        rebalances = self._rebalances
        messages = self._consumer.consume(_MOST, _WAIT)
        if rebalances != self._rebalances:  # what the poll returned may be from before the rebalance: it is read again
            self._consumer.assign([TopicPartition(topics.PARTS.name, *place) for place in self._next.items()])
            return
        polled = self._parts(messages)
        now = int(self._clock() * 1000)
        due = [number for number in self._joiner.due(now) if number in self._ended]
        if not polled and not due:
            return
        turn = self._joiner.turn(polled, due, now)
        for part in polled:
            self._next[part.partition] = part.offset + 1
        self._write(turn, {*due, *(part.partition for part in polled)})

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _parts(self, messages: list[Message]) -> list[Polled]:
        """The polled parts of owned partitions; notes which partitions were read to their end."""
        for message in messages:
            error, number = message.error(), message.partition() or 0
            if error is None:
                self._ended.discard(number)
            elif error.code() == KafkaError._PARTITION_EOF and number in self._next:
                self._ended.add(number)
        return [part for part in records(messages, PARTS.lanes) if part.offset >= self._next[part.partition]]

    def _write(self, turn: Turn, partitions: set[int]) -> None:
        """Commit a turn. The offsets prove to the broker that the partitions are still ours, also without new parts."""
        offsets = [TopicPartition(topics.PARTS.name, number, self._next[number]) for number in sorted(partitions)]
        membership = self._consumer.consumer_group_metadata()
        self._transactions.write(turn.outputs, turn.changes, offsets, membership)
        self._joiner.committed(turn)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        numbers = sorted(tp.partition for tp in partitions)
        starts = patiently(PARTS.name, lambda: self._restore(consumer, numbers), self._stop)
        if starts is not None:
            consumer.assign(starts)
            readiness.say(PARTS.name, True)
            _log.info("parts_assigned", partitions=len(numbers), open=self._joiner.open)

    def _revoked(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._rebalances += 1
        self._next, self._ended = {}, set()
        self._joiner.own({})
        readiness.say(PARTS.name, False, "its partitions")

    def _restore(self, consumer: Consumer, numbers: list[int]) -> list[TopicPartition]:
        """Own these partitions as the last transaction left them; returns where to read on.

        The offsets are read first: the broker returns them only when no transaction of a former owner is open.
        """
        wanted = [TopicPartition(topics.PARTS.name, number) for number in numbers]
        committed = consumer.committed(wanted, timeout=TIMEOUT) if wanted else []
        kept: dict[int, dict[bytes, bytes]] = {number: {} for number in numbers}

        def take(message: Message) -> None:
            entries, key, value = kept[message.partition() or 0], message.key() or b"", message.value()
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value

        if numbers:
            changelog = reader(self._settings, f"{PARTS.name}-restore")
            try:
                replay(changelog, [(topics.STATE_PARTS.name, number) for number in numbers], take)
            finally:
                changelog.close()
        self._joiner.own(kept)
        self._ended = set()
        # Without a committed offset, from the beginning: the lowest offset that there may be is 0.
        self._next = {tp.partition: max(0, tp.offset) for tp in committed}
        return [TopicPartition(topics.PARTS.name, *place) for place in self._next.items()]
