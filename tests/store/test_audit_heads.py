"""Cutting off the audit trail's end is seen against what the relay published, and no broker is said to be none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import writer
from pipeline.rules.ports import PortEntry
from pipeline.run.child import free_port
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.audit_heads import message, published
from pipeline.store.backup import backup, restore
from pipeline.store.registry import registry
from pipeline.stream.relay import Relay, deliver
from tests.harness.command import command
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import settings_for

ADMIN = User("admin", Role.ADMINISTRATOR)


@pytest.fixture
def settings(fresh_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = settings_for(fresh_broker, tmp_path, partitions=1)
    ensure_topics(found.kafka or "", found)
    monkeypatch.setenv("ANTISPAM_KAFKA", found.kafka or "")
    monkeypatch.setenv("ANTISPAM_DATA_DIR", str(found.data_dir))
    return found


def verify() -> str:
    """What `antispam audit verify` says; raises AntispamError where it fails."""
    ran = command("audit", "verify")
    assert ran.exit_code == 0
    return ran.stdout


def change(settings: Settings, name: str) -> None:
    db = migrated_database(settings)
    registry.save_port(db, ADMIN, PortEntry(code="101", name=name), 1)
    db.close()


def test_a_trail_whose_end_was_cut_off_is_seen_even_after_it_went_on(settings: Settings) -> None:
    db = migrated_database(settings)
    relay = Relay(settings, db)
    for n in range(3):
        change(settings, f"n{n}")
        relay.step(n)
        relay.step(n)  # nothing new: nothing published
    assert [head.row for head in published(settings)] == [1, 2, 3]
    assert "whole: 3 rows, as published 3 times" in verify()

    with db.write() as connection:
        connection.execute(text("DROP TRIGGER audit_no_delete"))
        connection.execute(text("DELETE FROM audit WHERE id = 3"))
    with pytest.raises(AntispamError, match=r"row 3 of 1970-01-01T00:00:00\+00:00 was cut off .* \(1 of 3 published"):
        verify()
    change(settings, "n4")
    relay.step(4)
    with pytest.raises(AntispamError, match=r"row 3 .* \(1 of 4 published"):
        verify()
    db.close()


def test_a_relay_that_starts_publishes_the_row_it_finds(settings: Settings) -> None:
    change(settings, "n")
    db = migrated_database(settings)
    deliver(settings, db, 1)
    deliver(settings, db, 2)  # by another relay
    assert {head.row for head in published(settings)} == {1}
    assert "whole: 1 rows" in verify()
    db.close()


def test_a_restore_is_told_and_does_not_look_like_a_cut(settings: Settings, tmp_path: Path) -> None:
    change(settings, "n1")
    db = migrated_database(settings)
    backup(db, tmp_path / "b")
    change(settings, "n2")
    deliver(settings, db, 5)
    restore(db, tmp_path / "b", "cli:ops", 9, replace=True)
    change(settings, "n3")
    deliver(settings, db, 10)
    assert "whole: 3 rows, as published 2 times" in verify()
    db.close()


@pytest.mark.parametrize("value", [None, b"{", "the head before"], ids=str)
def test_a_record_that_may_have_taken_a_heads_place_fails(settings: Settings, value: bytes | str | None) -> None:
    """Compaction keeps the last record of a key: somebody else's, with the key of a head, takes the head away."""
    db = migrated_database(settings)
    for n in (1, 2):
        change(settings, f"n{n}")
        deliver(settings, db, n)
    db.close()
    before, last = published(settings)
    producer = writer(settings)
    forged = message(before).value if isinstance(value, str) else value
    producer.produce(topics.AUDIT_HEADS.name, forged, message(last).key, 0)
    assert producer.flush(30) == 0
    with pytest.raises(AntispamError, match="none that the relay published"):
        verify()


@pytest.mark.long
def test_without_a_broker_it_says_what_was_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_DATA_DIR", str(tmp_path))
    change(Settings(data_dir=tmp_path), "n")
    assert "not compared with what was published, so its end may be missing: no broker" in verify()
    monkeypatch.setenv("ANTISPAM_KAFKA", f"127.0.0.1:{free_port()}")
    assert "not compared with what was published, so its end may be missing: Kafka at" in verify()
