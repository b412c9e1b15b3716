"""One lane of one channel: released submissions from their topic, offsets committed behind what is stored.

A record is sent only with the proof that it was decided (actions/proof.py), and only while what was sent of
it is remembered: a genuine record that somebody writes again is dropped by its rows in `deliveries`, and
refused by its age once those are deleted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time

import msgspec
import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from pipeline import metrics, topics
from pipeline.actions.alerts.recurring import recurring_alert
from pipeline.actions.proof import is_proved
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.job import Job
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError, UnavailableError
from pipeline.events import AlertLevel, Outbound, Priority, decoder, encode
from pipeline.kafka.clients import TIMEOUT, is_away, resting_reader, send
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.dead_letters import letter
from pipeline.kafka.polled import is_record
from pipeline.kafka.resting import BRIEFLY
from pipeline.rules.built_in import BuiltInRule
from pipeline.settings import Settings

POLL = 0.1  # seconds a poll waits
RECORDS = 200  # a poll
_UNPROVED = "no proof of its release: forged, altered, of another topic, or signed by another key"
_TOO_OLD = "released longer ago than deliveries are remembered: it may have been sent before"
# The group has gone on without us, after a long pause of this process say: the next poll joins it again.
_MEMBER_NO_MORE = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError._ASSIGNMENT_LOST)
_log = structlog.get_logger()
_decode = decoder(Outbound)


@dataclass(slots=True, eq=False)
class _Slot:
    """A record and what became of it; None for one that became a dead letter."""

    offset: int
    job: Job | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why a record is no job. `suspect`: somebody else may have written it, or copied it."""

    cause: str
    suspect: bool


class Lane:
    """Used by one thread at a time. `revoked(jobs)` is called inside `poll` and returns when none is under way."""

    def __init__(
        self,
        settings: Settings,
        channel: Channel,
        priority: Priority,
        producer: Producer,
        revoked: Callable[[Sequence[Job]], None],
    ) -> None:
        self._channel, self._producer, self._revoked = channel, producer, revoked
        self._topic = topics.outbound(channel.name, priority).name
        self._secrets = settings.release_secrets
        self._remembered_ms = settings.status_days * DAY_MS
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)
        self._key_fits = False  # one of our keys has proved a record
        self._alerted = ""  # id of the last alert
        self._slots: dict[int, deque[_Slot]] = {}
        self._paused = False
        self._moved = False
        self._done: dict[int, int] = {}  # by partition: the offset behind what is done, not committed yet
        self._behind = False  # whether the last commit did not succeed
        self._consumer: Consumer = resting_reader(settings, f"sender-{channel.name}-{priority.value}", BRIEFLY)
        self._consumer.subscribe([self._topic], on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def poll(self, room: bool) -> list[Job]:
        """Commit what is done; new jobs if there is room. Raises KafkaException, AntispamError."""
        self._commit()
        if room == self._paused:
            assigned = self._consumer.assignment()
            (self._consumer.resume if room else self._consumer.pause)(assigned)
            self._paused = not room
        messages = self._consumer.consume(RECORDS, POLL)
        if self._moved:
            # A poll may give records from before a rebalance it served, and these cannot be told apart.
            self._rewind()
            self._moved = False
            return []
        return self._taken([message for message in messages if is_record(message)])

    def _taken(self, messages: Sequence[Message]) -> list[Job]:
        """The records as jobs; what is none becomes a dead letter.

        What must be said of a record to others, and cannot while the broker is away: the record and those behind
        it are read again by the next poll.
        Raises TooManyDeadLettersError if most are none: nothing is taken then. Until one record is proved, our key may
        be the wrong one, so records without proof count. Afterwards they do not: forging stops no sender.
        """
        now = int(time() * 1000)
        try:
            read = [(message, self._job(message, now)) for message in messages]
        except UnavailableError as error:
            self._read_again(messages, error)
            return []
        refused = [found for _, found in read if isinstance(found, _Refused)]
        causes = [found.cause for found in refused if not (found.suspect and self._key_fits)]
        counted = len(read) - len(refused) + len(causes)
        self._limit.check(self._topic, len(causes), counted, causes[0] if causes else "")
        jobs: list[Job] = []
        for i, (message, found) in enumerate(read):
            if isinstance(found, Job):
                jobs.append(found)
            else:
                try:
                    self._dead_letter(message, found.cause, now)
                except UnavailableError as error:
                    self._read_again(messages[i:], error)
                    return jobs
            slots = self._slots.setdefault(message.partition() or 0, deque())
            slots.append(_Slot(message.offset() or 0, found if isinstance(found, Job) else None))
        self._limit.note(len(causes), counted)
        return jobs

    def _read_again(self, messages: Sequence[Message], error: UnavailableError) -> None:
        _log.warning("records_put_off", topic=self._topic, records=len(messages), cause=str(error))
        first: dict[int, int] = {}
        for message in messages:
            first.setdefault(message.partition() or 0, message.offset() or 0)
        for partition, offset in first.items():
            self._consumer.seek(TopicPartition(self._topic, partition, offset))

    def close(self) -> None:
        """Commit what is done and leave the group."""
        self._commit()
        self._consumer.close()

    def _commit(self) -> None:
        """Commit what is done; while the group's coordinator is away or moving, or we left, it waits for the next poll.

        Nothing is lost by that: what is sent has its rows, and is dropped when it is read again.
        Raises KafkaException for what will not pass.
        """
        for partition, slots in self._slots.items():
            while slots and (slots[0].job is None or slots[0].job.open == 0):
                self._done[partition] = slots.popleft().offset + 1
        if not self._done:
            return
        try:
            offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in self._done.items()]
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if not is_away(error.args[0]) and error.args[0].code() not in _MEMBER_NO_MORE:
                raise
            metrics.RETRIES.labels(self._topic).inc()
            if not self._behind:
                _log.warning("commit_put_off", topic=self._topic, cause=error.args[0].str())
            self._behind = True
            return
        self._done.clear()
        self._behind = False

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = {p.partition for p in partitions}
        jobs = [slot.job for n in numbers for slot in self._slots.get(n, ()) if slot.job is not None]
        self._revoked(jobs)
        try:
            self._commit()
        except KafkaException as error:  # lost already: the new owner meets rows that say what was done
            _log.warning("offsets_not_committed", topic=self._topic, cause=error.args[0].str())
        for n in numbers:
            self._slots.pop(n, None)
            self._done.pop(n, None)
        self._moved = True
        if self._paused:  # else librdkafka keeps them paused when they come back
            self._consumer.resume(partitions)
            self._paused = False

    def _rewind(self) -> None:
        assigned = self._consumer.assignment()
        for position in self._consumer.committed(assigned, timeout=TIMEOUT) if assigned else ():
            offset = OFFSET_BEGINNING if position.offset == OFFSET_INVALID else position.offset
            self._consumer.seek(TopicPartition(self._topic, position.partition, offset))

    def _job(self, message: Message, now: int) -> Job | _Refused:
        """The record as a job, or why it is none. Raises UnavailableError if no broker takes the alert of a forgery."""
        try:
            outbound, key = _decode(message.value() or b""), (message.key() or b"").decode()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _Refused(f"not an Outbound: {type(error).__name__}", suspect=True)
        if not is_proved(self._secrets, self._topic, key, outbound):
            self._alert(now)
            return _Refused(_UNPROVED, suspect=True)
        self._key_fits = True
        if outbound.decided_at < now - self._remembered_ms:
            return _Refused(_TOO_OLD, suspect=True)
        try:
            return Job(outbound, key, self._channel)
        except AntispamError as error:
            return _Refused(str(error), suspect=False)

    def _dead_letter(self, message: Message, cause: str, now: int) -> None:
        """Set the record aside. Raises AntispamError if no broker took that."""
        partition, offset = message.partition() or 0, message.offset() or 0
        metrics.DEAD_LETTERS.labels(self._topic).inc()
        _log.error("dead_letter", topic=self._topic, partition=partition, offset=offset, cause=cause)
        name, value = letter(self._topic, partition, offset, cause, message.key(), message.value(), now)
        send(self._producer, [(topics.DEAD_LETTERS.name, name, value)], partition)

    def _alert(self, now: int) -> None:
        """Tell operators of a record without proof, once a quarter of an hour."""
        message = "a record without proof of its release was not sent; see the dead letters"
        alert = recurring_alert(AlertLevel.CRITICAL, BuiltInRule.RELEASE_WITHOUT_PROOF, self._topic, message, now)
        if alert.id == self._alerted:
            return
        send(self._producer, [(topics.ALERTS.name, self._topic, encode(alert))], 0)
        metrics.ALERTS.labels(alert.level.value, alert.rule).inc()
        self._alerted = alert.id
