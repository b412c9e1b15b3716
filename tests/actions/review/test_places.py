"""Where a reviewer works: true counts, a claim that keeps to the place, and access by role, queue and scope."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert, select, update

from pipeline.actions.review import campaign_review, case_list, claims, places
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.queue_access import set_queues
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import Category, Priority
from pipeline.rules.policies.lifecycle import Approval
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import RIGHTS, Forbidden, Right, Role, User
from pipeline.store.accounts.sessions import user_of
from pipeline.store.accounts.users import list_users
from pipeline.store.database import Database
from pipeline.store.registry import policy_lifecycle
from tests.harness.case_events import CHEN, LIN, NOW, add_port, member, rows
from tests.harness.console_data import CHIEF, sign_up

pytestmark = pytest.mark.long

SENIOR = User("shu", Role.SENIOR_REVIEWER)
SOUTH, NORTH = "10690001", "10690002"
POLICY = """\
queues:
  - {name: fraud, description: {zh: 诈骗, en: Fraud}, when: 'category == "fraud"'}
  - {name: loans, description: {zh: 贷款, en: Loans}, when: 'category == "loan"'}
  - {name: quiet, description: {zh: 无, en: Nothing}, when: messages > 1000000}
rules: []
"""


@pytest.fixture
def db(any_db: Database) -> Database:
    """Six cases: fraud, loan and neither on a port of the south and one of the north."""
    policy_lifecycle.publish(any_db, CHIEF, POLICY, Approval.ONE, NOW)
    with any_db.write() as connection:
        for enterprise, province, port in (("e1", "广东", SOUTH), ("e2", "北京", NORTH)):
            values = {"id": enterprise, "name": enterprise, "province": province, "city": province, "created_at": 0}
            connection.execute(insert(schema.enterprises).values(values))
            add_port(connection, port, enterprise=enterprise)
        kinds = ((Category.FRAUD, 0.95, "c00000000000000aa"), (Category.LOAN, 0.7, ""), (None, None, ""))
        records = [
            member(
                f"{port}/{n}",
                f"f{n}",
                NOW + n,
                port=port,
                category=category,
                score=score,
                campaign=campaign,
                content=f"电话13800138000 {n}",
                priority=Priority.EXPRESS if n == 2 else Priority.BULK,
            )
            for port in (SOUTH, NORTH)
            for n, (category, score, campaign) in enumerate(kinds)
        ]
        project_members(connection, NOW, records)
    return any_db


def told(db: Database, kind: str, user: User = LIN, place: places.Place = places.ANYWHERE) -> dict[str, int]:
    return {row.value: row.cases for row in places.waiting(db, user, NOW, kind, place)}


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("queue", {"": 2, "fraud": 2, "loans": 2, "quiet": 0}),
        ("risk", {"unknown": 2, "high": 2, "middle": 2}),
        ("category", {"": 2, "fraud": 2, "loan": 2}),
        ("lane", {"express": 2, "bulk": 4}),
        ("level", {"usual": 6}),
        ("port", {SOUTH: 3, NORTH: 3}),
        ("campaign", {"": 4, "c00000000000000aa": 2}),
    ],
)
def test_each_kind_counts_what_a_claim_there_gets(db: Database, kind: str, counts: dict[str, int]) -> None:
    assert told(db, kind) == counts
    for value, number in counts.items():
        place = {kind: value}
        assert places.here(db, LIN, NOW, place) == places.Here(number, 0, 0, 6 - number, 0)
        assert case_list.list_cases(db, LIN, NOW, place).total == number
        got = claims.claim(db, LIN, NOW, place=place)
        assert len(got) == number
        claims.give_back(db, LIN, [view.id for view in got], NOW)


def test_two_kinds_together_narrow(db: Database) -> None:
    place = {"queue": "fraud", "port": SOUTH}
    assert told(db, "queue", place=place) == {"": 1, "fraud": 1, "loans": 1, "quiet": 0}
    assert [view.port for view in claims.claim(db, LIN, NOW, place=place)] == [SOUTH]


def test_the_oldest_and_who_works_there_are_told(db: Database) -> None:
    (view, _) = claims.claim(db, CHEN, NOW, place={"queue": "fraud"})
    claims.give_back(db, CHEN, [view.id], NOW)
    fraud = next(row for row in places.waiting(db, LIN, NOW, "queue") if row.value == "fraud")
    assert (fraud.cases, fraud.free, fraud.messages, fraud.oldest) == (2, 1, 4, NOW)
    assert (fraud.workers, fraud.titles) == ((("chen", 1),), {"zh": "诈骗", "en": "Fraud"})
    later = NOW + claims.LEASE_MS
    assert all(row.workers == () for row in places.waiting(db, LIN, later, "queue")), "a lease that ran out is nobody"


def test_an_empty_place_says_why_it_is_empty(db: Database) -> None:
    assert places.here(db, LIN, NOW, {"queue": "quiet"}) == places.Here(0, 0, 0, 6, 0)
    (first, _) = claims.claim(db, LIN, NOW, place={"queue": "loans"})
    claims.skip(db, LIN, first.id, NOW)
    claims.claim(db, CHEN, NOW, place={"queue": "fraud"})
    assert places.here(db, LIN, NOW, {"queue": "fraud"}) == places.Here(2, 2, 0, 4, 1)
    assert places.here(db, LIN, NOW, {"queue": "loans"}) == places.Here(2, 0, 1, 4, 0)
    assert places.here(db, LIN, NOW + places.SKIP_MS, places.ANYWHERE) == places.Here(6, 0, 0, 0, 0)


def test_a_hand_at_a_place_leaves_other_cases_of_the_user_alone(db: Database) -> None:
    claims.claim(db, LIN, NOW, place={"queue": "loans"})
    got = claims.claim(db, LIN, NOW, place={"queue": "fraud"})
    assert {view.category for view in got} == {Category.FRAUD}
    assert len(claims.in_hand(db, LIN, NOW)) == 4


def test_an_escalated_case_is_at_no_place_of_a_reviewer(db: Database) -> None:
    (case, *_) = rows(db, schema.cases)
    with db.write() as connection:
        connection.execute(update(schema.cases).where(schema.cases.c.id == case.id).values(escalated_at=NOW))
    assert told(db, "level") == {"usual": 5}
    assert told(db, "level", SENIOR) == {"usual": 5, "escalated": 1}
    assert places.here(db, LIN, NOW, {"level": "escalated"}) == places.Here(0, 0, 0, 5, 0)
    assert [view.id for view in claims.claim(db, SENIOR, NOW, place={"level": "escalated"})] == [case.id]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("queues", [(), ("fraud",), ("fraud", "loans"), ("gone",)])
@pytest.mark.parametrize("scope", [{}, {"province": "广东"}])
def test_role_queue_and_scope_together_say_what_is_seen_and_decided(
    db: Database, role: Role, queues: tuple[str, ...], scope: dict[str, str]
) -> None:
    user = User("u", role, scope, queues=queues)
    calls = (
        lambda: [view.id for view in claims.claim(db, user, NOW)],
        lambda: [case.id for case in case_list.list_cases(db, user, NOW).cases],
        lambda: claims.in_hand(db, user, NOW),
    )
    if Right.REVIEW not in RIGHTS[role]:
        for call in (*calls, lambda: places.waiting(db, user, NOW, "port")):
            with pytest.raises(Forbidden):
                call()
        return
    cases = rows(db, schema.cases)
    mine = {case.id for case in cases if (not queues or case.queue in queues) and (not scope or case.port == SOUTH)}
    for call in calls:
        assert set(call()) == mine
    assert sum(told(db, "port", user).values()) == len(mine)
    assert places.here(db, user, NOW, places.ANYWHERE) == places.Here(len(mine), 0, 0, 0, 0)
    assert set(told(db, "queue", user)) - {""} <= set(queues or ("fraud", "loans", "quiet"))
    if Right.REVIEW_SECOND in RIGHTS[role]:
        covered = campaign_review.covered(db, user, ["c00000000000000aa"], NOW)
        assert {case.id for found in covered.values() for case in found} == {c.id for c in cases if c.campaign} & mine
    for case in cases:
        with db.write() as connection:  # as if the account had been limited after the claim
            held = update(schema.cases).where(schema.cases.c.id == case.id)
            connection.execute(held.values(claimed_by=user.name, lease_until=NOW + 1))
        if case.id in mine:
            claims.decide(db, user, case.id, "reject", "", NOW, case.last_member)
            continue
        for deed in (
            lambda case=case: claims.decide(db, user, case.id, "reject", "", NOW, case.last_member),
            lambda case=case: claims.skip(db, user, case.id, NOW),
            lambda case=case: claims.case_view(db, user, case.id, NOW),
        ):
            with pytest.raises(AntispamError, match="no case"):
                deed()


def test_an_unknown_kind_is_named(db: Database) -> None:
    for ask in (
        lambda: places.waiting(db, LIN, NOW, "colour"),
        lambda: claims.claim(db, LIN, NOW, place={"colour": "red"}),
        lambda: case_list.list_cases(db, LIN, NOW, {"colour": "red"}),
    ):
        with pytest.raises(AntispamError, match="no kind of place 'colour'; one of queue, risk"):
            ask()
    with pytest.raises(AntispamError, match="no order 'colour'"):
        case_list.list_cases(db, LIN, NOW, sort="colour")
    with pytest.raises(AntispamError, match="no state 'colour'"):
        case_list.list_cases(db, LIN, NOW, state="colour")


def test_the_list_is_masked_sorted_and_by_state(db: Database) -> None:
    found = case_list.list_cases(db, LIN, NOW, sort="score")
    assert [case.score for case in found.cases] == [0.95, 0.95, 0.7, 0.7, None, None]
    assert (found.total, found.messages) == (6, 12)
    assert not any("138" in case.content for case in found.cases)
    mine = claims.claim(db, LIN, NOW, 1)
    claims.claim(db, CHEN, NOW, 2)
    totals = {state: case_list.list_cases(db, LIN, NOW, state=state).total for state in case_list.STATES}
    assert totals == {"open": 6, "free": 3, "mine": 1, "held": 2, "decided": 0}
    claims.decide(db, LIN, mine[0].id, "reject", "", NOW, mine[0].last_member)
    (decided,) = case_list.list_cases(db, CHEN, NOW, state="decided").cases
    assert (decided.id, decided.verdict, decided.decided_by) == (mine[0].id, "reject", "lin")
    late = NOW + 20 * MINUTE_MS
    assert all(case.claimed_by is None for case in case_list.list_cases(db, LIN, late).cases)


def test_a_reviewer_is_limited_to_queues_and_loses_other_leases(db: Database) -> None:
    token = sign_up(db, "lin", Role.REVIEWER, NOW)
    claims.claim(db, LIN, NOW)
    set_queues(db, CHIEF, "lin", ["loans", "loans"], NOW)
    user = user_of(db, token, NOW)
    assert user == replace(LIN, queues=("loans",))
    assert next(account for account in list_users(db, CHIEF, NOW) if account.name == "lin").queues == ("loans",)
    assert {case.queue for case in rows(db, schema.cases) if case.claimed_by == "lin"} == {"loans"}
    set_queues(db, CHIEF, "lin", [], NOW)
    assert user_of(db, token, NOW) == LIN
    with db.read() as connection:
        assert audit.first_broken(connection) is None
        t = schema.audit
        trail = connection.execute(select(t.c.before, t.c.after).where(t.c.action == "set queues").order_by(t.c.id))
        assert [row.after["queues"] for row in trail] == [["loans"], []]


@pytest.mark.parametrize(
    ("name", "queues", "why"),
    [
        ("lin", ["frauds"], "no queue 'frauds'; the policy in force has fraud, loans, quiet"),
        ("nobody", [], "no user 'nobody'"),
        ("vi", ["fraud"], "the role viewer does not review"),
    ],
)
def test_what_cannot_be_set_is_refused(db: Database, name: str, queues: list[str], why: str) -> None:
    sign_up(db, "lin", Role.REVIEWER, NOW)
    sign_up(db, "vi", Role.VIEWER, NOW)
    with pytest.raises(AntispamError, match=why):
        set_queues(db, CHIEF, name, queues, NOW)
