"""The table of messages whose report may never come: all its statements."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, select, tuple_, update

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.job import Job, Message
from pipeline.actions.senders.part import Part
from pipeline.durations import MINUTE_MS
from pipeline.events import Outbound, decoder, encode
from pipeline.store import schema
from pipeline.store.database import Database, upsert

LEASE_MS = 10 * MINUTE_MS
MOST = 500  # messages at a time
_rows = schema.resends
_key = (_rows.c.port, _rows.c.submission, _rows.c.n)
_decode = decoder(Outbound)


def note(connection: Connection, channel: str, begun: Sequence[Part], due_at: int) -> None:
    """Store the messages that begin with these parts, with the time when their report is missed."""
    rows = []
    for part in begun:
        message: Message = part.message
        outbound = message.job.outbound
        if part.number == 1 and not message.not_over:  # a message that has moved is not sent a third time
            alone = msgspec.structs.replace(outbound, recipients=(part.recipient,), proof="")
            row = {"port": part.port, "submission": part.submission, "n": part.n, "channel": channel}
            rows.append(row | {"code": part.code, "due_at": due_at, "record": encode(alone)})
    if rows:
        connection.execute(upsert(connection, _rows).on_conflict_do_nothing(), rows)


def unnote(connection: Connection, unwritten: Sequence[Part]) -> None:
    """Forget messages whose first part has not been written after all."""
    keys = [(part.port, part.submission, part.n) for part in unwritten if part.number == 1]
    if keys:
        connection.execute(delete(_rows).where(tuple_(*_key).in_(keys)))


def take_due(db: Database, channel: Channel, now: int) -> list[Job]:
    """Lease the messages whose time has come, as jobs of one message each. Raises AntispamError."""
    with db.write() as connection:
        due = select(_rows).where(_rows.c.channel == channel.name, _rows.c.due_at <= now)
        rows = connection.execute(due.order_by(_rows.c.due_at).limit(MOST).with_for_update(skip_locked=True)).all()
        keys = [(row.port, row.submission, row.n) for row in rows]
        if keys:
            connection.execute(update(_rows).where(tuple_(*_key).in_(keys)).values(due_at=now + LEASE_MS))
    return [Job(_decode(row.record), row.code, channel) for row in rows]


def done(db: Database, keys: Sequence[tuple[str, str, int]]) -> None:
    """Forget messages that need not be sent again."""
    with db.write() as connection:
        connection.execute(delete(_rows).where(tuple_(*_key).in_(keys)))
