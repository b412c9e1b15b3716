"""The batch processor: the one consumer of everything whose loss or repetition would be seen.

A `faust.Service`, so it starts, stops and crashes with the app; its loop runs in a thread of its own,
because screening is CPU work that would starve the app's event loop. Each poll is one transaction of
decisions, their consequences, the counters' changelog and the source offsets: after any crash a
submission either has its decision and its counters moved, or neither.

Two lanes share the counters of a port: the express topic is consumed by group membership, and the
bulk partitions of the same numbers are read by hand beside it. Bulk gets a bounded share of each
poll, a small one while express traffic flows.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import monotonic, perf_counter, time
from typing import Any

import faust
import msgspec
import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from pipeline import metrics, topics
from pipeline.actions.route import consequences
from pipeline.actions.routes import load_routes
from pipeline.decision.configuration import Config
from pipeline.decision.screening import Failure, Screened, screen
from pipeline.errors import AntispamError, UnavailableError
from pipeline.events import Alert, Event, Record, Submission, decoder, encode
from pipeline.kafka.address import CLUSTER_PREFIX
from pipeline.kafka.clients import MAX_RECORD, TIMEOUT, commit, reader, resting_reader, writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.dead_letters import letter
from pipeline.kafka.polled import Polled, next_offsets, records
from pipeline.kafka.replay import replay
from pipeline.kafka.resting import BRIEFLY, RestingConsumer
from pipeline.kafka.security import ends
from pipeline.kafka.steady import patiently
from pipeline.kafka.streams import Stream
from pipeline.lake.privacy import Privacy
from pipeline.process import readiness
from pipeline.process.ending import STUCK, end_now
from pipeline.rules.words import borders
from pipeline.settings import Settings
from pipeline.stream.batch_metrics import BatchMetrics
from pipeline.stream.campaign_stage import CampaignFollower
from pipeline.stream.decided import mark
from pipeline.stream.state import BatchCounters, PartitionState

LINGER = 0.005  # seconds a poll waits for more of a batch: the price of a transaction is shared
IDLE = 0.1  # seconds a poll waits when nothing has come for a while
BULK_BESIDE_EXPRESS = 250  # messages of bulk in a poll while express traffic flows: about 25 ms
EXPRESS_RECENT = 1.0  # seconds after which express traffic no longer counts as flowing
EXPIRY_EVERY = 10.0  # seconds between clean-ups of run-out counters
RECOVERY_TRIES = 30  # rollbacks in a row without a commit, or tries of one: then the process ends
RECOVERY_WAIT = 1.0  # seconds between them
ALERTS_REMEMBERED = 10_000
# librdkafka's send_offsets_to_transaction ignores its timeout and never returns when the group's
# coordinator went away during the call (librdkafka issue 5456): the process ends instead.
STUCK_AFTER = TIMEOUT + 5

_log = structlog.get_logger()


class RolledBackError(Exception):
    """The transaction was aborted; its events will be polled again."""


class Processor(faust.Service):
    """Polls, screens and produces one stream; see the module."""

    def __init__(self, stream: Stream, settings: Settings, clock: Callable[[], float] = time, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stream = stream
        self.settings = settings
        readiness.say(stream.name, False)
        self._clock = clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._states: dict[int, PartitionState] = {}
        self._decode = decoder(stream.event)
        self._routes = load_routes(settings)
        self._pseudonym = Privacy(settings.privacy_secret).number
        self._alerted: dict[str, None] = {}
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)
        self._per_submission = 1.0  # messages in a bulk submission, moving average
        self._express_at = 0.0
        self._assignments = 0  # how often partitions came or went
        self._rollbacks = 0  # in a row
        self._in_transaction = False
        self._sending_since: float | None = None  # when the call that may never return was made
        self._expired_at = 0.0
        self._oldest = 0  # ms: when the oldest event counted by the last poll was taken in, by our clock

    async def on_start(self) -> None:
        """Start the loop."""
        self._thread = threading.Thread(target=self._guarded, name=f"processor-{self.stream.name}", daemon=True)
        self._thread.start()
        self.add_future(self._watch())

    async def _watch(self) -> None:
        """End the process when its loop is stuck in the client: what is not committed is polled again."""
        while not self.should_stop:
            since = self._sending_since
            if since is not None and monotonic() - since > STUCK_AFTER:
                end_now("broker_call_stuck", STUCK, stream=self.stream.name, seconds=round(monotonic() - since))
            await self.sleep(1.0)

    async def on_stop(self) -> None:
        """Let the running batch commit, then leave."""
        self.finish()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 2 * TIMEOUT)

    def finish(self) -> None:
        """Ask the loop to end behind the running batch."""
        self._stopping.set()

    def _guarded(self) -> None:
        """A fault that is not one event's ends this thread, and so the worker, before its offsets are committed."""
        try:
            self.run()
        finally:
            readiness.say(self.stream.name, False)

    def run(self) -> None:
        """The loop itself, until `finish`; raises what is not one event's fault."""
        name = f"{self.stream.name}-{self.settings.worker_id}"
        self._follower = ConfigFollower(self.settings, name)
        self._campaigns = CampaignFollower(self.settings, name)
        self._producer: Producer = writer(self.settings, f"antispam-{name}")
        readiness.say(self.stream.name, False, "the broker, to begin transactions")
        patiently(self.stream.name, lambda: self._producer.init_transactions(TIMEOUT), self._stopping)
        # A dead transaction's records surface on the embedded broker. Were counters to surface without the
        # decisions that moved them, the decisions made again would see counters that have moved on.
        cluster = self._producer.list_topics(timeout=TIMEOUT).cluster_id or ""
        self._surfacing = cluster.startswith(CLUSTER_PREFIX)
        group = self.stream.name
        self._consumer: RestingConsumer = resting_reader(self.settings, group, BRIEFLY, **{"client.id": name})
        self._bulk: RestingConsumer | None = None
        if len(self.stream.lanes) > 1:
            self._bulk = resting_reader(self.settings, group, BRIEFLY, **{"client.id": f"{name}-bulk"})
        try:
            borders.prepare()
            self._wait_for_configuration()
            self._campaigns.catch_up()
            readiness.say(self.stream.name, False, "its partitions; those of a dead worker come after a session's time")
            self._consumer.subscribe(
                [self.stream.lanes[0].name],
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )
            while not self._stopping.is_set():
                self._step()
        finally:
            self._consumer.close()
            if self._bulk is not None:
                self._bulk.close()
            self._follower.close()
            self._campaigns.close()

    def _wait_for_configuration(self) -> None:
        """Nothing is polled before the current epoch is in force; with none published, nothing at all."""
        readiness.say(self.stream.name, False, "the configuration")
        if self._follower.catch_up().epoch == 0:
            readiness.say(self.stream.name, False, "a configuration: none was ever published")
            _log.warning("waiting_for_configuration", stream=self.stream.name)
        while self._follower.config.epoch == 0 and not self._stopping.wait(0.05):
            self._follower.poll()

    # Assignment: all of it happens inside a poll, between transactions.

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignments += 1
        numbers = sorted(p.partition for p in partitions)
        started = perf_counter()
        positions = patiently(self.stream.name, lambda: self._restore(numbers), self._stopping)
        if positions is None:
            return  # we end; nothing is polled of these
        consumer.assign(positions[0])
        if self._bulk is not None:
            self._bulk.assign(positions[1])
        readiness.say(self.stream.name, True)
        _log.info(
            "assigned",
            stream=self.stream.name,
            partitions=len(numbers),
            entries=self._entries(),
            seconds=round(perf_counter() - started, 2),
            epoch=self._follower.config.epoch,
        )

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignments += 1
        for partition in partitions:
            self._states.pop(partition.partition, None)
        if self._bulk is not None:
            self._bulk.unassign()
        readiness.say(self.stream.name, False)

    def _restore(self, numbers: list[int]) -> list[list[TopicPartition]]:
        """Rebuild the partitions' counters; returns where to read on, per lane.

        The committed offsets are asked for first: the broker gives them only once no transaction of
        the former owner is open, so the changelog read afterwards is complete.
        """
        positions = [self._committed(lane.name, numbers) for lane in self.stream.lanes]
        states = {number: PartitionState() for number in numbers}
        if numbers:
            changelog = reader(self.settings, f"{self.stream.name}-restore")

            def take(message: Message) -> None:
                if message.value() is not None:
                    states[message.partition() or 0].load(
                        message.key() or b"", message.value() or b"", message.timestamp()[1]
                    )

            try:
                replay(changelog, [(self.stream.changelog.name, n) for n in numbers], take, progress=self._restored)
            finally:
                changelog.close()
        self._states = states
        return positions

    def _restored(self, partitions: int, of: int) -> None:
        readiness.say(self.stream.name, False, f"counters: {partitions} of {of} partitions of the changelog read")

    def _committed(self, topic: str, numbers: list[int]) -> list[TopicPartition]:
        if not numbers:
            return []
        wanted = [TopicPartition(topic, n) for n in numbers]
        found = self._consumer.committed(wanted, timeout=TIMEOUT)
        return [
            TopicPartition(topic, tp.partition, OFFSET_BEGINNING if tp.offset == OFFSET_INVALID else tp.offset)
            for tp in found
        ]

    # One poll.

    def _step(self) -> None:
        assignments = self._assignments
        express, bulk = self._poll()
        config = self._follower.poll()
        if assignments != self._assignments:
            # A poll may give records from before a rebalance it served: of partitions that are gone, or
            # from before the positions just restored. None of it can be told apart, so all is read again.
            self._recover()
        elif express or bulk:
            try:
                self._transact(express + bulk, config)
                self._rollbacks = 0
                self._expire(config)
            except RolledBackError:
                metrics.ABORTED.labels(self.stream.name).inc()
                self._rollbacks += 1
                if self._rollbacks >= RECOVERY_TRIES:
                    raise  # what always fails ends the process, which is seen, and does not go round unseen
                if self._rollbacks > 1:
                    self._stopping.wait(RECOVERY_WAIT)
                self._recover()

    def _poll(self) -> tuple[list[Polled], list[Polled]]:
        now = monotonic()
        flowing = now - self._express_at < EXPRESS_RECENT
        bulk: list[Polled] = []
        if self._bulk is not None and self._states:
            share = BULK_BESIDE_EXPRESS if flowing else self.settings.batch_messages
            bulk = records(self._bulk.consume(max(1, int(share / self._per_submission)), 0), self.stream.lanes)
        wait = 0 if bulk else LINGER if flowing or self._bulk is not None else IDLE
        if self._bulk is not None:
            wait = max(wait, min(self._consumer.rest_left, self._bulk.rest_left))
        express = records(self._consumer.consume(self.settings.batch_messages, wait), self.stream.lanes)
        if express:
            self._express_at = now
        if self._bulk is not None and (express or bulk):
            (self._bulk if express else self._consumer).stir()
        return express, bulk

    def _transact(self, messages: list[Polled], config: Config) -> None:
        """Screen what was polled and commit everything it causes in one transaction."""
        started = perf_counter()
        outputs, touched, tally = self._work(messages, config)
        worked = perf_counter()
        producer = self._producer
        try:
            producer.begin_transaction()
            self._in_transaction = True
            for topic, key, value, partition in outputs:
                _produce(producer, topic, key, value, partition)
            if self._surfacing and producer.flush(TIMEOUT):
                raise RolledBackError("decisions not acknowledged")
            for number in touched:
                for key, change in self._states[number].changes():
                    _produce(producer, self.stream.changelog.name, key, change, number)
            self._sending_since = monotonic()
            producer.send_offsets_to_transaction(
                next_offsets(messages), self._consumer.consumer_group_metadata(), TIMEOUT
            )
            self._sending_since = None
            commit(self._producer)
            self._in_transaction = False
        except KafkaException as error:
            self._sending_since = None
            fault = error.args[0]
            if ends(fault):
                raise
            _log.warning("transaction_aborted", stream=self.stream.name, cause=fault.str())
            raise RolledBackError(fault.str()) from error
        done = perf_counter()
        name = self.stream.name
        metrics.BATCH_SECONDS.labels(name, "screen").observe(worked - started)
        metrics.BATCH_SECONDS.labels(name, "commit").observe(done - worked)
        tally.publish(name, self._clock())
        self._limit.note(tally.failed, tally.fresh)
        for position in next_offsets(messages):
            metrics.POSITION.labels(position.topic, position.partition).set(position.offset)

    def _recover(self) -> None:
        """Back to what is committed: counters and positions as if the poll had not been.

        The broker may be away: tried again, a bounded number of times. Raises the last KafkaException
        then; the process ends, and its successor starts from the same committed place.
        """
        tries = 0
        ready = readiness.states().get(self.stream.name, False)
        while True:
            tries += 1
            try:
                if self._in_transaction:
                    self._producer.abort_transaction(TIMEOUT)
                    self._in_transaction = False
                self._rewind()
                readiness.say(self.stream.name, ready)
                return
            except (KafkaException, UnavailableError) as error:
                final = isinstance(error, KafkaException) and ends(error.args[0])
                if final or tries >= RECOVERY_TRIES or self._stopping.wait(RECOVERY_WAIT):
                    raise
                _log.warning("recovery_retried", stream=self.stream.name, tries=tries, cause=str(error))

    def _rewind(self) -> None:
        self._alerted.clear()
        positions = self._restore(sorted(self._states))
        for position in positions[0]:
            self._consumer.seek(position)
        if self._bulk is not None:
            self._bulk.assign(positions[1])

    def _work(self, messages: list[Polled], config: Config) -> tuple[list[_Output], set[int], BatchMetrics]:
        """Decode, screen and route; what fails becomes a dead letter, its neighbours go on.

        Raises TooManyDeadLettersError when that is no single events' fault any more.
        """
        outputs: list[_Output] = []
        failures: list[tuple[Polled, str]] = []
        tally = BatchMetrics()
        now = int(self._clock() * 1000)
        events: list[Submission | Record] = []
        sources: list[Polled] = []
        places: list[tuple[PartitionState, int, int]] = []
        rounds: set[tuple[str, int]] = set()
        idents: dict[int, int] = {}  # the mark of each new submission, by its place in events
        fresh: set[int] = set()
        for message in messages:
            try:
                event = self._decode(message.value or b"")
            except msgspec.DecodeError as error:
                failures.append((message, f"not a {self.stream.event.__name__}: {error}"))
                continue
            if isinstance(event, Submission) and event.round > 0:
                again = (_round_key(event), event.round)
                state = self._states[message.partition]
                if again in rounds or state.decided(*again, message.lane, message.offset):
                    metrics.ROUNDS_DROPPED.inc()
                    continue
                rounds.add(again)
            elif isinstance(event, Submission):
                ident = mark(event.port, event.id)
                if ident in fresh or self._states[message.partition].seen.elsewhere(
                    ident, message.lane, message.offset
                ):
                    metrics.ROUNDS_DROPPED.inc()
                    continue
                fresh.add(ident)
                idents[len(events)] = ident
            events.append(event)
            sources.append(message)
            places.append((self._states[message.partition], message.lane, message.offset))
        counters = BatchCounters(places, now)
        self._oldest = min([now, *filter(None, map(_taken_in, events))])
        late_ms = self.settings.late_minutes * 60_000
        outcomes = screen(events, counters, config, now, late_ms, self._campaigns.poll())
        decided: dict[int, list[tuple[int, int, int]]] = {}
        for index, (event, message, outcome) in enumerate(zip(events, sources, outcomes, strict=True)):
            if isinstance(outcome, Failure):
                failures.append((message, outcome.cause))
                continue
            try:
                routed = self._routed(event, outcome, message.partition)
            except AntispamError as error:
                failures.append((message, str(error)))
                continue
            outputs += routed
            if isinstance(event, Submission) and event.round > 0:
                state = self._states[message.partition]
                state.decide(_round_key(event), event.round, message.lane, message.offset, now)
            elif index in idents:
                decided.setdefault(message.partition, []).append((idents[index], message.lane, message.offset))
            tally.add(event, outcome.decision, late_ms)
        # One that was a dead letter before says nothing new when it fails again.
        tally.fresh = sum(message.attempts == 0 for message in messages)
        causes = [cause for message, cause in failures if message.attempts == 0]
        tally.failed = len(causes)
        self._limit.check(self.stream.name, tally.failed, tally.fresh, causes[0] if causes else "")
        outputs += [self._dead_letter(message, cause, now) for message, cause in failures]
        for partition, together in decided.items():
            self._states[partition].seen.add(together, now)
        bulk = [e for e, m in zip(events, sources, strict=True) if m.lane == 1]
        if bulk:
            average = sum(len(e.recipients) for e in bulk if isinstance(e, Submission)) / len(bulk)
            self._per_submission = 0.5 * self._per_submission + 0.5 * max(1.0, average)
        metrics.REPLAYED.labels(self.stream.name).inc(counters.replayed)
        return outputs, {m.partition for m in sources}, tally

    def _routed(self, event: Submission | Record, outcome: Screened, partition: int) -> list[_Output]:
        """The decision and its consequences, all to the partition their source came from.

        Raises AntispamError for what cannot be routed or does not fit its topic: all of them or none.
        """
        decision = outcome.decision
        outputs = [_output(topics.DECISIONS.name, decision.id, decision, partition)]
        caused = consequences(event, outcome, self._routes, self._pseudonym, self.settings.release_secret)
        for topic, key, record in caused:
            if isinstance(record, Alert):
                if record.id in self._alerted:
                    continue
                self._alerted[record.id] = None
                if len(self._alerted) > ALERTS_REMEMBERED:
                    del self._alerted[next(iter(self._alerted))]
                metrics.ALERTS.labels(record.level.value, record.rule).inc()
                outputs.append(_output(topic, key, record, 0))
            else:
                outputs.append(_output(topic, key, record, partition))
        return outputs

    def _dead_letter(self, message: Polled, cause: str, now: int) -> _Output:
        topic, partition, offset = message.topic, message.partition, message.offset
        metrics.DEAD_LETTERS.labels(topic).inc()
        _log.error("dead_letter", topic=topic, partition=partition, offset=offset, cause=cause)
        name, value = letter(topic, partition, offset, cause, message.key, message.value, now, message.attempts + 1)
        return topics.DEAD_LETTERS.name, name, value, partition

    def _expire(self, config: Config) -> None:
        """Forget what has run out, as of the oldest event at hand: a backlog finds the counts it continues."""
        now = monotonic()
        if now - self._expired_at < EXPIRY_EVERY:
            return
        self._expired_at = now
        if config.policy is not None:
            late_ms = self.settings.late_minutes * 60_000
            kept = {c.identity: c.window_ms + c.width + late_ms for c in config.policy.counters}
            for state in self._states.values():
                state.expire(kept, self._oldest)
        for state in self._states.values():
            state.expire_rounds(self._oldest)
        metrics.STATE_ENTRIES.labels(self.stream.name).set(self._entries())

    def _entries(self) -> int:
        return sum(len(state) for state in self._states.values())


_Output = tuple[str, bytes, bytes, int]


def _taken_in(event: Submission | Record) -> int | None:
    """When we took in an event that is counted, by our clock (ms); None for one that is not, or does not say."""
    if isinstance(event, Submission):
        return event.accepted_at if event.round == 0 else None
    return event.ingested_at or None


def _round_key(event: Submission) -> str:
    return f"{event.port}|{event.id}"


def _output(topic: str, key: str, record: Event, partition: int) -> _Output:
    """Raises AntispamError for a record that no broker would take: tried again it would fail for ever."""
    name, value = key.encode(), encode(record)
    if len(name) + len(value) > MAX_RECORD:
        kind = type(record).__name__
        raise AntispamError(f"its {kind} has {len(name) + len(value)} bytes, at most {MAX_RECORD} fit {topic}")
    return topic, name, value, partition


def _produce(producer: Producer, topic: str, key: bytes, value: bytes | None, partition: int) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition)
            return
        except BufferError:
            producer.poll(0.05)
