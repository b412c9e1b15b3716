"""Of two projectors each record is applied by one; a fault of the database loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import Connection, insert

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import send, writer
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database, database
from pipeline.stream.projector import Projector
from tests.harness.migrated import migrated_database


@pytest.fixture
def deployed(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> Settings:
    settings = Settings(kafka=fresh_embedded.bootstrap, data_dir=tmp_path / "data", partitions=2)
    ensure_topics(fresh_embedded.bootstrap, settings)
    migrated_database(settings).close()
    return settings


def note(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Not idempotent: a record applied twice is refused by the key."""
    for record in records:
        values = {"rule": record.decode(), "since": 0}
        connection.execute(insert(schema.rule_alarms).values(**values))
    return 0


def produce(settings: Settings, names: list[str]) -> None:
    send(writer(settings), [(topics.ALERTS.name, name, name.encode()) for name in names])


def noted(settings: Settings) -> list[str]:
    db: Database = database(settings)
    with db.read() as connection:
        found = sorted(connection.scalars(schema.rule_alarms.select().with_only_columns(schema.rule_alarms.c.rule)))
    db.close()
    return found


def until(projectors: list[Projector], settings: Settings, wanted: list[str]) -> None:
    deadline = monotonic() + 60
    while (found := noted(settings)) != sorted(wanted):
        assert monotonic() < deadline, found
        for projector in projectors:
            projector.step()


def test_two_projectors_apply_each_record_once_and_a_third_goes_on(deployed: Settings) -> None:
    first, second = (Projector(deployed, "t", {topics.ALERTS: note}) for _ in range(2))
    produce(deployed, ["a", "b"])
    until([first, second], deployed, ["a", "b"])
    produce(deployed, ["c"])
    until([second, first, second, first], deployed, ["a", "b", "c"])
    for projector in (first, second):
        projector.close()
    third = Projector(deployed, "t", {topics.ALERTS: note})
    produce(deployed, ["d"])
    until([third], deployed, ["a", "b", "c", "d"])
    third.close()


def test_a_batch_the_database_refused_is_kept_and_applied_later(deployed: Settings) -> None:
    broken = [True, True]

    def sometimes(connection: Connection, now: int, records: Sequence[bytes]) -> int:
        note(connection, now, records)
        if broken:
            broken.pop()
            raise AntispamError("operational database: locked")
        return 0

    projector = Projector(deployed, "t", {topics.ALERTS: sometimes})
    produce(deployed, ["a"])
    refused = 0
    deadline = monotonic() + 60
    while not noted(deployed):
        assert monotonic() < deadline
        try:
            projector.step()
        except AntispamError:
            refused += 1
    projector.close()
    assert (refused, noted(deployed)) == (2, ["a"])
