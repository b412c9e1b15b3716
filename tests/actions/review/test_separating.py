"""A merge is undone: every member is back in its case with its time limit, and nothing is decided twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from pipeline.actions.review import claims
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.cases import CLOSING, OVERDUE, escalate
from pipeline.actions.review.merging import merge_campaigns
from pipeline.actions.review.places import UNDO_MS
from pipeline.actions.review.separating import merged_cases, separate
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.actions.review.test_merging import known, opened, sent, undecided
from tests.harness.carried_out import carried_out
from tests.harness.case_events import CHEN, LIN, NOW, PORT, rows
from tests.harness.variants import rotating_hosts

SENIOR = User("shu", Role.SENIOR_REVIEWER)
OTHER = User("mo", Role.SENIOR_REVIEWER)
TEXTS = [rotating_hosts(n) for n in range(20)]


def merged(db: Database, count: int) -> tuple[Any, dict[str, Any]]:
    """Merge `count` cases; returns the one that is left, and all of them as they were."""
    opened(db, [rotating_hosts(n) for n in range(count)])
    before = {case.id: case for case in undecided(db)}
    merge_campaigns(db, NOW, known(TEXTS), NOW)
    (case,) = undecided(db)
    return case, before


def members(db: Database) -> dict[str, tuple[str, int]]:
    return {row.submission: (row.case, row.number) for row in rows(db, schema.case_members)}


def timers(db: Database) -> dict[tuple[str, str], int]:
    return {(row.kind, row.subject): row.due_at for row in rows(db, schema.timers)}


@pytest.mark.long
def test_500_merged_cases_are_as_before_and_stay_apart(any_db: Database) -> None:
    opened(any_db, [rotating_hosts(n) for n in range(500)])
    before, placed, due = {case.id: case for case in undecided(any_db)}, members(any_db), timers(any_db)
    merge_campaigns(any_db, NOW, known(TEXTS), NOW)
    (case,) = undecided(any_db)
    wanted = [one.id for one in merged_cases(any_db, SENIOR, case.id)]
    assert len(wanted) == 499
    assert sorted(separate(any_db, SENIOR, case.id, wanted, NOW)) == sorted(wanted)
    assert members(any_db) == placed
    assert timers(any_db) == due
    after = {found.id: found for found in undecided(any_db)}
    for ident, found in before.items():
        now = after.pop(ident)
        assert (now.submissions, now.messages, now.due_at, now.opened_at) == (1, 1, found.due_at, found.opened_at)
        assert (now.campaign, now.apart) == (("", True) if ident != case.id else (case.campaign, False))
    assert after == {}
    assert merge_campaigns(any_db, NOW, known(TEXTS), NOW) == 0, "a person's word counts"
    assert merged_cases(any_db, SENIOR, case.id) == []
    with any_db.read() as connection:
        assert audit.first_broken(connection) is None
    trail = [row for row in rows(any_db, schema.audit) if row.action == "case.separate"]
    assert {row.actor for row in trail} == {"shu"}
    assert sorted(one for row in trail for one in row.after["cases"]) == sorted(wanted)


def test_each_of_them_is_decided_once(any_db: Database) -> None:
    case, before = merged(any_db, 20)
    separate(any_db, SENIOR, case.id, list(before)[:11], NOW)
    open_now = undecided(any_db)
    verdicts = {found.id: "release" if n % 2 else "reject" for n, found in enumerate(open_now)}
    for view in claims.claim(any_db, LIN, NOW, 30):
        claims.decide(any_db, LIN, view.id, verdicts[view.id], "", NOW, view.last_member)
    left = carried_out(any_db, NOW + UNDO_MS)
    assert sorted(left) == sorted(s for s, (found, _) in members(any_db).items() if verdicts[found] == "release")
    statuses = {row.id: row.verdict for row in rows(any_db, schema.submissions)}
    assert statuses == {s: verdicts[found] for s, (found, _) in members(any_db).items()}
    unfinished = [
        row.id for row in rows(any_db, schema.cases) if row.state == "effective" and row.released < row.last_member
    ]
    assert unfinished == []


def test_later_members_stay_and_later_copies_go_to_the_case_set_apart(any_db: Database) -> None:
    case, before = merged(any_db, 3)
    campaigns = known(TEXTS)
    with any_db.write() as connection:
        project_members(connection, NOW, [sent(100, TEXTS[9])], campaigns)
    apart = next(ident for ident in before if ident != case.id)
    text = before[apart].content
    separate(any_db, SENIOR, case.id, [apart], NOW)
    with any_db.write() as connection:
        project_members(connection, NOW, [sent(101, text), sent(102, TEXTS[10])], campaigns)
    placed = members(any_db)
    assert (placed["s100"], placed["s101"], placed["s102"][0]) == ((case.id, 4), (apart, 2), case.id)
    assert placed["s102"][1] == 5, "no number is given again"


def test_who_saw_what_has_gone_has_not_seen_what_comes_later(any_db: Database) -> None:
    case, before = merged(any_db, 3)
    (view,) = claims.claim(any_db, SENIOR, NOW)
    separate(any_db, SENIOR, case.id, list(before), NOW)
    with any_db.write() as connection:
        project_members(connection, NOW, [sent(100, TEXTS[15])], known(TEXTS))
    with pytest.raises(AntispamError, match="grown by 1 messages"):
        claims.decide(any_db, SENIOR, case.id, "release", "", NOW, view.last_member)


def test_an_escalation_that_came_meanwhile_comes_to_each(any_db: Database) -> None:
    case, before = merged(any_db, 2)
    assert escalate(any_db, case.due_at, 10) == 1
    (other,) = (found for ident, found in before.items() if ident != case.id)
    separate(any_db, SENIOR, case.id, [other.id], case.due_at)
    assert timers(any_db)[OVERDUE.value, other.id] == other.due_at
    assert (CLOSING.value, other.id) in timers(any_db)
    assert escalate(any_db, other.due_at, 10) == 1
    assert all(found.escalated_at for found in undecided(any_db))


def test_what_may_not_be_separated(any_db: Database) -> None:
    case, before = merged(any_db, 3)
    wanted = [ident for ident in before if ident != case.id]
    for user in (LIN, User("op", Role.OPERATOR)):
        with pytest.raises(Forbidden):
            separate(any_db, user, case.id, wanted, NOW)
        with pytest.raises(Forbidden):
            merged_cases(any_db, user, case.id)
    claims.claim(any_db, CHEN, NOW)
    with pytest.raises(AntispamError, match="chen has it now"):
        separate(any_db, SENIOR, case.id, wanted, NOW)
    claims.give_back(any_db, CHEN, [case.id], NOW)
    with pytest.raises(AntispamError, match="nothing to separate"):
        separate(any_db, SENIOR, case.id, [case.id, "unknown"], NOW)
    (view,) = claims.claim(any_db, SENIOR, NOW)
    claims.decide(any_db, SENIOR, case.id, "reject", "", NOW, view.last_member)
    with pytest.raises(AntispamError, match="already decided by shu"):
        separate(any_db, SENIOR, case.id, wanted, NOW)
    claims.undo(any_db, SENIOR, case.id, NOW)
    assert len(separate(any_db, SENIOR, case.id, wanted, NOW)) == 2


def test_a_text_with_another_open_case_stays_merged(any_db: Database) -> None:
    case, before = merged(any_db, 3)
    first, second = (ident for ident in before if ident != case.id)
    with any_db.write() as connection:  # as a decision that knew no campaign opens it
        project_members(connection, NOW, [sent(100, before[first].content)])
    assert separate(any_db, SENIOR, case.id, [first, second], NOW) == [second]
    with pytest.raises(AntispamError, match="other open cases"):
        separate(any_db, SENIOR, case.id, [first], NOW)
    assert [one.id for one in merged_cases(any_db, SENIOR, case.id)] == [first]


def test_two_seniors_at_once_separate_each_case_once(any_db: Database) -> None:
    case, before = merged(any_db, 30)
    wanted = [ident for ident in before if ident != case.id]

    def run(user: User) -> list[str]:
        try:
            return separate(any_db, user, case.id, wanted, NOW)
        except AntispamError:
            return []

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(run, (SENIOR, OTHER)))
    assert sorted(done[0] + done[1]) == sorted(wanted)
    assert len(undecided(any_db)) == 30


def test_a_verdict_meanwhile_wins_or_comes_too_late(any_db: Database) -> None:
    case, before = merged(any_db, 30)
    (view,) = claims.claim(any_db, SENIOR, NOW)
    wanted = [ident for ident in before if ident != case.id]

    def deed(n: int) -> bool:
        try:
            if n == 0:
                claims.decide(any_db, SENIOR, case.id, "reject", "", NOW, view.last_member)
            else:
                separate(any_db, SENIOR, case.id, wanted, NOW)
        except AntispamError:
            return False
        return True

    with ThreadPoolExecutor() as pool:
        decided, parted = pool.map(deed, (0, 1))
    assert decided, "the holder may decide before and after"
    assert len(undecided(any_db)) == (29 if parted else 0)
    assert len(members(any_db)) == 30
    refused = {s for s, (found, _) in members(any_db).items() if found == case.id}
    assert len(refused) == (1 if parted else 30)


def test_a_case_outside_the_scope_is_unknown(any_db: Database) -> None:
    case, before = merged(any_db, 2)
    far = User("far", Role.SENIOR_REVIEWER, {"province": "北京"})
    assert merged_cases(any_db, far, case.id) == []
    with pytest.raises(AntispamError, match="no case"):
        separate(any_db, far, case.id, list(before), NOW)
    with any_db.write() as connection:
        connection.execute(update(schema.cases).where(schema.cases.c.id == case.id).values(port=PORT))
