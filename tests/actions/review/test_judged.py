"""Only verdicts of people, in force, of members in the period."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from pipeline.actions.review import case_members
from pipeline.actions.review.judged import judged_members
from pipeline.lake.backtest.period import JudgedMember
from pipeline.store import audit, schema
from pipeline.store.database import Database
from tests.harness.case_events import NOW, PORT, add_port, member, rows


@pytest.fixture
def decided(any_db: Database) -> Database:
    """Two members of one case, which lin has rejected."""
    with any_db.write() as connection:
        add_port(connection)
        case_members.project_members(connection, NOW, [member("s1"), member("s2", content="您的快递已到了")])
        connection.execute(
            update(schema.cases).values(
                state="effective", verdict="reject", decided_by="lin", decided_at=NOW, effective_at=NOW
            )
        )
    return any_db


def test_every_member_of_a_decided_case_is_judged(decided: Database) -> None:
    (case,) = rows(decided, schema.cases)
    assert sorted(judged_members(decided, NOW, NOW + 1, NOW), key=lambda m: m.submission) == [
        JudgedMember(case=case.id, port=PORT, submission="s1", refused=True),
        JudgedMember(case=case.id, port=PORT, submission="s2", refused=True),
    ]


def test_a_released_case_is_judged_too(decided: Database) -> None:
    with decided.write() as connection:
        connection.execute(update(schema.cases).values(verdict="release"))
    assert {member.refused for member in judged_members(decided, NOW, NOW + 1, NOW)} == {False}


@pytest.mark.parametrize(
    "values",
    [
        {"verdict": None, "decided_by": None, "decided_at": None, "effective_at": None, "state": "open"},
        {"decided_by": audit.PIPELINE},
        {"effective_at": NOW + 1},
    ],
    ids=["open", "by the closing time", "can be undone"],
)
def test_other_cases_are_not(decided: Database, values: dict[str, object]) -> None:
    with decided.write() as connection:
        connection.execute(update(schema.cases).values(values))
    assert judged_members(decided, NOW, NOW + 1, NOW) == []


def test_members_outside_the_period_are_not(decided: Database) -> None:
    assert judged_members(decided, NOW + 1, NOW + 2, NOW) == judged_members(decided, NOW - 1, NOW, NOW) == []
