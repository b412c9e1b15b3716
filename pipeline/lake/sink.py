"""The lake's sink: writes each record of every topic with a table into that table, exactly once.

One commit to a table holds both the rows and the last offset of each partition. After a crash, a rebalance or a full
disk the sink throws away its unwritten rows and reads on from the offsets in the table. It also commits the offsets of
its consumer group, for lag tools, but never reads them.

The name of a position is `<cluster id>/<topic id>/<partition>`. So a topic that was deleted and created again, or a new
cluster at the same address (the embedded broker after a restart), starts a new count.

A record may go to several tables, in this order: full text, dead letters, roll-ups, the table of its topic. The sink
resumes from the position in the last one; the others skip records they already hold.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as At
from confluent_kafka.admin import AdminClient
from deltalake.exceptions import DeltaError

from pipeline import topics
from pipeline.errors import AntispamError, UnavailableError
from pipeline.kafka.admin import log_ids
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.security import librdkafka
from pipeline.lake import delta, upkeep
from pipeline.lake.batch import Batch, Received
from pipeline.lake.first import FirstDecisions, recall
from pipeline.lake.privacy import Privacy
from pipeline.lake.rolling import catch_up, open_rollup
from pipeline.lake.rollups import ROLLUPS, Rollup
from pipeline.lake.tables import (
    CONFIGURATION,
    DEAD_BYTES,
    DEAD_LETTERS,
    DECISIONS,
    FULL,
    SHARED,
    SUBSCRIPTION,
    TEXTS,
    table_of,
)
from pipeline.process.backoff import Backoff
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

FLUSH_ROWS = 20_000
FLUSH_BYTES = 64 * 2**20  # of records not decoded yet; one submission may have 4 MiB
ASK_SECONDS = 10.0  # limit of one request to the broker
BACKOFF = Backoff(first=0.5, longest=30.0, tries=8)  # gives up after about two minutes
FENCED_WAIT = 0.2  # seconds; the other writer probably continues
MIDDLING_EVERY = 24  # flushes between compactions of small files: two minutes at 5 s
LARGE_SECONDS = 3600.0  # between compactions into large files, with vacuum and expiry

DECISIONS_TOPIC = topics.DECISIONS.name
FAILURES = (DeltaError, OSError, KafkaException, UnavailableError)
# A topic's own table is last: its position is the one to resume from.
COMMIT_ORDER: tuple[delta.Stored, ...] = (
    TEXTS,
    DEAD_BYTES,
    DEAD_LETTERS,
    CONFIGURATION,
    *ROLLUPS,
    *(table for table in SHARED if table is not DEAD_LETTERS),
)

_UNAVAILABLE = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
    }
)


@dataclass(slots=True)
class Counts:
    """Counts of a sink since its start. `lag_seconds` is the age of the oldest unflushed record."""

    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    commits: int = 0
    repeated_decisions: int = 0
    undecodable: int = 0
    fenced: int = 0
    failures: int = 0
    compactions: int = 0
    flush_seconds: float = 0.0  # of the last flush
    lag_seconds: float = 0.0


@dataclass(slots=True)
class Partition:
    """One assigned partition: its name in the lake, its last offset in each table, its unflushed records."""

    log_id: str
    app_id: str
    versions: dict[str, int | None]  # by table: the last offset it holds
    taken: int  # last offset read
    first: FirstDecisions | None = None  # for decisions only
    held: list[Received] = field(default_factory=list)


class Sink:
    """The sink. It works in the caller's thread: call `step` until done, then `close`."""

    def __init__(
        self, settings: Settings, group: str = "lake", consumer: Callable[[dict[str, Any]], Consumer] = Consumer
    ) -> None:
        if settings.kafka is None:
            raise AntispamError("the lake's sink needs a broker: set ANTISPAM_KAFKA, or use `antispam up`")
        self.settings = settings
        self.counts = Counts()
        self._lake = settings.lake_place
        self._privacy = Privacy(settings.privacy_secret)
        self._tables = {table.name: delta.open_table(self._lake, table) for table in SHARED + FULL}
        self._tables |= {rollup.name: open_rollup(self._lake, rollup) for rollup in ROLLUPS}
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._held_rows = self._held_bytes = self._flushes = 0
        self._held_since = 0.0
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)
        self._reassigned = False
        self._tidied = time.monotonic()
        broker = {"bootstrap.servers": settings.kafka, **librdkafka(settings), "log_level": 4}
        self._admin = AdminClient(broker)
        self._consumer = consumer(
            broker
            | {
                "group.id": group,
                "client.id": settings.worker_id,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "session.timeout.ms": int(settings.session_timeout * 1000),
                "topic.metadata.refresh.interval.ms": 10_000,  # the time until a new channel is seen
                "queued.max.messages.kbytes": 16_384,
                "fetch.wait.max.ms": 100,
                "enable.partition.eof": True,
            }
        )
        self._consumer.subscribe(
            SUBSCRIPTION, on_assign=self._rebalanced, on_revoke=self._rebalanced, on_lost=self._rebalanced
        )

    def step(self, timeout: float = 0.2) -> None:
        """Read the records that have arrived, and flush when a flush is due.

        Raises Fenced, DeltaError, OSError, KafkaException or UnavailableError: nothing is lost or written twice; call
        `resync` and go on.
        """
        messages = self._consumer.consume(2000, timeout)
        if self._reassigned:
            # Some records may have been fetched before the resync. Taken now, they would hide a gap.
            self._reassigned = False
            self.resync()
            return
        for message in messages:
            self._take(message)
        if not self._held_rows:
            self.counts.lag_seconds = 0.0
            return
        self.counts.lag_seconds = time.monotonic() - self._held_since
        if (
            self._held_rows >= FLUSH_ROWS
            or self._held_bytes >= FLUSH_BYTES
            or self.counts.lag_seconds >= self.settings.lake_flush
        ):
            self.flush()
            self._tidy()

    def flush(self) -> None:
        """Write all unflushed records, one commit a table. Raises what `step` raises, and TooManyDeadLettersError."""
        held = [p for p in self._partitions.values() if p.held]
        if not held:
            return
        started = time.monotonic()
        # The records were read before this request. If the topics are still the assigned ones, the records
        # came from them.
        current = log_ids(self._admin, {p.held[0].topic for p in held}, ASK_SECONDS)
        for p in held:
            if current[p.held[0].topic] != p.log_id:
                raise delta.Fenced(f"{p.held[0].topic} has been made anew")
        batch = Batch(self._privacy)
        collecting = gc.isenabled()
        gc.disable()  # 20,000 new events have no cycles, and looking for some took a third of the time
        try:
            for p in held:
                batch.read(p.held, p.log_id, p.app_id, p.versions, self._keep(p))
            columns = batch.build()
        finally:
            if collecting:
                gc.enable()
        for rollup in ROLLUPS:
            if rollup.of.name in batch.moved:
                batch.moved[rollup.name] = batch.moved[rollup.of.name]
                columns[rollup.name] = rollup.rows(columns[rollup.of.name], _counted(held, rollup))
        self._limit.check("the lake's topics", batch.undecodable, self._held_rows, batch.cause)
        by_app_id = {p.app_id: p for p in held}
        for table in COMMIT_ORDER:
            if table.name not in batch.moved:
                continue
            moved = {app_id: by_app_id[app_id].taken for app_id in batch.moved[table.name]}
            expected = {app_id: by_app_id[app_id].versions[table.name] for app_id in moved}
            rows = columns[table.name]
            if rows is None:
                rows = table.schema.empty_table()
            delta.append(self._tables[table.name], rows, expected, moved)
            for app_id, offset in moved.items():
                by_app_id[app_id].versions[table.name] = offset
            self.counts.commits += 1
            self.counts.rows[table.name] += rows.num_rows
        self._limit.note(batch.undecodable, self._held_rows)
        self.counts.undecodable += batch.undecodable
        self.counts.repeated_decisions += batch.left_out
        self._acknowledge(held)
        for p in held:
            p.held = []
        self._held_rows = self._held_bytes = 0
        self._flushes += 1
        self.counts.flush_seconds = time.monotonic() - started

    def resync(self) -> None:
        """Throw away what is held and read on from what the tables say; raises one of FAILURES."""
        self._partitions.clear()
        self._held_rows = self._held_bytes = 0
        assigned = self._consumer.assignment()
        if assigned:
            self._consumer.assign(self._positions(assigned))

    def close(self) -> None:
        """Leave the group. The next sink reads unflushed records again."""
        self._consumer.close()

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return
            if error.code() in _UNAVAILABLE or error.retriable():
                log.debug("lake_topic_unavailable", topic=message.topic(), reason=error.name())
                return
            raise KafkaException(error)
        record = Received.of(message)
        partition = self._partitions.get((record.topic, record.partition))
        if partition is None or record.offset <= partition.taken:
            return  # from an assignment that has ended, or in the table already
        partition.taken = record.offset
        partition.held.append(record)
        if not self._held_rows:
            self._held_since = time.monotonic()
        self._held_rows += 1
        self._held_bytes += len(record.value or b"")

    def _keep(self, partition: Partition) -> Callable[[Any], bool]:
        first = partition.first
        return (lambda _: True) if first is None else (lambda event: first.is_first(event, self._privacy))

    def _rebalanced(self, _: Consumer, __: list[At]) -> None:
        """Only note the change: an exception in a callback is easily lost, and resync asks broker and tables."""
        self._reassigned = True

    def _positions(self, assigned: list[At]) -> list[At]:
        """Note the partitions as assigned, and return the offset in the tables to read each one from."""
        for table in self._tables.values():
            table.update_incremental()
        logs = log_ids(self._admin, {at.topic for at in assigned}, ASK_SECONDS)
        start = []
        for at in assigned:
            app_id = f"{logs[at.topic]}/{at.partition}"
            for rollup in ROLLUPS:
                if rollup.of is table_of(at.topic):
                    raw = self._tables[rollup.of.name]
                    catch_up(self._tables[rollup.name], raw, rollup, logs[at.topic], at.partition)
            versions = {name: table.transaction_version(app_id) for name, table in self._tables.items()}
            has = versions[table_of(at.topic).name]
            self._partitions[at.topic, at.partition] = Partition(
                logs[at.topic], app_id, versions, -1 if has is None else has
            )
            start.append(At(at.topic, at.partition, OFFSET_BEGINNING if has is None else has + 1))
        self._recall_decisions({at.partition for at in assigned if at.topic == DECISIONS_TOPIC})
        return start

    def _recall_decisions(self, partitions: set[int]) -> None:
        ours = {number: self._partitions[DECISIONS_TOPIC, number] for number in partitions}
        if ours:
            log_id = next(iter(ours.values())).log_id
            last = {number: partition.versions[DECISIONS.name] for number, partition in ours.items()}
            for number, first in recall(self._tables[DECISIONS.name], log_id, last).items():
                ours[number].first = first

    def _acknowledge(self, held: Iterable[Partition]) -> None:
        offsets = [At(last.topic, last.partition, last.offset + 1) for last in (p.held[-1] for p in held)]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:  # only lag tools read these offsets; the tables hold the truth
            log.info("lake_offsets_not_written", reason=str(error))

    def _tidy(self) -> None:
        """Compact between flushes, when it is due."""
        large = time.monotonic() - self._tidied >= LARGE_SECONDS
        if not large and self._flushes % MIDDLING_EVERY:
            return
        try:
            upkeep.compact(self.settings, upkeep.LARGE_BYTES if large else upkeep.MIDDLING_BYTES)
            if large:
                self._tidied = time.monotonic()
            self.counts.compactions += 1
        except AntispamError as error:  # another sink compacts, or the disk is full: rows are still written
            log.info("lake_not_compacted", reason=str(error))


def _counted(held: Iterable[Partition], rollup: Rollup) -> Iterator[tuple[str, int, int]]:
    """The partitions of which the roll-up holds more than its table: a sink ended between their two commits."""
    for p in held:
        counted, has = p.versions[rollup.name], p.versions[rollup.of.name]
        if counted is not None and (has is None or counted > has):
            yield p.log_id, p.held[0].partition, counted


def run_sink(
    settings: Settings,
    stop: threading.Event,
    group: str = "lake",
    observe: Callable[[Counts], None] = lambda _: None,
    consumer: Callable[[dict[str, Any]], Consumer] = Consumer,
) -> Counts:
    """Fill the lake until `stop` is set; `observe` sees the counts after every step. `consumer` makes the consumer.

    A failure throws away what is held, waits as BACKOFF says and reads it again.
    Raises AntispamError once BACKOFF is exhausted.
    """
    try:
        sink = Sink(settings, group, consumer)
    except (DeltaError, OSError) as error:
        raise AntispamError(f"the lake in {settings.lake_place} cannot be opened: {error}") from error
    failures = 0
    try:
        while not stop.is_set():
            committed = sink.counts.commits
            try:
                sink.step()
                if sink.counts.commits > committed:
                    failures = 0
            except (delta.Fenced, *FAILURES) as error:
                failures = _recover(sink, stop, failures, error)
            observe(sink.counts)
        sink.flush()
    except (delta.Fenced, *FAILURES) as error:  # of the last flush: the next sink reads it again
        log.warning("lake_last_flush_failed", reason=str(error))
    finally:
        sink.close()
    return sink.counts


def _recover(sink: Sink, stop: threading.Event, failures: int, error: Exception) -> int:
    """Wait and read on from the tables; returns the failures in a row, which being fenced is not."""
    while True:
        if isinstance(error, delta.Fenced):
            sink.counts.fenced += 1
            wait = FENCED_WAIT
        else:
            sink.counts.failures += 1
            failures += 1
            wait = BACKOFF.pause(failures)
        if BACKOFF.exhausted(failures):
            raise AntispamError(f"the lake cannot be written, {failures} tries in a row: {error}") from error
        log.warning("lake_not_written", reason=str(error), failures=failures, next_try_s=wait)
        stop.wait(wait)
        try:
            sink.resync()
        except FAILURES as again:
            error = again
        else:
            return failures
