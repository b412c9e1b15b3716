"""Whole days leave the database when they are over their time; what still waits stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from pipeline.settings import Settings
from pipeline.store import retention, schema
from pipeline.store.database import Database
from pipeline.store.retention import DAY_MS, expire

TODAY = 20_000 * DAY_MS
NOW = TODAY + 5 * 3_600_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, retention_days=160, status_days=7)


def add(db: Database, table: Any, **row: Any) -> None:
    with db.write() as connection:
        connection.execute(insert(table).values(**row))


def count(db: Database, table: Any) -> int:
    with db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def submission(db: Database, ident: str, at: int) -> None:
    add(db, schema.submissions, port="10690001", id=ident, recipients=["138"], priority="express", accepted_at=at)


def case(db: Database, ident: str, state: str, decided_at: int | None) -> None:
    add(
        db, schema.cases, id=ident, port="10690001", fingerprint=ident, state=state, rule="r", content="正文",
        opened_at=0, due_at=0, decided_at=decided_at, released=5, last_member=5,
    )  # fmt: skip
    add(
        db, schema.case_members, case=ident, port="10690001", submission=ident, round=0, messages=1, body=b"{}",
        recipients=["138"], channel="default", added_at=0,
    )  # fmt: skip


def test_statuses_go_after_whole_days(any_db: Database, settings: Settings) -> None:
    for ident, at in (("old", TODAY - 7 * DAY_MS - 1), ("kept", TODAY - 7 * DAY_MS), ("new", NOW)):
        submission(any_db, ident, at)
        add(
            any_db, schema.deliveries, port="10690001", submission=ident, n=1, part=1, recipient="138",
            channel="default", state="delivered", changed_at=at,
        )  # fmt: skip
    deleted = expire(any_db, settings, NOW)
    assert (deleted["submissions"], deleted["deliveries"]) == (1, 1)
    assert (count(any_db, schema.submissions), count(any_db, schema.deliveries)) == (2, 2)


def test_a_decided_case_goes_with_its_texts_and_an_open_one_stays(any_db: Database, settings: Settings) -> None:
    long_ago = TODAY - 160 * DAY_MS - 1
    case(any_db, "decided", "effective", long_ago)
    case(any_db, "open", "open", None)
    case(any_db, "recent", "effective", long_ago + 1)
    assert expire(any_db, settings, NOW)["cases"] == 1
    assert (count(any_db, schema.cases), count(any_db, schema.case_members)) == (2, 2)


def test_more_rows_than_one_transaction_takes(
    operational_db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 3)
    for n in range(10):
        submission(operational_db, f"s{n}", 0)
    assert expire(operational_db, settings, NOW)["submissions"] == 10
    assert not any(expire(operational_db, settings, NOW).values())
