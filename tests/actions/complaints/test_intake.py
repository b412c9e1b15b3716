"""A complaint counts once for its port, ends its advertisements to the complainer, and is due for an answer."""

from __future__ import annotations

import msgspec

from pipeline import topics
from pipeline.actions.complaints.intake import Taken, project_complaints, take
from pipeline.decision.configuration import ConfigEntries
from pipeline.durations import DAY_MS
from pipeline.events import Complaint, ConfigChange, Kind, encode
from pipeline.file_exchange import COMPLAINT_SHAPES
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.outbox import unpublished
from pipeline.store.registry import list_entries
from pipeline.store.registry.configurations import everything
from tests.harness.case_events import NOW, PORT, add_port, rows


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
        project_complaints(c, NOW, complaints(900, 60, NOW - 8 * DAY_MS), COMPLAINT_SHAPES)  # of the first three days
    assert state() == "open"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(0, 15, NOW) + complaints(0, 15, NOW), COMPLAINT_SHAPES)
    assert state() == "open"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(15, 1, NOW), COMPLAINT_SHAPES)
    assert state() == "suspended"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(16, 34, NOW), COMPLAINT_SHAPES)
    assert state() == "suspended"
    with operational_db.write() as c:
        project_complaints(c, NOW, complaints(50, 1, NOW), COMPLAINT_SHAPES)
    assert state() == "terminated"


def test_a_complainer_gets_no_more_commercial_messages_of_the_port(any_db: Database) -> None:
    complaint = Complaint(id="c1", port=PORT + "99", recipient="13800138000", complained_at=NOW)
    stranger = Complaint(id="c2", port="10999999", recipient="13800138001", complained_at=NOW)
    with any_db.write() as c:
        add_port(c)
        project_complaints(c, NOW, [encode(complaint), encode(stranger)], COMPLAINT_SHAPES)
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
        project_complaints(c, NOW, [complaint], COMPLAINT_SHAPES)
        list_entries.remove(c, NOW, "ops", "unsubscribed", f"{PORT}:13800138000", "withdrawn")
        project_complaints(c, NOW, [complaint], COMPLAINT_SHAPES)
    assert rows(operational_db, schema.list_entries) == []


def test_an_entry_of_somebody_else_stands(operational_db: Database) -> None:
    item = list_entries.entry("unsubscribed", f"{PORT}:13800138000", "asked by phone", None)
    with operational_db.write() as c:
        add_port(c)
        list_entries.put(c, NOW, "ops", item)
        project_complaints(
            c,
            NOW,
            [encode(Complaint(id="c1", port=PORT, recipient="13800138000", complained_at=NOW))],
            COMPLAINT_SHAPES,
        )
    (entry,) = rows(operational_db, schema.list_entries)
    assert entry.reason == "asked by phone"


def complaint(ident: str = "c1", **fields: object) -> Complaint:
    given = {
        "port": PORT + "99",
        "recipient": "13800138000",
        "complained_at": NOW,
        "content": "【某】退款 1390000 点击",
    }
    return msgspec.convert({"id": ident, **given, **fields}, Complaint)


def test_a_complaint_is_taken_once_and_published_for_the_lake_once(any_db: Database) -> None:
    with any_db.write() as c:
        add_port(c)
        assert take(c, NOW, [complaint(source="12321", reference="A1")], COMPLAINT_SHAPES) == Taken(1, 0, 0)
        assert take(c, NOW + 1, [complaint(source="12321", reference="A1")], COMPLAINT_SHAPES) == Taken(0, 1, 0)
        published = [m for _, p in unpublished(c, 10) for m in p.messages if m.topic == topics.COMPLAINTS.name]
        [message] = published
        assert message.key == PORT
        project_complaints(c, NOW + 2, [message.value or b""], COMPLAINT_SHAPES)  # as it comes back from the topic
    (row,) = rows(any_db, schema.complaints)
    assert (row.port, row.sender, row.reference, row.found) == (PORT, PORT + "99", "A1", "waiting")
    assert (row.received_at, row.blocked_at) == (NOW, NOW)
    assert row.due_at == NOW - 11.5 * 3_600_000 + 22 * DAY_MS  # 15 working days after Tuesday: to the end of a Tuesday


def test_a_hidden_number_blocks_nobody_and_a_strange_sender_is_counted(any_db: Database) -> None:
    with any_db.write() as c:
        add_port(c)
        hidden = complaint("c1", recipient="138****8000")
        person = complaint("c2", port="13912345678")
        assert take(c, NOW, [hidden, person], COMPLAINT_SHAPES) == Taken(2, 0, 1)
    first, second = rows(any_db, schema.complaints)
    assert (first.blocked_at, second.blocked_at) == (None, None)
    assert rows(any_db, schema.list_entries) == []
    assert "1390000" in first.content  # of a port
    assert "1390000" not in second.content  # of a person to a person


def test_complaints_of_one_batch_close_their_port_once(operational_db: Database) -> None:
    with operational_db.write() as c:
        add_port(c)
        take(c, NOW, [complaint(f"c{n}", recipient=f"138001380{n:02}") for n in range(16)], COMPLAINT_SHAPES)
    (port,) = rows(operational_db, schema.ports)
    assert port.state == "suspended"
    assert [row.actor for row in rows(operational_db, schema.actions) if row.kind == "suspend"] == [audit.PIPELINE]
