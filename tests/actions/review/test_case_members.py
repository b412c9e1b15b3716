"""A case collects members while it is open, and members follow its verdict for a day."""

from __future__ import annotations

from sqlalchemy import event

from pipeline.actions.review.case_members import JOIN_MS, project_members
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import NOW, member, rows


def test_members_join_follow_a_verdict_for_a_day_then_open_anew(operational_db: Database) -> None:
    with operational_db.write() as c:
        project_members(c, NOW, [member("a"), member("b", recipients=("13800138000",)), member("a"), b"{}"])
        project_members(c, NOW, [member("b"), member("c", "f2")])
        c.execute(
            schema.cases.update()
            .where(schema.cases.c.fingerprint == "f1")
            .values(state="effective", verdict="release", decided_at=NOW)
        )
        project_members(c, NOW, [member("d", at=NOW + JOIN_MS - 1), member("e", at=NOW + JOIN_MS)])
    found = {row.id: row for row in rows(operational_db, schema.cases)}
    members: dict[str, list[str]] = {}
    for row in rows(operational_db, schema.case_members):
        members.setdefault(row.case, []).append(row.submission)
        assert found[row.case].last_member >= row.number
    assert sorted(members.values()) == [["a", "b", "d"], ["c"], ["e"]]
    assert sorted((c.state, c.submissions, c.messages) for c in found.values()) == [
        ("effective", 3, 5),
        ("open", 1, 2),
        ("open", 1, 2),
    ]


def test_a_batch_costs_as_many_statements_for_many_cases_as_for_few(any_db: Database) -> None:
    said: list[str] = []
    event.listen(any_db.engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    counts = []
    for first, size in ((0, 5), (5, 300), (5000, 300)):
        given = [member(f"s{n}", f"f{n}") for n in range(first, first + size)]
        with any_db.write() as c:
            said.clear()
            project_members(c, NOW, given)
            counts.append(len(said))
        with any_db.write() as c:  # more members of the same cases
            said.clear()
            project_members(c, NOW, [member(f"t{n}", f"f{n}") for n in range(first, first + size)])
            counts.append(len(said))
    assert counts[0] == counts[2] == counts[4]
    assert counts[1] == counts[3] == counts[5]
    assert max(counts) <= 10
