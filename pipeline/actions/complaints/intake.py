"""The intake of complaints, whatever brought them: a file, a subscriber's message, HTTP, the topic.

A complaint is stored once. It counts for its port at once, and its number gets no further commercial messages of this
port, as after an unsubscription; codes and notices still reach it.

A message to a complaint code is taken with `door.complaint(of_message(…), settings, now)` and `take`, in the
transaction that stores the message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, literal, select

from pipeline import topics
from pipeline.actions.complaints.due import due_at
from pipeline.actions.conduct.port_conduct import judge_complaints
from pipeline.events import Complaint
from pipeline.file_exchange import ComplaintShape
from pipeline.kafka.decoding import decoded
from pipeline.lake.privacy import mask_text
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.clock.calendar import Calendar
from pipeline.rules.lists import ListEntry
from pipeline.store import audit, outbox, schema
from pipeline.store.database import upsert
from pipeline.store.registry import configurations, list_entries
from pipeline.store.sender_port import port_of
from pipeline.text.numbers import masked_mobile

ANSWER_DAYS = 15  # working days for a source that the settings do not know
_table = schema.complaints


@dataclass(frozen=True, slots=True)
class Taken:
    """How many complaints are new, and how many were known; `strange` of the new ones name no registered port."""

    new: int = 0
    doubles: int = 0
    strange: int = 0


def take(
    connection: Connection, now: int, complaints: Sequence[Complaint], shapes: Mapping[str, ComplaintShape]
) -> Taken:
    """Store complaints of a channel in the caller's transaction, act on the new ones, and publish them for the lake.

    `shapes` are those of the settings; the one named as a complaint's source says when its answer is due. `now` is
    epoch ms. A known complaint changes nothing.
    """
    new = _store(connection, now, complaints, shapes)
    if new:
        outbox.publish(
            connection, now, *((topics.COMPLAINTS, port or complaint.port, complaint) for port, complaint in new)
        )
    return Taken(len(new), len(complaints) - len(new), sum(port is None for port, _ in new))


def project_complaints(
    connection: Connection, now: int, records: Sequence[bytes], shapes: Mapping[str, ComplaintShape]
) -> int:
    """Store the complaints of the topic, and act on the new ones; idempotent. Returns the number not decoded."""
    complaints = decoded(topics.COMPLAINTS, Complaint, records)
    if complaints:
        _store(connection, now, complaints, shapes)
    return len(records) - len(complaints)


def block(connection: Connection, now: int, port: str, ident: str, recipient: str) -> bool:
    """Put a complainer on the list `unsubscribed` of the port (DESIGN §9); returns whether the entry stands.

    A complaint acts once: an entry that an operator removed does not return.
    """
    value = f"{port}:{recipient}"
    if not list_entries.stands(connection, "unsubscribed", value, now):
        item = ListEntry("unsubscribed", value, BuiltInRule.COMPLAINTS)
        evidence = f"complaint/{ident}"[:256]
        list_entries.put(connection, now, audit.PIPELINE, item, BuiltInRule.COMPLAINTS, evidence)
    return list_entries.stands(connection, "unsubscribed", value, now)


def _store(
    connection: Connection, now: int, complaints: Sequence[Complaint], shapes: Mapping[str, ComplaintShape]
) -> list[tuple[str | None, Complaint]]:
    """Store complaints; returns the new ones, each with its registered port. Their ports are judged."""
    outbox.lock(connection)  # before the rows: two processes that take the same complaint must not wait for each other
    calendar = configurations.calendar(connection)
    ports: dict[str, str | None] = {}
    new: list[tuple[str | None, Complaint]] = []
    for complaint in complaints:
        if complaint.port not in ports:
            ports[complaint.port] = connection.scalar(select(port_of(literal(complaint.port))))
        port = ports[complaint.port]
        row = _row(complaint, port, now, calendar, shapes)
        added = upsert(connection, _table).values(row).on_conflict_do_nothing().returning(_table.c.id)
        if connection.execute(added).first() is not None:
            new.append((port, complaint))
    latest = {port: complaint.id for port, complaint in new if port is not None}
    for port, ident in latest.items():
        judge_complaints(connection, now, port, f"complaint/{ident}")
    for port, complaint in new:
        if port is None or masked_mobile(complaint.recipient) is not None:
            continue
        if block(connection, now, port, complaint.id, complaint.recipient):
            same = (_table.c.id == complaint.id, _table.c.port == port)
            connection.execute(_table.update().where(*same).values(blocked_at=now))
    return new


def _row(
    complaint: Complaint, port: str | None, now: int, calendar: Calendar, shapes: Mapping[str, ComplaintShape]
) -> dict[str, object]:
    shape = shapes.get(complaint.source)
    return {
        "id": complaint.id,
        "port": port or complaint.port,
        "sender": complaint.port,
        "recipient": complaint.recipient,
        "source": complaint.source,
        "reference": complaint.reference,
        # What a person wrote to a person is not kept in full.
        "content": complaint.content if port else mask_text(complaint.content),
        "complained_at": complaint.complained_at,
        "received_at": now,
        "due_at": due_at(calendar, now, shape.answer_days if shape else ANSWER_DAYS),
    }
