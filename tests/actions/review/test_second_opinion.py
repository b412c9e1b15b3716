"""A blacklist verdict takes a second reviewer, where there is one. Both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from pipeline.actions.review import bulk, claims, places
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.places import UNDO_MS
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.case_events import CHEN, LIN, NOW, add_port, member, rows

SHU = User("shu", Role.SENIOR_REVIEWER)
LATER = NOW + UNDO_MS


def account(db: Database, *people: User) -> None:
    with db.write() as connection:
        for user in people:
            values = {"name": user.name, "role": user.role.value, "scope": dict(user.scope), "created_at": NOW}
            connection.execute(insert(schema.users).values(**values, active=True, queues=list(user.queues)))


@pytest.fixture
def db(any_db: Database) -> Database:
    with any_db.write() as connection:
        add_port(connection)
        project_members(connection, NOW, [member("s0")])
    return any_db


def blacklisted(db: Database, user: User = LIN) -> str:
    (case,) = claims.claim(db, user, NOW)
    claims.decide(db, user, case.id, "blacklist", "", NOW, case.last_member, took=2000)
    return case.id


def kinds(db: Database) -> list[tuple[str, str, str | None]]:
    return [(row.kind, row.reviewer, row.expected) for row in rows(db, schema.opinions)]


@pytest.mark.long
def test_two_reviewers_blacklist(db: Database) -> None:
    account(db, LIN, CHEN)
    case = blacklisted(db)
    (row,) = rows(db, schema.cases)
    assert (row.state, row.verdict, row.first_verdict, row.first_by, row.claimed_by) == (
        "open", None, "blacklist", "lin", None,
    )  # fmt: skip
    assert claims.claim(db, CHEN, LATER - 1) == []  # the first may still take it back
    assert claims.claim(db, LIN, LATER) == []
    with pytest.raises(AntispamError, match="opinion of another"):
        claims.decide(db, LIN, case, "blacklist", "", LATER, 99)
    assert bulk.decide_some(db, LIN, {case: 99}, "blacklist", "", LATER) != {}
    assert places.waiting(db, CHEN, LATER, "level")[0].value == "second"
    (card,) = claims.claim(db, CHEN, LATER)
    assert card.first_verdict == "blacklist"
    claims.decide(db, CHEN, case, "blacklist", "", LATER, card.last_member)
    (row,) = rows(db, schema.cases)
    assert (row.state, row.verdict, row.decided_by) == ("decided", "blacklist", "chen")
    assert kinds(db) == [("first", "lin", None), ("second", "chen", "blacklist")]


def test_a_reviewer_who_is_alone_decides_alone(db: Database) -> None:
    elsewhere = User("far", Role.REVIEWER, {"enterprise": "another"})
    account(db, LIN, elsewhere, User("vic", Role.VIEWER))
    blacklisted(db)
    assert [(row.state, row.verdict) for row in rows(db, schema.cases)] == [("decided", "blacklist")]
    assert kinds(db) == [("verdict", "lin", None)]


def test_if_two_differ_a_senior_reviewer_decides(db: Database) -> None:
    account(db, LIN, CHEN, SHU)
    case = blacklisted(db)
    (card,) = claims.claim(db, CHEN, LATER)
    claims.decide(db, CHEN, case, "release", "", LATER, card.last_member)
    (row,) = rows(db, schema.cases)
    assert (row.state, row.escalated_at) == ("open", LATER)
    assert claims.claim(db, CHEN, LATER) == []
    (card,) = claims.claim(db, SHU, LATER)
    claims.decide(db, SHU, case, "release", "", LATER, card.last_member)
    assert [(row.state, row.verdict) for row in rows(db, schema.cases)] == [("decided", "release")]


@pytest.mark.long
def test_the_first_opinion_is_taken_back_within_ten_seconds(db: Database) -> None:
    account(db, LIN, CHEN)
    case = blacklisted(db)
    claims.undo(db, LIN, case, LATER - 1)
    (row,) = rows(db, schema.cases)
    assert (row.first_by, row.claimed_by) == (None, "lin")
    assert kinds(db) == []
    claims.decide(db, LIN, case, "blacklist", "", LATER, 99)
    with pytest.raises(AntispamError, match="too late"):
        claims.undo(db, LIN, case, LATER + UNDO_MS)
    with pytest.raises(AntispamError):
        claims.undo(db, CHEN, case, LATER)


def test_whoever_is_left_may_decide_when_nobody_else_reviews_any_more(db: Database) -> None:
    account(db, LIN, CHEN)
    blacklisted(db)
    with db.write() as connection:
        connection.execute(schema.users.update().where(schema.users.c.name == "chen").values(active=False))
    (card,) = claims.claim(db, LIN, LATER)
    claims.decide(db, LIN, card.id, "blacklist", "", LATER, card.last_member)
    assert [row.state for row in rows(db, schema.cases)] == ["decided"]


def test_who_asks_gets_an_equal_share_of_what_lies_ahead_in_other_hands(any_db: Database) -> None:
    with any_db.write() as connection:
        project_members(connection, NOW, [member(f"s{i}", f"f{i}", NOW + i) for i in range(60)])
    first = [case.id for case in claims.claim(any_db, LIN, NOW, 60)]
    assert len(first) == 60
    given = [case.id for case in claims.claim(any_db, CHEN, NOW + 1, 60)]
    assert given == first[30:]  # at once, not when the leases end; the first keeps what is next on screen
    assert claims.in_hand(any_db, LIN, NOW + 1) == set(first[:30])
    third = claims.claim(any_db, SHU, NOW + 2, 60)
    assert {case.id for case in third} == {*first[20:30], *given[20:]}
    with any_db.read() as connection:
        audit = connection.scalars(select(schema.audit.c.actor).where(schema.audit.c.action == "case.claim")).all()
    assert (audit.count("lin"), audit.count("chen"), audit.count("shu")) == (60, 30, 20)


def test_the_case_on_screen_and_the_next_are_never_taken(any_db: Database) -> None:
    with any_db.write() as connection:
        project_members(connection, NOW, [member(f"s{i}", f"f{i}", NOW + i) for i in range(3)])
    first = [case.id for case in claims.claim(any_db, LIN, NOW)]
    assert [case.id for case in claims.claim(any_db, CHEN, NOW)] == first[2:]
    assert claims.claim(any_db, SHU, NOW) == []


def test_what_a_reviewer_decides_in_a_minute_stays_in_the_hand(any_db: Database) -> None:
    """The browser is ahead of the server: it may have decided these already."""
    with any_db.write() as connection:
        project_members(connection, NOW, [member(f"s{i}", f"f{i}", NOW + i) for i in range(60)])
    first = claims.claim(any_db, LIN, NOW, 60)
    for case in first[:20]:
        claims.decide(any_db, LIN, case.id, "reject", "", NOW + 1000, case.last_member)
    assert len(claims.claim(any_db, CHEN, NOW + 2000, 60)) == 20
    for case in first[20:35]:
        claims.decide(any_db, LIN, case.id, "reject", "", NOW + 3000, case.last_member)
    claims.give_back(any_db, CHEN, list(claims.in_hand(any_db, CHEN, NOW + 3000)), NOW + 3000)
    assert len(claims.claim(any_db, SHU, NOW + 3000, 20)) == 20  # free ones first
    assert claims.claim(any_db, CHEN, NOW + 4000, 60) != []  # of SHU, who has decided nothing; LIN keeps the last five
    assert len(claims.in_hand(any_db, LIN, NOW + 4000)) == 5


def test_whose_case_was_shared_may_have_decided_it_already(any_db: Database) -> None:
    """The browser is ahead of the server; the first verdict counts."""
    with any_db.write() as connection:
        project_members(connection, NOW, [member(f"s{i}", f"f{i}", NOW + i) for i in range(10)])
    first = claims.claim(any_db, LIN, NOW, 60)
    taken = claims.claim(any_db, CHEN, NOW + 1, 60)
    assert [case.id for case in taken] == [case.id for case in first[5:]]
    claims.decide(any_db, LIN, taken[0].id, "reject", "", NOW + 2, taken[0].last_member)
    with pytest.raises(AntispamError, match="already decided by lin"):
        claims.decide(any_db, CHEN, taken[0].id, "release", "", NOW + 3, taken[0].last_member)
    claims.decide(any_db, CHEN, taken[1].id, "release", "", NOW + 3, taken[1].last_member)
    claims.give_back(any_db, CHEN, [taken[2].id], NOW + 4)
    assert taken[2].id in {case.id for case in claims.claim(any_db, SHU, NOW + 5, 60)}
    with pytest.raises(AntispamError, match="shu has it now"):
        claims.decide(any_db, LIN, taken[2].id, "reject", "", NOW + 6, taken[2].last_member)
