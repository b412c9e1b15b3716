"""The order of cases: risk × messages × age, and near its limit a case comes first; queues follow the policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from pipeline.actions.review import claims
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.urgency import DUE_SOON_MS, restamp, urgency
from pipeline.durations import MINUTE_MS
from pipeline.rules.policies.lifecycle import Approval
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.policies.queues import NO_QUEUES
from pipeline.store import schema
from pipeline.store.database import Database
from pipeline.store.registry import policy_lifecycle
from tests.harness.case_events import LIN, NOW, member, rows
from tests.harness.console_data import CHIEF

POLICY = "queues:\n  - {name: large, description: large, when: messages >= 4}\nrules: []\n"


def case(**fields: Any) -> dict[str, Any]:
    return {"score": 0.5, "messages": 10, "opened_at": NOW, "due_at": NOW + 60 * MINUTE_MS, "priority": 0} | fields


@pytest.mark.parametrize(
    "more",
    [
        {"score": 0.9},
        {"messages": 11},
        {"opened_at": NOW - MINUTE_MS},
        {"priority": 1},
        {"due_at": NOW + DUE_SOON_MS},
    ],
)
def test_each_factor_counts(more: dict[str, Any]) -> None:
    assert urgency(case(**more), NOW) > urgency(case(), NOW)


def test_without_a_score_and_with_the_lowest_one_a_case_still_waits() -> None:
    assert urgency(case(score=None), NOW) == urgency(case(score=0.5), NOW)
    assert urgency(case(score=0.0), NOW) > 0


def test_a_small_case_near_its_limit_comes_before_a_large_new_one() -> None:
    small = case(messages=1, score=0.1, opened_at=NOW - 50 * MINUTE_MS, due_at=NOW + 10 * MINUTE_MS)
    assert urgency(small, NOW) > urgency(case(messages=1000, score=1.0), NOW)


@given(st.integers(0, 100), st.integers(0, 100))
def test_age_never_makes_a_case_less_urgent(earlier: int, later: int) -> None:
    times = sorted((NOW + earlier * MINUTE_MS, NOW + later * MINUTE_MS))
    assert urgency(case(), times[0]) <= urgency(case(), times[1])


def opened(db: Database) -> None:
    with db.write() as connection:
        many = tuple(f"138{n:08d}" for n in range(4))
        project_members(connection, NOW, [member("s1", "f1"), member("s2", "f2", NOW + 1, recipients=many)])


def stamps(db: Database) -> dict[str, tuple[str, float]]:
    return {row.fingerprint: (row.queue, row.urgency) for row in rows(db, schema.cases)}


def test_the_policy_in_force_sorts_new_cases_and_the_larger_one_comes_first(any_db: Database) -> None:
    policy_lifecycle.publish(any_db, CHIEF, POLICY, Approval.ONE, NOW)
    opened(any_db)
    assert stamps(any_db) == {"f1": ("", 10.0), "f2": ("large", 20.0)}
    assert [view.messages for view in claims.claim(any_db, LIN, NOW)] == [4, 2]


def test_a_case_that_grows_is_stamped_at_once_and_sorted_by_the_next_round(any_db: Database) -> None:
    policy_lifecycle.publish(any_db, CHIEF, POLICY, Approval.ONE, NOW)
    opened(any_db)
    with any_db.write() as connection:
        project_members(connection, NOW, [member("s3", "f1"), member("s4", "f1")])
    assert stamps(any_db)["f1"] == ("", 30.0)
    assert restamp(any_db, NOW, parse_policy(POLICY).queues) == 1
    assert stamps(any_db)["f1"] == ("large", 30.0)


def test_age_moves_the_stamps_and_what_is_right_is_left(any_db: Database) -> None:
    opened(any_db)
    assert restamp(any_db, NOW, NO_QUEUES) == 0
    later = NOW + 10 * MINUTE_MS
    assert restamp(any_db, later, NO_QUEUES) == 2
    assert stamps(any_db) == {"f1": ("", 110.0), "f2": ("", pytest.approx(220.0, rel=0.001))}
    assert restamp(any_db, later + 1000, NO_QUEUES) == 0


def test_a_held_case_stays_in_its_queue_until_it_is_free(any_db: Database) -> None:
    opened(any_db)
    (large, _) = claims.claim(any_db, LIN, NOW)
    queues = parse_policy(POLICY).queues
    assert restamp(any_db, NOW, queues) == 0
    claims.give_back(any_db, LIN, [large.id], NOW)
    assert restamp(any_db, NOW, queues) == 1
    assert stamps(any_db)["f2"][0] == "large"


def test_decided_cases_are_left(any_db: Database) -> None:
    opened(any_db)
    with any_db.write() as connection:
        connection.execute(update(schema.cases).values(state="effective"))
    assert restamp(any_db, NOW + 10 * MINUTE_MS, parse_policy(POLICY).queues) == 0
