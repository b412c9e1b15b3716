"""Checks, figures of reviewers, the shift and one's own verdicts. Both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from pipeline.actions.opinions import Opinion
from pipeline.actions.quality import checks
from pipeline.actions.quality.figures import reviewers
from pipeline.actions.quality.own import own_verdicts
from pipeline.actions.quality.shift import burn_down, shift
from pipeline.actions.review import claims
from pipeline.actions.review.places import UNDO_MS
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.console_data import open_cases, register_ports

NOW = 1_790_000_000_000
ANNA, BEN = User("anna", Role.REVIEWER), User("ben", Role.REVIEWER)
SHU = User("shu", Role.SENIOR_REVIEWER)


@pytest.fixture
def db(any_db: Database) -> Database:
    register_ports(any_db, NOW)
    open_cases(any_db, NOW)
    return any_db


def said(db: Database, reviewer: str, count: int, **fields: Any) -> None:
    row = {"case": "gone", "kind": "verdict", "reviewer": reviewer, "verdict": "reject", "at": NOW} | fields
    with db.write() as connection:
        connection.execute(insert(schema.opinions), [row] * count)


def effective(db: Database, case: str, user: User, verdict: str, ident: int | None = None) -> None:
    with db.write() as connection:
        done = {"state": "effective", "verdict": verdict, "decided_by": user.name, "decided_at": NOW}
        connection.execute(update(schema.cases).where(schema.cases.c.id == case).values(done))
        if ident is not None:
            row = {"id": ident, "case": case, "kind": "verdict", "reviewer": user.name, "verdict": verdict, "at": NOW}
            connection.execute(insert(schema.opinions).values(row))


def test_every_fiftieth_verdict_is_looked_at_by_somebody_else_once(db: Database) -> None:
    effective(db, "case-000", ANNA, "reject", 150)
    effective(db, "case-001", ANNA, "reject", 151)
    said(db, "ben", checks.CHECK_EVERY - 1)
    assert checks.next_check(db, BEN, NOW) is None
    said(db, "ben", 1)
    check = checks.next_check(db, BEN, NOW)
    assert check is not None
    assert (check.kind, check.case, check.expected, check.expected_by) == (Opinion.SAMPLE, "case-000", "reject", "anna")
    assert (check.view.state, check.view.verdict, check.view.decided_by) == ("open", None, None)
    said(db, "anna", checks.CHECK_EVERY)
    assert checks.next_check(db, ANNA, NOW) is None  # not one's own
    checks.answer(db, BEN, check, "release", 900, NOW)
    assert checks.next_check(db, BEN, NOW) is None
    said(db, "cem", checks.CHECK_EVERY)
    assert checks.next_check(db, User("cem", Role.REVIEWER), NOW) is None  # it was looked at
    with db.read() as connection:
        assert connection.scalar(select(schema.cases.c.verdict).where(schema.cases.c.id == "case-000")) == "reject"


def test_a_golden_case_comes_back_to_a_reviewer_after_a_month_only(db: Database) -> None:
    effective(db, "case-002", SHU, "reject")
    checks.make_golden(db, SHU, "case-002", NOW)
    with pytest.raises(AntispamError, match="already"):
        checks.make_golden(db, SHU, "case-002", NOW)
    with pytest.raises(AntispamError, match="that a person decided"):
        checks.make_golden(db, SHU, "case-003", NOW)
    said(db, "ben", checks.CHECK_EVERY)
    check = checks.next_check(db, BEN, NOW)
    assert check is not None
    assert check.kind is Opinion.GOLDEN
    checks.answer(db, BEN, check, "reject", None, NOW)
    said(db, "ben", checks.CHECK_EVERY)
    assert checks.next_check(db, BEN, NOW + 29 * DAY_MS) is None
    assert checks.next_check(db, BEN, NOW + 31 * DAY_MS) is not None
    [golden] = checks.golden_cases(db, SHU)
    assert (golden.answers, golden.agreed) == (1, 1)
    with pytest.raises(AntispamError, match="too late"):
        checks.take_back(db, BEN, check, NOW + UNDO_MS)
    checks.drop_golden(db, SHU, "case-002", NOW)
    assert checks.golden_cases(db, SHU) == []


def test_figures_say_how_fast_and_how_well_reviewers_agree(db: Database) -> None:
    for took in (1000, 2000, 3000, 60_000):
        said(db, "anna", 1, took_ms=took)
    said(db, "anna", 1, verdict="release")
    said(db, "ben", 3, kind="sample", verdict="reject", expected="reject", expected_by="anna")
    said(db, "ben", 1, kind="sample", verdict="release", expected="reject", expected_by="anna")
    said(db, "ben", 2, kind="golden", verdict="reject", expected="release", expected_by="shu")
    said(db, "ben", 1)
    said(db, "old", 1, at=NOW - 2 * DAY_MS)
    anna, ben = reviewers(db, SHU, NOW - DAY_MS, NOW + 1)
    assert (anna.name, anna.verdicts, anna.refused, anna.median_ms, anna.slow_ms) == ("anna", 5, 4, 3000, 60_000)
    assert (anna.confirmed.hits, anna.confirmed.of) == (3, 4)
    assert (ben.verdicts, ben.agreed["sample"].value, ben.agreed["golden"].hits, ben.agreed["second"].of) == (
        1,
        0.75,
        0,
        0,
    )
    with pytest.raises(Forbidden):
        reviewers(db, User("s", Role.SENIOR_REVIEWER, {"city": "x"}), 0, NOW)


def test_the_shift_says_pace_burn_down_and_who_is_on(db: Database) -> None:
    said(db, "anna", 9)
    said(db, "ben", 1, at=NOW - 20 * 60_000)
    said(db, "ben", 1, kind="golden", at=NOW - 20 * 60_000)
    said(db, "old", 5, at=NOW - 2 * HOUR_MS)
    now = shift(db, ANNA, NOW)
    assert (now.mine, now.all, now.came, now.waiting, now.on) == (9, 10, 6, 6, ("anna",))
    assert now.done_in == 90 * 60_000
    assert (burn_down(0, 5, 1), burn_down(5, 5, 5)) == (0, None)


def test_ones_own_verdicts_with_what_became_of_them(db: Database) -> None:
    cases = {case.id: case for case in claims.claim(db, ANNA, NOW)}
    claims.decide(db, ANNA, "case-000", "reject", "", NOW, 99, took=700)
    claims.decide(db, ANNA, "case-001", "release", "", NOW + 1, 99)
    assert len(cases) == 6
    newest, oldest = own_verdicts(db, ANNA, NOW + 2, NOW)
    assert [(v.case, v.verdict, v.state, v.undo) for v in (newest, oldest)] == [
        ("case-001", "release", "decided", True),
        ("case-000", "reject", "decided", True),
    ]
    assert "13800138000" not in oldest.content
    assert not own_verdicts(db, ANNA, NOW + UNDO_MS, NOW)[1].undo
    claims.undo(db, ANNA, "case-001", NOW + 2)
    assert [v.case for v in own_verdicts(db, ANNA, NOW + 3, NOW)] == ["case-000"]
    assert own_verdicts(db, BEN, NOW, 0) == []
    with db.write() as connection:
        connection.execute(delete(schema.case_members))
        connection.execute(delete(schema.cases))
    assert own_verdicts(db, ANNA, NOW, 0) == []  # with their cases
