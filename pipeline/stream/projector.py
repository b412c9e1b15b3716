"""The projector: topics -> operational database, each record once.

Positions are in the database, keyed by cluster and topic id. They move in the same transaction as the changes made by
the records. Each move is a compare-and-set: if two projectors run, the slower one's transaction is rolled back, and it
continues from the other's position. There is no consumer group: a projector reads all partitions.

Readers run independently, so a million submissions do not delay a case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import time

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from sqlalchemy import Connection, select, update

from pipeline import metrics, topics
from pipeline.actions.alerts.news import project_alerts
from pipeline.actions.complaints.intake import project_complaints
from pipeline.actions.conduct.notices import project_list_actions
from pipeline.actions.conduct.port_conduct import project_port_actions
from pipeline.actions.holds.holds import project_holds
from pipeline.actions.orders.parties import load_parties
from pipeline.actions.replies.screening import project_verdicts
from pipeline.actions.review.case_members import project_members
from pipeline.actions.status.statuses import project_decisions, project_submissions
from pipeline.campaigns.known import FindsCampaigns
from pipeline.durations import DAY_MS
from pipeline.kafka.admin import log_ids
from pipeline.kafka.clients import UNHURRIED, administrator, resting_reader
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.polled import Partition, is_record
from pipeline.kafka.steady import patiently, steadily
from pipeline.process import readiness
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database, upsert
from pipeline.store.migrate import open_database
from pipeline.stream.campaign_cases import CampaignCases

# Records in a transaction. While it is open, no other process can write on SQLite. A status is one row of a bulk
# statement, a member of a case five; a hold, a complaint and an alert are each a few statements.
BATCHES = {"statuses": 2000, "cases": 500}
POLL = 0.2  # seconds a poll waits for records
_log = structlog.get_logger()

Projection = Callable[[Connection, int, Sequence[bytes]], int]  # returns the number of undecodable records


def projections(
    settings: Settings, campaigns: FindsCampaigns | None = None
) -> dict[str, dict[topics.Topic, Projection]]:
    """The projections of each reader, in the order in which a transaction applies them.

    Without `campaigns`, a member of a case is of the campaign that its decision knew.
    """
    return {
        "statuses": {
            topics.SUBMISSIONS_EXPRESS: project_submissions,
            topics.SUBMISSIONS_BULK: project_submissions,
            topics.DECISIONS: _project_decisions,
        },
        "cases": {
            topics.HOLDS: partial(project_holds, longest=settings.hold_days * DAY_MS),
            topics.CASES: partial(project_members, campaigns=campaigns),
            topics.COMPLAINTS: partial(project_complaints, shapes=settings.complaint_shapes),
            topics.PORT_ACTIONS: project_port_actions,
            topics.LIST_ACTIONS: partial(project_list_actions, parties=load_parties(settings)),
            topics.ALERTS: project_alerts,
        },
    }


def _project_decisions(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    failed = project_decisions(connection, now, records)
    project_verdicts(connection, now, records)
    return failed


def run_projector(settings: Settings, stop: threading.Event) -> None:
    """The role: all readers, each in its own thread, until `stop`. The process ends when a reader dies."""

    def run(name: str) -> None:
        part = f"projector-{name}"
        campaigns = patiently(part, lambda: CampaignCases(settings), stop) if name == "cases" else None
        table = projections(settings, campaigns.known if campaigns else None)[name]
        projector = patiently(part, lambda: Projector(settings, name, table, batch=BATCHES[name]), stop)

        def step() -> bool:
            if campaigns is not None:
                campaigns.step()
            return projector is not None and projector.step()

        try:
            if projector is not None:
                steadily(part, step, stop, 0)
        finally:
            for opened in (projector, campaigns):
                if opened is not None:
                    opened.close()

    for name in BATCHES:
        readiness.say(f"projector-{name}", False)
    readiness.say("projector", True)  # the readers report their own readiness
    threads = [threading.Thread(target=run, args=(name,), name=f"projector-{name}") for name in BATCHES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class StaleError(Exception):
    """Another projector has moved a position in the meantime."""


class Projector:
    """One reader: its topics, its positions, its connections to the broker and the database."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        table: Mapping[topics.Topic, Projection],
        clock: Callable[[], float] = time,
        batch: int = 200,
    ) -> None:
        self._name = f"projector-{name}"
        self._batch = batch
        self._table = {topic.name: (topic, project) for topic, project in table.items()}
        self._settings = settings
        self._clock = clock
        self._db: Database = open_database(settings)
        self._consumer: Consumer = resting_reader(settings, self._name, 1.0, **UNHURRIED)
        self._logs = log_ids(administrator(settings), self._table)
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)
        self._offsets: dict[Partition, int | None] = {}
        self._waiting: list[Message] = []  # polled but not yet committed
        self._assign()

    def step(self) -> bool:
        """Poll and commit one batch; True if there was one.

        Raises AntispamError when the database refuses, TooManyDeadLettersError when most records are undecodable.
        """
        if not self._waiting:
            self._waiting = [m for m in self._consumer.consume(self._batch, POLL) if is_record(m)]
        if not self._waiting:
            return False
        try:
            self._commit(self._waiting)
        except StaleError:
            _log.warning("projector_behind_another", reader=self._name)
            self._assign()
        self._waiting = []
        return True

    def close(self) -> None:
        """Close both connections."""
        self._consumer.close()
        self._db.close()

    def _commit(self, messages: Sequence[Message]) -> None:
        values: dict[str, list[bytes]] = {}
        ends: dict[Partition, int] = {}
        for message in messages:
            topic = message.topic() or ""
            values.setdefault(topic, []).append(message.value() or b"")
            ends[topic, message.partition() or 0] = (message.offset() or 0) + 1
        with self._db.write() as connection:
            for partition in sorted(ends):
                self._move(connection, partition, ends[partition])
            failed = sum(
                project(connection, int(self._clock() * 1000), values[topic])
                for topic, (_, project) in self._table.items()
                if topic in values
            )
            self._limit.check(self._name, failed, len(messages), "they cannot be decoded")
        self._limit.note(failed, len(messages))
        self._offsets |= ends
        for topic, records in values.items():
            metrics.PROJECTED.labels(topic).inc(len(records))

    def _move(self, connection: Connection, partition: Partition, end: int) -> None:
        """Move one position by compare-and-set. Raises StaleError."""
        positions = schema.positions
        key = {"consumer": self._name, "log": self._logs[partition[0]], "partition": partition[1]}
        before = self._offsets[partition]
        statement = (
            upsert(connection, positions).values(**key, offset=end).on_conflict_do_nothing()
            if before is None
            else update(positions)
            .where(*(positions.c[name] == value for name, value in key.items()), positions.c.offset == before)
            .values(offset=end)
        )
        if connection.execute(statement.returning(positions.c.offset)).first() is None:
            raise StaleError

    def _assign(self) -> None:
        """Assign the partitions, starting at the positions in the database."""
        positions = schema.positions
        with self._db.read() as connection:
            rows = connection.execute(select(positions).where(positions.c.consumer == self._name)).all()
        found = {(row.log, row.partition): row.offset for row in rows}
        self._offsets = {
            (name, number): found.get((self._logs[name], number))
            for name, (topic, _) in self._table.items()
            for number in range(topic.partitions or self._settings.partitions)
        }
        self._consumer.assign(
            [
                TopicPartition(name, number, OFFSET_BEGINNING if offset is None else offset)
                for (name, number), offset in self._offsets.items()
            ]
        )
