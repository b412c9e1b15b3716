"""The audit trail is read page by page, by those who administer. Both databases."""

from __future__ import annotations

import pytest

from pipeline.actions.console.audit_trail import Wanted, audit_rows
from pipeline.errors import AntispamError
from pipeline.store import audit
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database

NOW = 1_790_000_000_000
CHIEF = User("chief", Role.ADMINISTRATOR)


@pytest.fixture
def db(any_db: Database) -> Database:
    with any_db.write() as connection:
        for n in range(450):
            actor, action = ("anna", "case.decide") if n % 3 else ("ops", "suspend")
            audit.record(connection, NOW + n, actor, action, f"case/{n}", {"n": n}, {"n": n + 1}, "why")
    return any_db


def test_pages_follow_each_other_without_a_gap(db: Database) -> None:
    seen: list[int] = []
    below, more = None, True
    while more:
        rows, more = audit_rows(db, CHIEF, Wanted(NOW, NOW + 1000, below=below))
        seen += [row.id for row in rows]
        below = rows[-1].id
    assert seen == list(range(450, 0, -1))


def test_filters_narrow(db: Database) -> None:
    rows, more = audit_rows(db, CHIEF, Wanted(NOW + 10, NOW + 13, actor="anna", action="case.", subject="case/1"))
    assert ([row.subject for row in rows], more) == (["case/11", "case/10"], False)
    assert (rows[0].before, rows[0].after, rows[0].reason) == ({"n": 11}, {"n": 12}, "why")
    assert audit_rows(db, CHIEF, Wanted(NOW, NOW + 1000, action="%"))[0] == []  # no pattern of SQL
    with pytest.raises(AntispamError):
        audit_rows(db, CHIEF, Wanted(NOW, NOW))


def test_only_administrators_without_a_scope_read_it(db: Database) -> None:
    for user in (User("o", Role.OPERATOR), User("a", Role.ADMINISTRATOR, {"city": "x"})):
        with pytest.raises(Forbidden):
            audit_rows(db, user, Wanted(NOW, NOW + 1000))
