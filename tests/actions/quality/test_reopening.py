"""A verdict in effect is reopened: nothing gets two verdicts, nothing is lost, and nothing follows it any more."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.event import listen

from pipeline.actions.quality.own import own_verdicts
from pipeline.actions.quality.reopening import Reopening, reopen, reopening
from pipeline.actions.review import claims, releaser
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.places import UNDO_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.carried_out import carried_out
from tests.harness.case_events import CHEN, LIN, NOW, add_port, member, rows

SENIOR = User("shu", Role.SENIOR_REVIEWER)
LATER = NOW + UNDO_MS


def decided(db: Database, verdict: str, count: int) -> str:
    """A case of `count` members that Lin decided, and that is in effect."""
    with db.write() as connection:
        add_port(connection)
        project_members(connection, NOW, [member(f"s{n}") for n in range(count)])
    (case,) = claims.claim(db, LIN, NOW)
    claims.decide(db, LIN, case.id, verdict, "", NOW, case.last_member)
    with db.write() as connection:
        assert releaser.take_effect(connection, LATER, case.id)
    return case.id


def state(db: Database) -> dict[str, tuple[str, int]]:
    return {row.id: (row.state, row.messages) for row in rows(db, schema.cases)}


def test_what_is_not_carried_out_is_decided_again_by_another_person(
    any_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releaser, "BATCH", 2)
    case = decided(any_db, "reject", 5)
    assert reopening(any_db, LIN, case) == Reopening("reject", done=4, waiting=6)
    reopen(any_db, LIN, case, "a mistake", LATER)
    (new,) = set(state(any_db)) - {case}
    assert state(any_db) == {case: ("effective", 4), new: ("open", 6)}
    assert carried_out(any_db, LATER) == []  # the next batch may have been on its way
    assert claims.claim(any_db, SENIOR, LATER)[0].id == new
    claims.decide(any_db, SENIOR, new, "release", "", LATER, 5)
    assert carried_out(any_db, LATER + UNDO_MS) == ["s2", "s3", "s4"]
    with any_db.read() as connection:
        assert audit.first_broken(connection) is None
    (deed,) = [row for row in rows(any_db, schema.audit) if row.action == "case.reopen"]
    assert (deed.actor, deed.reason, deed.after) == ("lin", "a mistake", {"case": new, "messages": 6, "done": 4})


@pytest.mark.long
def test_the_first_reviewer_does_not_decide_it_again_while_others_review(
    operational_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releaser, "BATCH", 1)
    with operational_db.write() as connection:
        values = {"password": "x", "role": "reviewer", "scope": {}, "active": True, "created_at": 0}
        for user in (LIN, CHEN):
            connection.execute(schema.users.insert().values(name=user.name, **values))
    case = decided(operational_db, "reject", 3)
    new = reopen(operational_db, LIN, case, "a mistake", LATER).case
    assert claims.claim(operational_db, LIN, LATER + UNDO_MS) == []
    (claimed,) = claims.claim(operational_db, CHEN, LATER + UNDO_MS)
    assert (claimed.id, claimed.first_verdict) == (new, "reject")
    claims.decide(operational_db, CHEN, claimed.id, "release", "", LATER + UNDO_MS, claimed.last_member)
    (row,) = [row for row in rows(operational_db, schema.cases) if row.id == new]
    assert (row.state, row.escalated_at) == ("open", LATER + UNDO_MS)  # the two differ: a senior reviewer decides


@pytest.mark.parametrize("verdict", ["release", "reject"])
def test_nothing_follows_a_reopened_verdict(any_db: Database, verdict: str) -> None:
    case = decided(any_db, verdict, 2)
    carried_out(any_db, LATER)
    assert reopening(any_db, SENIOR, case).waiting == 0
    assert reopen(any_db, SENIOR, case, "a mistake", LATER).case is None
    with any_db.write() as connection:
        project_members(connection, LATER, [member("s9", at=LATER)])
    (new,) = set(state(any_db)) - {case}
    assert state(any_db)[new] == ("open", 2)
    (own,) = own_verdicts(any_db, LIN, LATER, NOW)
    assert (own.overturned, own.reopen) == (True, False)


def test_messages_join_the_open_case_of_their_text(any_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releaser, "BATCH", 1)
    case = decided(any_db, "reject", 3)
    with any_db.write() as connection:
        connection.execute(update(schema.cases).values(overturned=True))
        project_members(connection, LATER, [member("s9", at=LATER)])
        connection.execute(update(schema.cases).values(overturned=False))
    (other,) = set(state(any_db)) - {case}
    assert [view.id for view in claims.claim(any_db, LIN, LATER)] == [other]
    assert reopen(any_db, SENIOR, case, "a mistake", LATER).case == other
    (row,) = [row for row in rows(any_db, schema.cases) if row.id == other]
    assert (row.first_verdict, row.first_by, row.first_at) == ("reject", "lin", NOW), "another person is asked"
    assert (row.claimed_by, row.lease_until) == (None, None), "who gave the old verdict no longer holds the case"
    (claimed,) = claims.claim(any_db, SENIOR, LATER)
    assert (claimed.id, claimed.messages) == (other, 6)
    claims.decide(any_db, SENIOR, other, "release", "", LATER, claimed.last_member)
    assert sorted(carried_out(any_db, LATER + UNDO_MS)) == ["s1", "s2", "s9"]


def test_looking_locks_no_row(any_db: Database) -> None:
    case = decided(any_db, "release", 1)
    statements: list[str] = []
    listen(any_db.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    assert reopening(any_db, LIN, case).done == 2
    assert statements
    assert not any("FOR UPDATE" in statement for statement in statements)


def test_only_who_decided_and_seniors_reopen_what_is_in_effect_once(any_db: Database) -> None:
    case = decided(any_db, "release", 1)
    with pytest.raises(AntispamError, match="no verdict in effect that you may reopen"):
        reopen(any_db, CHEN, case, "a mistake", LATER)
    with pytest.raises(AntispamError, match="reason"):
        reopen(any_db, LIN, case, "abc ", LATER)
    reopen(any_db, LIN, case, "a mistake", LATER)
    with pytest.raises(AntispamError, match="no verdict in effect"):
        reopen(any_db, SENIOR, case, "again", LATER)
