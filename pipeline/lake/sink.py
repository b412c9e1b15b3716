"""The lake's sink: every topic that has a table, into its table, each record exactly once.

A commit to a table carries the offsets its rows end at, so rows and position are one thing: after
a crash, a rebalance or a full disk the sink throws away what it holds and reads on from what the
table says. Consumer group offsets are written afterwards for lag tools and never read.

A position is kept under `<cluster id>/<topic id>/<partition>`: a topic made anew, or a new cluster
at the same address (the embedded broker after a restart), begins a new count.

One record may go to three tables: full text first, then dead letters, then the table of its topic.
Its own table is last, so its position is the one to resume from; the others skip what they have.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
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
from pipeline.lake.tables import DEAD_LETTERS, DECISIONS, FULL, SHARED, SUBSCRIPTION, table_of
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

FLUSH_ROWS = 20_000
FLUSH_BYTES = 64 * 2**20  # of undecoded records; a submission may be 4 MiB
ASK_SECONDS = 10.0  # limit of each request to the broker
TRIES = 8  # failures in a row before the sink gives up, about two minutes
LONGEST_WAIT = 30.0  # seconds between tries
FENCED_WAIT = 0.2  # seconds; the other writer is likely to go on
MIDDLING_EVERY = 24  # flushes between small compactions: two minutes at 5 s
LARGE_SECONDS = 3600.0  # between large ones, with vacuum and expiry

DECISIONS_TOPIC = topics.DECISIONS.name
FAILURES = (DeltaError, OSError, KafkaException, UnavailableError)
# A topic's own table is last: its position is the one to resume from.
COMMIT_ORDER = (*FULL, DEAD_LETTERS, *(table for table in SHARED if table is not DEAD_LETTERS))

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
    """What a sink has done since it started; `lag_seconds` is the age of the oldest unflushed record."""

    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    commits: int = 0
    repeated_decisions: int = 0
    undecodable: int = 0
    fenced: int = 0
    failures: int = 0
    compactions: int = 0
    flush_seconds: float = 0.0  # of the last one
    lag_seconds: float = 0.0


@dataclass(slots=True)
class Partition:
    """One assigned partition: its name in the lake, what each table has of it, what is held of it."""

    log_id: str
    app_id: str
    versions: dict[str, int | None]  # by table: the last offset it holds
    taken: int  # last offset read
    first: FirstDecisions | None = None  # for decisions only
    held: list[Received] = field(default_factory=list)


class Sink:
    """Reads and commits in the caller's thread: `step` until done, then `close`."""

    def __init__(
        self, settings: Settings, group: str = "lake", consumer: Callable[[dict[str, Any]], Consumer] = Consumer
    ) -> None:
        if settings.kafka is None:
            raise AntispamError("the lake's sink needs a broker: set ANTISPAM_KAFKA, or use `antispam up`")
        self.settings = settings
        self.counts = Counts()
        self._lake = settings.lake_dir
        self._privacy = Privacy(settings.privacy_secret)
        self._tables = {table.name: delta.open_table(self._lake, table) for table in SHARED + FULL}
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
                "topic.metadata.refresh.interval.ms": 10_000,  # how soon a new channel is seen
                "queued.max.messages.kbytes": 16_384,
                "fetch.wait.max.ms": 100,
                "enable.partition.eof": True,
            }
        )
        self._consumer.subscribe(
            SUBSCRIPTION, on_assign=self._rebalanced, on_revoke=self._rebalanced, on_lost=self._rebalanced
        )

    def step(self, timeout: float = 0.2) -> None:
        """Take what has arrived, flush when it is time.

        Raises Fenced, DeltaError, OSError, KafkaException or UnavailableError: nothing is lost or written twice; call
        `resync` and go on.
        """
        messages = self._consumer.consume(2000, timeout)
        if self._reassigned:
            # Some of them may be from before; taken now, they would hide what lies between.
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
        """Commit everything held, one commit a table; raises as `step` does, and TooManyDeadLettersError."""
        held = [p for p in self._partitions.values() if p.held]
        if not held:
            return
        started = time.monotonic()
        # Records were read before this question; if the topics are still the ones assigned, they
        # are what these records came from.
        current = log_ids(self._admin, {p.held[0].topic for p in held}, ASK_SECONDS)
        for p in held:
            if current[p.held[0].topic] != p.log_id:
                raise delta.Fenced(f"{p.held[0].topic} has been made anew")
        batch = Batch(self._privacy)
        collecting = gc.isenabled()
        gc.disable()  # it would look for cycles among 20,000 new events, which have none: a third of the time
        try:
            for p in held:
                batch.read(p.held, p.log_id, p.app_id, p.versions, self._keep(p))
            columns = batch.build()
        finally:
            if collecting:
                gc.enable()
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
        """Leave the group; what is held and not flushed is read again by the next sink."""
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
            return  # of an assignment that has ended, or already in the table
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
        """Only noted here: what a callback raises is easily lost, and resync asks broker and tables."""
        self._reassigned = True

    def _positions(self, assigned: list[At]) -> list[At]:
        """Where to read each partition from, by the tables; remembers the partitions as assigned."""
        for table in self._tables.values():
            table.update_incremental()
        logs = log_ids(self._admin, {at.topic for at in assigned}, ASK_SECONDS)
        start = []
        for at in assigned:
            app_id = f"{logs[at.topic]}/{at.partition}"
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
        except KafkaException as error:  # advisory: the tables hold the truth
            log.info("lake_offsets_not_written", reason=str(error))

    def _tidy(self) -> None:
        """Compact now and then, between flushes."""
        large = time.monotonic() - self._tidied >= LARGE_SECONDS
        if not large and self._flushes % MIDDLING_EVERY:
            return
        try:
            upkeep.compact(self.settings, upkeep.LARGE_BYTES if large else upkeep.MIDDLING_BYTES)
            if large:
                self._tidied = time.monotonic()
            self.counts.compactions += 1
        except AntispamError as error:  # another sink is at it, or the disk is full: rows go on being kept
            log.info("lake_not_compacted", reason=str(error))


def run_sink(
    settings: Settings,
    stop: threading.Event,
    group: str = "lake",
    observe: Callable[[Counts], None] = lambda _: None,
    consumer: Callable[[dict[str, Any]], Consumer] = Consumer,
) -> Counts:
    """Fill the lake until `stop` is set; `observe` sees the counts after every step. `consumer` makes the consumer.

    A failure throws away what is held, waits (at most LONGEST_WAIT seconds) and reads it again.
    Raises AntispamError after TRIES failures in a row.
    """
    try:
        sink = Sink(settings, group, consumer)
    except (DeltaError, OSError) as error:
        raise AntispamError(f"the lake in {settings.lake_dir} cannot be opened: {error}") from error
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
            wait = min(LONGEST_WAIT, 0.25 * 2**failures)
        if failures >= TRIES:
            raise AntispamError(f"the lake cannot be written, {failures} tries in a row: {error}") from error
        log.warning("lake_not_written", reason=str(error), failures=failures, next_try_s=wait)
        stop.wait(wait)
        try:
            sink.resync()
        except FAILURES as again:
            error = again
        else:
            return failures
