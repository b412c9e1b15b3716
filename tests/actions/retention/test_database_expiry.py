"""Whole days leave the database when they are over their time, whatever became of what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from pipeline.actions.retention import database_expiry
from pipeline.actions.retention.database_expiry import expire
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import encode
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import submission as of_case

TODAY = 20_000 * DAY_MS
NOW = TODAY + 5 * HOUR_MS


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


def case(db: Database, ident: str, state: str, *members: tuple[int, str]) -> None:
    """A case with these members: when each was added, and its text."""
    add(
        db,
        schema.cases,
        id=ident,
        port="10690001",
        fingerprint=ident,
        state=state,
        rule="r",
        content=members[0][1],
        opened_at=members[0][0],
        due_at=0,
        released=0,
        last_member=len(members),
    )
    for n, (at, text) in enumerate(members):
        add(
            db,
            schema.case_members,
            case=ident,
            number=n + 1,
            port="10690001",
            submission=f"{ident}-{n}",
            round=0,
            messages=1,
            body=encode(of_case(f"{ident}-{n}", content=text)),
            recipients=["138"],
            channel="default",
            added_at=at,
        )


def test_statuses_go_after_whole_days(any_db: Database, settings: Settings) -> None:
    for ident, at in (("old", TODAY - 7 * DAY_MS - 1), ("kept", TODAY - 7 * DAY_MS), ("new", NOW)):
        submission(any_db, ident, at)
        add(
            any_db,
            schema.deliveries,
            port="10690001",
            submission=ident,
            n=1,
            part=1,
            recipient="138",
            channel="default",
            state="delivered",
            changed_at=at,
        )
    deleted = expire(any_db, settings, NOW)
    assert (deleted["submissions"], deleted["deliveries"]) == (1, 1)
    assert (count(any_db, schema.submissions), count(any_db, schema.deliveries)) == (2, 2)


@pytest.mark.long
def test_a_case_goes_with_its_youngest_member(any_db: Database, settings: Settings) -> None:
    """A text of an old day stays nowhere, not even as the one that a younger case shows."""
    kept = TODAY - 160 * DAY_MS
    case(any_db, "decided", "effective", (kept - 2, "旧"), (kept - 1, "旧"))
    case(any_db, "open", "open", (kept - 1, "旧"))
    case(any_db, "joined", "open", (kept - 1, "旧"), (kept, "新"), (kept, "更新"))
    assert expire(any_db, settings, NOW)["cases"] == 2
    with any_db.read() as connection:
        assert connection.execute(select(schema.cases.c.id, schema.cases.c.content)).all() == [("joined", "新")]
    assert count(any_db, schema.case_members) == 2
    assert not any(expire(any_db, settings, NOW).values())


def test_a_case_nobody_decided_is_refused_a_day_before_it_goes(any_db: Database, settings: Settings) -> None:
    kept = TODAY - 160 * DAY_MS
    case(any_db, "forgotten", "open", (kept + DAY_MS - 1, "旧"))
    case(any_db, "younger", "open", (kept + DAY_MS, "新"))
    expire(any_db, settings, NOW)
    t = schema.cases
    with any_db.read() as connection:
        found = connection.execute(select(t.c.id, t.c.state, t.c.verdict, t.c.effective_at).order_by(t.c.id)).all()
    assert found == [("forgotten", "decided", "reject", NOW), ("younger", "open", None, None)]


def test_more_rows_than_one_transaction_takes(
    operational_db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_expiry, "CHUNK", 3)
    for n in range(10):
        submission(operational_db, f"s{n}", 0)
    assert expire(operational_db, settings, NOW)["submissions"] == 10
    assert not any(expire(operational_db, settings, NOW).values())
