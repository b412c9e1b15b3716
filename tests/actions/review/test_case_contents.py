"""A reviewer sees how large a case is, whom it reaches, how fast it grows, and where its texts differ."""

from __future__ import annotations

import pytest

from pipeline.actions.review import case_contents, claims
from pipeline.actions.review.case_contents import GROWTH_MS
from pipeline.actions.review.case_members import project_members
from pipeline.store.database import Database
from tests.harness.case_events import LIN, NOW, member

CAMPAIGN = "c0123456789abcdef"
PHONES = ("13800138000", "13800138001", "13800138002")


def arrive(db: Database, now: int, first: int, end: int) -> None:
    with db.write() as connection:
        texts = {n: f"积分 {n} 到期 http://a{n}.cn" for n in range(first, end)}
        given = [
            member(f"s{n}", f"f{n}", now, campaign=CAMPAIGN, content=text, recipients=PHONES[: 1 + n % 3])
            for n, text in texts.items()
        ]
        project_members(connection, now, given)


def test_the_figures_of_a_case(any_db: Database) -> None:
    arrive(any_db, NOW, 0, 30)
    arrive(any_db, NOW + GROWTH_MS, 30, 33)
    (case,) = claims.claim(any_db, LIN, NOW + GROWTH_MS)
    assert (case.submissions, case.messages) == (33, 66)
    found = case.contents
    assert (found.variants, found.recipients, found.growth) == (33, 3, 6)
    assert [slot.kind for slot in found.slots] == ["number", "link"]
    assert found.slots[1].values[0] == "http://a0.cn"
    assert len(set(found.slots[1].values)) == len(found.slots[1].values) == case_contents.COMPARED
    assert len(found.samples) == case_contents.SAMPLES


def test_recipients_of_a_large_case_are_not_counted(any_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_contents, "MOST_RECIPIENTS", 5)
    arrive(any_db, NOW, 0, 3)
    (case,) = claims.claim(any_db, LIN, NOW)
    assert (case.messages, case.contents.recipients) == (6, None)


def test_who_saw_a_case_before_it_grew_sees_no_old_number_of_recipients(any_db: Database) -> None:
    arrive(any_db, NOW, 0, 1)
    (seen,) = claims.claim(any_db, LIN, NOW)
    assert seen.contents.recipients == 1
    arrive(any_db, NOW, 1, 3)
    (still,) = claims.claim(any_db, LIN, NOW, 20, {seen.id: seen})
    assert (still.messages, still.contents.recipients, still.contents.slots) == (6, None, ())
