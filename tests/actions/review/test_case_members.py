"""A case collects members while it is open, and members follow its verdict for a day."""

from __future__ import annotations

from sqlalchemy import event

from pipeline.actions.review.case_members import JOIN_MS, project_members
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import NOW, PORT, member, rows


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


CAMPAIGN = "c0123456789abcdef"


def test_a_campaign_is_one_case_of_its_port_whatever_rule_asked(any_db: Database) -> None:
    with any_db.write() as c:
        asked = [member(f"s{n}", f"f{n}", rule=f"rule-{n % 3}", campaign=CAMPAIGN) for n in range(6)]
        project_members(c, NOW, asked[:2])
        project_members(c, NOW, [*asked[2:], member("other", "f9"), member("there", "f0", port="10690002")])
    found = {(row.port, row.campaign): row.submissions for row in rows(any_db, schema.cases)}
    assert found == {(PORT, CAMPAIGN): 6, (PORT, ""): 1, ("10690002", ""): 1}


def test_a_refusal_of_a_campaign_is_followed_by_all_of_it_and_a_release_by_the_same_text(any_db: Database) -> None:
    with any_db.write() as c:
        project_members(c, NOW, [member("a", "f1", campaign=CAMPAIGN), member("b", "f2", content="天气很好")])
        c.execute(schema.cases.update().values(state="effective", verdict="reject", decided_by="lin", decided_at=NOW))
        later = NOW + JOIN_MS - 1
        project_members(
            c, NOW, [member("c", "f3", later, campaign=CAMPAIGN), member("d", "f2", later, content="天气很好")]
        )
        project_members(c, NOW, [member("e", "f2", later, campaign=CAMPAIGN)])  # as the content was, so it is
        c.execute(schema.cases.update().values(verdict="release"))
        project_members(c, NOW, [member("f", "f4", later, campaign=CAMPAIGN)])
        project_members(c, NOW, [member("g", "f5", later, campaign=CAMPAIGN, content="别的话")])
    placed = {row.submission: row.case for row in rows(any_db, schema.case_members)}
    assert placed["a"] == placed["c"] == placed["f"]
    assert placed["b"] == placed["d"]
    assert placed["e"] in (placed["a"], placed["b"])
    assert placed["g"] not in (placed["a"], placed["b"])


def test_a_member_that_names_the_campaign_of_an_open_content_merges_its_case(any_db: Database) -> None:
    with any_db.write() as c:
        project_members(c, NOW, [member("a", "f1"), member("b", "f2", NOW + 1), member("c", "f3", NOW + 2)])
        project_members(c, NOW, [member("d", "f3", campaign=CAMPAIGN), member("e", "f2", NOW, campaign=CAMPAIGN)])
        project_members(c, NOW, [member("f", "f2")])  # decided before the campaign was known
    found = {row.state: row for row in rows(any_db, schema.cases) if row.campaign == CAMPAIGN}
    assert found["open"].submissions == 5
    members = [row for row in rows(any_db, schema.case_members) if row.case == found["open"].id]
    assert sorted(row.submission for row in members) == ["b", "c", "d", "e", "f"]
    assert sorted(row.number for row in members) == [1, 2, 3, 4, 5]
