"""A lane of a channel: reads released submissions from its topic and commits offsets of finished records.

A record is sent only with the proof that it was decided (actions/proof.py), and only while its rows in `deliveries`
are kept. If a third party writes a genuine record again, its rows prevent a second SUBMIT; after their deletion, the
record is refused as too old.
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
from pipeline.events import AlertAbout, AlertLevel, Outbound, Priority, decoder, encode
from pipeline.kafka.clients import TIMEOUT, is_away, resting_reader, send
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.dead_letters import letter
from pipeline.kafka.polled import is_record
from pipeline.kafka.resting import BRIEFLY
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import built_in
from pipeline.settings import Settings

POLL = 0.1  # seconds that a poll waits
RECORDS = 200  # most records in a poll
_UNPROVED = "no proof of its release: forged, altered, of another topic, or signed by another key"
_TOO_OLD = "released longer ago than deliveries are remembered: it may have been sent before"
# The group has continued without this consumer, for example after a long pause of the process. The next poll rejoins.
_MEMBER_NO_MORE = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError._ASSIGNMENT_LOST)
_log = structlog.get_logger()
_decode = decoder(Outbound)


@dataclass(slots=True, eq=False)
class _Slot:
    """A record and its job; None for a record that became a dead letter."""

    offset: int
    job: Job | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """The cause why a record gives no job. `suspect`: a third party may have written or copied the record."""

    cause: str
    suspect: bool


class Lane:
    """The reader of a lane, for one thread. `poll` calls `revoked(jobs)`, which returns when no job is in flight."""

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
        self._key_fits = False  # at least one record had a valid proof
        self._alerted = ""  # id of the last alert
        self._slots: dict[int, deque[_Slot]] = {}
        self._paused = False
        self._moved = False
        self._done: dict[int, int] = {}  # by partition: the next offset to commit
        self._behind = False  # whether the last commit failed
        self._consumer: Consumer = resting_reader(settings, f"sender-{channel.name}-{priority.value}", BRIEFLY)
        self._consumer.subscribe([self._topic], on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def poll(self, room: bool) -> list[Job]:
        """Commit finished records; returns new jobs if there is room. Raises KafkaException, AntispamError."""
        self._commit()
        if room == self._paused:
            assigned = self._consumer.assignment()
            (self._consumer.resume if room else self._consumer.pause)(assigned)
            self._paused = not room
        messages = self._consumer.consume(RECORDS, POLL)
        if self._moved:
            # A poll that served a rebalance may also return records from before it, indistinguishably.
            self._rewind()
            self._moved = False
            return []
        return self._taken([message for message in messages if is_record(message)])

    def _taken(self, messages: Sequence[Message]) -> list[Job]:
        """The records as jobs; an invalid record becomes a dead letter.

        If the broker does not take a dead letter or an alert, the next poll reads this record and all later records
        again. Raises TooManyDeadLettersError, and takes no record, if most are invalid. Records without proof count as
        invalid only before the first proved record, because our key may be wrong. Afterwards they do not count, so
        forged records cannot stop the sender.
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
        """Commit finished records and leave the group."""
        self._commit()
        self._consumer.close()

    def _commit(self) -> None:
        """Commit finished records. If the coordinator is unavailable or we left the group, the next poll tries again.

        No message is sent twice by that: sent parts have their rows, and a record that is read again is dropped.
        Raises KafkaException for a permanent error.
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
        except KafkaException as error:  # partition already lost: the new owner finds the rows of sent parts
            _log.warning("offsets_not_committed", topic=self._topic, cause=error.args[0].str())
        for n in numbers:
            self._slots.pop(n, None)
            self._done.pop(n, None)
        self._moved = True
        if self._paused:  # otherwise librdkafka keeps them paused after the next assignment
            self._consumer.resume(partitions)
            self._paused = False

    def _rewind(self) -> None:
        assigned = self._consumer.assignment()
        for position in self._consumer.committed(assigned, timeout=TIMEOUT) if assigned else ():
            offset = OFFSET_BEGINNING if position.offset == OFFSET_INVALID else position.offset
            self._consumer.seek(TopicPartition(self._topic, position.partition, offset))

    def _job(self, message: Message, now: int) -> Job | _Refused:
        """The record as a job, or its refusal. Raises UnavailableError if no broker takes the alert of a forgery."""
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
        """Publish the record as a dead letter. Raises AntispamError if no broker takes it."""
        partition, offset = message.partition() or 0, message.offset() or 0
        metrics.DEAD_LETTERS.labels(self._topic).inc()
        _log.error("dead_letter", topic=self._topic, partition=partition, offset=offset, cause=cause)
        name, value = letter(self._topic, partition, offset, cause, message.key(), message.value(), now)
        send(self._producer, [(topics.DEAD_LETTERS.name, name, value)], partition)

    def _alert(self, now: int) -> None:
        """Raise an alert about a record without proof, at most one a quarter of an hour."""
        rule = BuiltInRule.RELEASE_WITHOUT_PROOF
        alert = recurring_alert(AlertLevel.CRITICAL, rule, self._topic, built_in(rule), {}, now, AlertAbout.TOPIC)
        if alert.id == self._alerted:
            return
        send(self._producer, [(topics.ALERTS.name, self._topic, encode(alert))], 0)
        metrics.ALERTS.labels(alert.level.value, alert.rule).inc()
        self._alerted = alert.id
