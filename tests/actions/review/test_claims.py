"""Reviewers: one case, one reviewer, one verdict; taking it back; seeing no more than one's scope."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select

from pipeline.actions.review import case_contents, claims, places
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.cases import escalate
from pipeline.actions.review.places import UNDO_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.case_events import CHEN, LIN, NOW, PORT, add_port, member, rows


def fill(db: Database, count: int) -> None:
    with db.write() as connection:
        project_members(
            connection, NOW, [member(f"s{i}", f"f{i}", NOW + i, content=f"电话13800138000 {i}") for i in range(count)]
        )


def actions(db: Database) -> list[str]:
    with db.read() as connection:
        assert audit.first_broken(connection) is None
        return list(connection.scalars(select(schema.audit.c.action).order_by(schema.audit.c.id)))


def test_two_reviewers_never_hold_one_case(operational_db: Database) -> None:
    fill(operational_db, 5)
    first = claims.claim(operational_db, LIN, NOW, 3)
    second = claims.claim(operational_db, CHEN, NOW, 3)
    assert [v.content[-1] for v in first] == ["0", "1", "2"]  # by due time
    assert [v.content[-1] for v in second] == ["3", "4"]
    assert [v.id for v in claims.claim(operational_db, LIN, NOW + 1, 3)] == [v.id for v in first]  # a page reloaded
    assert actions(operational_db) == ["case.claim"] * 5


def test_a_lease_that_ran_out_goes_to_another_and_the_first_is_told(operational_db: Database) -> None:
    fill(operational_db, 1)
    (case,) = claims.claim(operational_db, LIN, NOW)
    assert claims.heartbeat(operational_db, LIN, NOW + 1000) == 1
    assert claims.claim(operational_db, CHEN, NOW + claims.LEASE_MS) == []
    late = NOW + 1000 + claims.LEASE_MS
    assert [v.id for v in claims.claim(operational_db, CHEN, late)] == [case.id]
    with pytest.raises(AntispamError, match="chen has it now"):
        claims.decide(operational_db, LIN, case.id, "release", "", late, case.last_member)
    claims.decide(operational_db, CHEN, case.id, "reject", "推销", late, case.last_member)
    with pytest.raises(AntispamError, match="already decided by chen"):
        claims.decide(operational_db, CHEN, case.id, "release", "", late, case.last_member)
    assert actions(operational_db) == ["case.claim", "case.claim", "case.decide"]


def test_undo_works_for_ten_seconds_and_for_oneself_only(operational_db: Database) -> None:
    fill(operational_db, 1)
    (case,) = claims.claim(operational_db, LIN, NOW)
    claims.decide(operational_db, LIN, case.id, "blacklist", "", NOW, case.last_member)
    with pytest.raises(AntispamError, match="not your verdict"):
        claims.undo(operational_db, CHEN, case.id, NOW + 1)
    claims.undo(operational_db, LIN, case.id, NOW + UNDO_MS - 1)
    assert claims.case_view(operational_db, LIN, case.id, NOW).state == "open"
    claims.decide(operational_db, LIN, case.id, "release", "", NOW + 20_000, case.last_member)
    with pytest.raises(AntispamError, match="too late"):
        claims.undo(operational_db, LIN, case.id, NOW + 20_000 + UNDO_MS)


def test_a_skipped_case_goes_to_others_first(operational_db: Database) -> None:
    fill(operational_db, 1)
    (case,) = claims.claim(operational_db, LIN, NOW)
    claims.skip(operational_db, LIN, case.id, NOW)
    assert claims.claim(operational_db, LIN, NOW) == []
    with pytest.raises(AntispamError, match="claim it first"):
        claims.skip(operational_db, LIN, case.id, NOW)
    assert len(claims.claim(operational_db, CHEN, NOW)) == 1
    claims.give_back(operational_db, CHEN, [case.id], NOW)
    assert len(claims.claim(operational_db, LIN, NOW + places.SKIP_MS)) == 1


def test_whoever_looks_at_a_case_is_noted(operational_db: Database) -> None:
    fill(operational_db, 1)
    (case,) = rows(operational_db, schema.cases)
    assert "13800138000" in claims.case_view(operational_db, CHEN, case.id, NOW).content
    assert actions(operational_db) == ["case.view"]


def test_samples_show_what_differs(operational_db: Database) -> None:
    with operational_db.write() as connection:
        texts = ["你好A", "你好A", "你好B", "你好C", "你好D", "你好E"]
        project_members(connection, NOW, [member(f"s{i}", content=text) for i, text in enumerate(texts)])
    (case,) = claims.claim(operational_db, LIN, NOW)
    assert (case.content, case.samples) == ("你好A", ("你好B", "你好C", "你好D"))


FIRST, OTHER = "【示例】领取请访问 http://t1.cn/1 加微信 wx138001", "【示例】领取请访问 http://t9.cn/77 加微信 wx991234"


def join(db: Database, *records: bytes) -> None:
    with db.write() as connection:
        project_members(connection, NOW, records)


def case_of(db: Database) -> dict[str, str]:
    m = schema.case_members
    with db.read() as connection:
        return {row.submission: row.case for row in connection.execute(select(m.c.submission, m.c.case))}


def test_a_release_is_followed_by_the_same_text_only_and_a_refusal_by_its_fingerprint(
    operational_db: Database,
) -> None:
    join(operational_db, member("s0", content=FIRST))
    (case,) = claims.claim(operational_db, LIN, NOW)
    claims.decide(operational_db, LIN, case.id, "release", "", NOW, case.last_member)
    later = NOW + UNDO_MS
    join(operational_db, member("s1", at=later, content=OTHER), member("s2", at=later, content=FIRST + " "))
    placed = case_of(operational_db)
    assert placed["s2"] == placed["s0"] != placed["s1"]
    (other,) = claims.claim(operational_db, LIN, later)
    assert (other.id, other.content) == (placed["s1"], OTHER)
    claims.decide(operational_db, LIN, other.id, "reject", "", later, other.last_member)
    join(operational_db, member("s3", at=later + 1, content=OTHER + "88"), member("s4", at=later + 1, content=FIRST))
    placed = case_of(operational_db)
    assert (placed["s3"], placed["s4"]) == (other.id, case.id)


def test_what_another_rule_held_does_not_follow_a_release(operational_db: Database) -> None:
    join(operational_db, member("s0", content=FIRST))
    (case,) = claims.claim(operational_db, LIN, NOW)
    claims.decide(operational_db, LIN, case.id, "release", "", NOW, case.last_member)
    join(operational_db, member("s1", content=FIRST, rule="keyword-fraud"))
    assert len(set(case_of(operational_db).values())) == 2


def test_undo_takes_in_what_opened_beside_it(operational_db: Database) -> None:
    join(operational_db, member("s0", content=FIRST))
    (case,) = claims.claim(operational_db, LIN, NOW)
    claims.decide(operational_db, LIN, case.id, "release", "", NOW, case.last_member)
    join(operational_db, member("s1", content=OTHER))
    claims.undo(operational_db, LIN, case.id, NOW + 1)
    (again,) = claims.claim(operational_db, LIN, NOW + 1)
    assert (again.id, again.submissions, again.messages, again.samples) == (case.id, 2, 4, (OTHER,))


def test_nobody_releases_what_joined_unseen(operational_db: Database) -> None:
    join(operational_db, member("s0", content=FIRST))
    (seen,) = claims.claim(operational_db, LIN, NOW)
    join(operational_db, member("s1", content=FIRST.replace("领取", "领取 5 元")), member("s2", content=OTHER))
    with pytest.raises(AntispamError, match="grown by 2 messages"):
        claims.decide(operational_db, LIN, seen.id, "release", "", NOW, seen.last_member)
    (now_seen,) = claims.claim(operational_db, LIN, NOW)
    assert OTHER in now_seen.samples
    join(operational_db, member("s3", content=FIRST))  # the like of what was seen does not get in the way
    claims.decide(operational_db, LIN, seen.id, "release", "", NOW, now_seen.last_member)


def test_a_busy_case_of_many_links_can_be_decided(operational_db: Database) -> None:
    def link(n: int) -> bytes:
        return member(f"s{n}", content=f"请看 http://t{n}.cn/1")

    join(operational_db, *map(link, range(case_contents.SAMPLES + 2)))
    (case,) = claims.claim(operational_db, LIN, NOW)
    join(operational_db, link(99))
    claims.decide(operational_db, LIN, case.id, "release", "", NOW, case.last_member)


def test_texts_are_read_once_and_while_others_may_write(
    operational_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bool] = []
    real = case_contents._decode

    def decode(body: bytes) -> Any:
        with operational_db.write():  # waits, in vain, for whoever holds the lock
            read.append(True)
        return real(body)

    fill(operational_db, 2)
    monkeypatch.setattr(case_contents, "_decode", decode)
    shown = {view.id: view for view in claims.claim(operational_db, LIN, NOW, 1)}
    assert len(read) == 1
    assert len(claims.claim(operational_db, LIN, NOW, 2, shown)) == 2
    assert len(read) == 2


def test_an_escalated_case_needs_a_senior_reviewer(operational_db: Database) -> None:
    fill(operational_db, 1)
    (case,) = claims.claim(operational_db, LIN, NOW)
    due = NOW + 60 * 60_000
    assert escalate(operational_db, due, 10) == 1
    assert claims.in_hand(operational_db, LIN, due) == set()
    assert claims.claim(operational_db, LIN, due) == []
    with pytest.raises(AntispamError, match="senior reviewer"):
        claims.decide(operational_db, LIN, case.id, "release", "", due, case.last_member)
    senior = User("shu", Role.SENIOR_REVIEWER)
    assert [view.id for view in claims.claim(operational_db, senior, due)] == [case.id]
    claims.decide(operational_db, senior, case.id, "release", "", due, case.last_member)


def test_scope_and_right_are_kept_by_the_service(operational_db: Database) -> None:
    with operational_db.write() as connection:
        connection.execute(
            insert(schema.enterprises).values(id="e1", name="甲", province="广东", city="广州", created_at=0)
        )
        add_port(connection, PORT, enterprise="e1")
        project_members(connection, NOW, [member("a", "f"), member("b", "f", port="10690002")])
    here = replace(LIN, scope={"province": "广东"})
    (case,) = claims.claim(operational_db, here, NOW)
    assert case.port == PORT
    other = next(v for v in rows(operational_db, schema.cases) if v.port != PORT)
    with pytest.raises(AntispamError, match="no case"):
        claims.case_view(operational_db, here, other.id, NOW)
    for call in (claims.claim, claims.heartbeat):
        with pytest.raises(Forbidden):
            call(operational_db, User("w", Role.VIEWER), NOW)


def test_a_wrong_verdict_or_note_changes_nothing(operational_db: Database) -> None:
    fill(operational_db, 1)
    (case,) = claims.claim(operational_db, LIN, NOW)
    with pytest.raises(AntispamError, match="verdict 'hold'"):
        claims.decide(operational_db, LIN, case.id, "hold", "", NOW, case.last_member)
    with pytest.raises(AntispamError, match="note"):
        claims.decide(operational_db, LIN, case.id, "release", "x" * 1001, NOW, case.last_member)
    assert claims.case_view(operational_db, LIN, case.id, NOW).state == "open"
