"""The conduct of a port closes it: a decision, or complaints. A complainer gets no more of its advertisements."""

from __future__ import annotations

import msgspec
from sqlalchemy import insert

from pipeline.actions.conduct.port_conduct import project_complaints, project_port_actions
from pipeline.decision.configuration import ConfigEntries
from pipeline.durations import DAY_MS
from pipeline.events import Complaint, ConfigChange, Kind, PortAction, encode
from pipeline.rules.ports import parse_port
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from pipeline.store.registry import list_entries
from pipeline.store.registry.configurations import everything
from tests.harness.case_events import NOW, PORT, add_port, rows


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


def test_a_complainer_gets_no_more_commercial_messages_of_the_port(any_db: Database) -> None:
    complaint = Complaint(id="c1", port=PORT + "99", recipient="13800138000", complained_at=NOW)
    stranger = Complaint(id="c2", port="10999999", recipient="13800138001", complained_at=NOW)
    with any_db.write() as c:
        add_port(c)
        project_complaints(c, NOW, [encode(complaint), encode(stranger)])
    worker = ConfigEntries()
    with any_db.read() as c:
        entries = [("list", name, value) for kind, name, value in everything(c) if kind == "list"]
    worker.apply([ConfigChange(epoch=1, kind=kind, name=name, value=value) for kind, name, value in entries])
    lists, recipients = worker.config.lists, ["13800138000", "13800138001"]
    assert lists.unreachable(recipients, PORT, Kind.COMMERCIAL, NOW) == {"13800138000": "recipient-unsubscribed"}
    for kind in (Kind.NOTICE, Kind.ONE_TIME_CODE):
        assert lists.unreachable(recipients, PORT, kind, NOW) == {}
    (entry,) = rows(any_db, schema.list_entries)
    assert (entry.value, entry.reason, entry.added_by) == (f"{PORT}:13800138000", "complaints", audit.PIPELINE)


def test_a_complaint_blocks_once_even_after_an_operator_took_the_entry_off(operational_db: Database) -> None:
    complaint = encode(Complaint(id="c1", port=PORT, recipient="13800138000", complained_at=NOW))
    with operational_db.write() as c:
        add_port(c)
        project_complaints(c, NOW, [complaint])
        list_entries.remove(c, NOW, "ops", "unsubscribed", f"{PORT}:13800138000", "withdrawn")
        project_complaints(c, NOW, [complaint])
    assert rows(operational_db, schema.list_entries) == []


def test_an_entry_of_somebody_else_stands(operational_db: Database) -> None:
    item = list_entries.entry("unsubscribed", f"{PORT}:13800138000", "asked by phone", None)
    with operational_db.write() as c:
        add_port(c)
        list_entries.put(c, NOW, "ops", item)
        project_complaints(c, NOW, [encode(Complaint(id="c1", port=PORT, recipient="13800138000", complained_at=NOW))])
    (entry,) = rows(operational_db, schema.list_entries)
    assert entry.reason == "asked by phone"
