"""Holds wait for a time or a fact; cases collect members; a port's conduct closes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, insert, select

from pipeline.actions.conduct.notices import project_alerts, project_list_actions
from pipeline.actions.conduct.port_conduct import project_complaints, project_port_actions
from pipeline.actions.holds import holds
from pipeline.actions.review import cases, claims
from pipeline.actions.review.cases import JOIN_MS, escalate, project_members
from pipeline.durations import DAY_MS
from pipeline.events import Complaint, Hold, ListAction, PortAction, encode
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.lists import ListEntry, parse_lists
from pipeline.rules.ports import parse_port
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.outbox import publish, unpublished
from tests.harness.case_events import LIN, NOW, PORT, add_port, member, submission


def rows(db: Database, table: Any) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(select(table)))


def hold(ident: str, due_at: int | None, rule: str = "bulk-grace", epoch: int = 1) -> bytes:
    return encode(Hold(submission=submission(ident), rule=rule, due_at=due_at, epoch=epoch))


def test_a_due_hold_is_leased_once_keeps_its_key_and_ends(operational_db: Database) -> None:
    with operational_db.write() as c:
        holds.project_holds(c, NOW, [hold("a", NOW), hold("b", NOW + 1), hold("a", NOW), b"not json"])
        (due,) = holds.claim_due(c, NOW, "one", 10, lambda port: port)
        assert (due.submission.id, due.key) == ("a", PORT)
        assert [d.submission.id for d in holds.claim_due(c, NOW + 1, "two", 10, lambda port: port)] == ["b"]
        late = NOW + holds.LEASE_MS
        # The registry has changed meanwhile: the second try must go where the first went.
        (again,) = holds.claim_due(c, late, "two", 10, lambda _: "1069")
        assert (again.submission.id, again.key) == ("a", PORT)
        assert holds.end(c, "one", [due]) == []  # no longer its own
        assert holds.end(c, "two", [again]) == [again]
    assert [row.submission for row in rows(operational_db, schema.holds)] == ["b"]


def test_facts_release_what_waits_for_them_once_an_epoch(operational_db: Database) -> None:
    with operational_db.write() as c:
        holds.project_holds(
            c, NOW, [hold("u", None, BuiltInRule.PORT_UNKNOWN, 5), hold("p", None, BuiltInRule.NO_POLICY, 5)]
        )
        assert holds.meet_facts(c, NOW + 2000, lambda _: False, 5) == 0
        assert holds.meet_facts(c, NOW + 1999, lambda _: True, 6) == 0  # a worker may lag behind
        assert holds.meet_facts(c, NOW + 2000, lambda _: False, 6) == 1
        assert [d.submission.id for d in holds.claim_due(c, NOW + 2000, "o", 10, str)] == ["p"]
        assert holds.meet_facts(c, NOW + 3000, lambda _: True, 6) == 1
        assert holds.meet_facts(c, NOW + 3000, lambda _: True, 6) == 0


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
        assert found[row.case].last_member >= row.seq
    assert sorted(members.values()) == [["a", "b", "d"], ["c"], ["e"]]
    assert sorted((c.state, c.submissions, c.messages) for c in found.values()) == [
        ("effective", 3, 5),
        ("open", 1, 2),
        ("open", 1, 2),
    ]


def test_an_overdue_case_is_escalated_once(operational_db: Database) -> None:
    with operational_db.write() as c:
        project_members(c, NOW, [member("a")])
    due = NOW + 60 * 60_000
    assert escalate(operational_db, due - 1, 10) == 0
    assert escalate(operational_db, due, 10) == 1
    assert escalate(operational_db, due, 10) == 0
    with operational_db.write() as c:
        ((_, publication),) = unpublished(c, 10)
    assert publication.messages[0].topic == "alerts"
    with operational_db.write() as c:
        project_alerts(c, NOW, [publication.messages[0].value or b""] * 2)
    assert [row.rule for row in rows(operational_db, schema.alerts)] == ["case-overdue"]
    assert rows(operational_db, schema.cases)[0].escalated_at == due


def test_escalation_and_a_reviewer_do_not_wait_for_each_other_in_a_ring(
    postgres_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first case's alert locks the outbox; the reviewer has the second case's row and wants the outbox."""
    with postgres_db.write() as c:
        project_members(c, NOW, [member("a", "f1"), member("b", "f2", NOW + 1)])
    _, second = claims.claim(postgres_db, LIN, NOW + 1)
    alerted, row_taken = Event(), Event()

    def alert(*given: Any) -> Any:
        done = publish(*given)
        alerted.set()
        row_taken.wait(1)
        return done

    recorded = audit.record

    def note(*given: Any) -> None:
        row_taken.set()
        recorded(*given)

    monkeypatch.setattr(cases, "publish", alert)
    monkeypatch.setattr(audit, "record", note)
    with ThreadPoolExecutor(1) as timers:
        escalated = timers.submit(escalate, postgres_db, NOW + 61 * 60_000, 10)
        alerted.wait(5)
        claims.decide(postgres_db, LIN, second.id, "release", "", NOW, second.last_member)
        assert escalated.result(20) == 2


def test_a_decision_suspends_its_port_once(operational_db: Database) -> None:
    action = encode(PortAction(port=PORT, action="suspend", rule="keyword-blacklist", evidence="s1", at=NOW))
    with operational_db.write() as c:
        add_port(c)
        c.execute(insert(schema.signatures).values(port=PORT, signature="甲公司", place=0))
        project_port_actions(c, NOW, [action, action])
        ((_, publication),) = unpublished(c, 10)
        assert b"suspended" in (publication.messages[0].value or b"")
        c.execute(schema.ports.update().values(state="open"))  # an operator resumes it
        project_port_actions(c, NOW, [action])
    (port,) = rows(operational_db, schema.ports)
    assert port.state == "open"
    assert [(a.kind, a.subject, a.evidence) for a in rows(operational_db, schema.actions)] == [
        ("suspend", PORT, "decision/s1")
    ]
    change = msgspec.json.decode(publication.messages[0].value or b"")
    assert parse_port(change["value"]).entry.signatures == ("甲公司",)


def complaints(first: int, count: int, at: int) -> list[bytes]:
    return [
        encode(Complaint(id=f"c{i}", port=PORT + "99", recipient="13800138000", complained_at=at))
        for i in range(first, first + count)
    ]


def test_complaints_suspend_then_terminate_and_repeats_count_once(operational_db: Database) -> None:
    def state() -> str:
        return str(rows(operational_db, schema.ports)[0].state)

    with operational_db.write() as c:
        add_port(c, opened_at=NOW - 10 * DAY_MS)
        project_complaints(c, NOW, complaints(900, 60, NOW - 8 * DAY_MS))  # of the first three days
    assert state() == "open"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(0, 15, NOW) + complaints(0, 15, NOW))
    assert state() == "open"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(15, 1, NOW))
    assert state() == "suspended"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(16, 34, NOW))
    assert state() == "suspended"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(50, 1, NOW))
    assert state() == "terminated"


def test_a_number_is_listed_once_and_published(operational_db: Database) -> None:
    action = ListAction(list="black", entity="sender", value="13800138000", rule="sender-volume", evidence="r1", at=NOW)
    with operational_db.write() as c:
        project_list_actions(c, NOW, [encode(action)] * 2)
        assert c.execute(select(func.count()).select_from(schema.list_entries)).scalar() == 1
        ((_, publication),) = unpublished(c, 10)
    change = msgspec.json.decode(publication.messages[0].value or b"")
    assert parse_lists(change["value"]) == [ListEntry("black", "13800138000", "sender-volume")]
