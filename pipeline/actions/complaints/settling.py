"""A person settles what a doubtful complaint is about: one of the messages that it may be about, or none.

The candidates are kept when the complaint is matched, with masked texts. What a person says may be changed until the
complaint is answered. The number of a chosen message gets no further commercial messages of the port; a number that
was blocked before stays so, because an operator takes entries off the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from pipeline.actions.complaints.intake import block
from pipeline.actions.complaints.matching import Candidate, Doubt, Found, likeness
from pipeline.errors import AntispamError
from pipeline.lake.privacy import mask_text
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Right, User, require, require_port
from pipeline.store.database import Database
from pipeline.text.numbers import masked

_table, _candidates = schema.complaints, schema.complaint_candidates


@dataclass(frozen=True, slots=True)
class Possible:
    """A message that a complaint may be about: `number` tells it from others; content and recipient are masked.

    `likeness` is that of its text and the complaint's, 0 to 1; `at` is epoch ms.
    """

    number: int
    message: str
    recipient: str
    content: str
    likeness: float
    at: int
    sent: bool
    campaign: str


def keep_candidates(connection: Connection, complaint: Row[Any], candidates: Sequence[Candidate]) -> None:
    """Keep the candidates of a complaint in their order."""
    rows = [
        {
            "complaint": complaint.id,
            "port": complaint.port,
            "number": number,
            "message": each.message,
            "recipient": each.recipient,
            "content": mask_text(each.content),
            "likeness": likeness(complaint.content, each.content) if complaint.content.strip() else 0.0,
            "at": each.at,
            "sent": each.sent,
            "campaign": each.campaign,
        }
        for number, each in enumerate(candidates, 1)
    ]
    if rows:
        connection.execute(insert(_candidates), rows)


def possible(db: Database, user: User, complaint: str, port: str) -> list[Possible]:
    """The messages that a complaint may be about, the likeliest first; none if it never was doubtful.

    `port` is that of the complaint as the list shows it: a person's number is masked there.
    """
    require(user, Right.SEARCH)
    t = _candidates
    with db.read() as connection:
        row = _find(connection, select(_table), complaint, port)
        require_port(connection, user, row.port)
        query = select(t).where(t.c.complaint == complaint, t.c.port == row.port).order_by(t.c.number)
        rows = connection.execute(query).all()
    return [
        Possible(r.number, r.message, masked(r.recipient), r.content, r.likeness, r.at, r.sent, r.campaign)
        for r in rows
    ]


def settle(db: Database, user: User, complaint: str, port: str, number: int | None, now: int) -> None:
    """Say which message a complaint is about, by the number of `possible`; None: none of them. Audited.

    `port` is that of the complaint as the list shows it. Raises AntispamError if the complaint has no such message,
    never was doubtful, or is answered.
    """
    require(user, Right.EDIT_LISTS)
    t = _candidates
    with db.write() as connection:
        outbox.lock(connection)  # before the row, as the intake
        row = _find(connection, select(_table).with_for_update(), complaint, port)
        require_port(connection, user, row.port)
        same = (_table.c.id == complaint, _table.c.port == row.port)
        if row.found != Found.DOUBTFUL and row.settled_by is None:
            raise AntispamError("this complaint is not doubtful")
        if row.answered_at is not None:
            raise AntispamError("this complaint is answered already")
        chosen = None
        if number is not None:
            query = select(t).where(t.c.complaint == complaint, t.c.port == row.port, t.c.number == number)
            chosen = connection.execute(query).first()
            if chosen is None:
                raise AntispamError("this complaint may not be about that message")
        values = {
            "found": Found.UNMATCHED.value if chosen is None else Found.MATCHED.value,
            "doubt": Doubt.NO_MESSAGE.value if chosen is None else Doubt.NONE.value,
            "message": "" if chosen is None else chosen.message,
            "campaign": "" if chosen is None else chosen.campaign,
            "settled_by": user.name,
            "settled_at": now,
        }
        connection.execute(update(_table).where(*same).values(values))
        before = {"found": row.found, "message": row.message}
        after = {"found": values["found"], "message": values["message"]}
        audit.record(connection, now, user.name, "settle", f"complaint/{complaint}"[:128], before, after)
        if chosen is not None:
            block_found(connection, now, row, chosen.recipient)


def _find(connection: Connection, complaints: Select[Any], complaint: str, port: str) -> Row[Any]:
    rows = connection.execute(complaints.where(_table.c.id == complaint)).all()
    found = next((row for row in rows if masked(row.port) == port), None)
    if found is None:
        raise AntispamError("no such complaint")
    return found


def block_found(connection: Connection, now: int, complaint: Row[Any], recipient: str) -> None:
    """Block the number of the message that a complaint is about, if its port is registered."""
    registered = connection.scalar(select(func.count()).where(schema.ports.c.code == complaint.port))
    if registered and block(connection, now, complaint.port, complaint.id, recipient):
        same = (_table.c.id == complaint.id, _table.c.port == complaint.port)
        connection.execute(update(_table).where(*same).values(blocked_at=now))
