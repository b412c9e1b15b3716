"""Subscribers' messages as carriers deliver them: each is stored, and its parts are joined.

A carrier does not repeat an acknowledged message, so it is acknowledged after its commit only. One that it repeats is
stored once. A long message waits for its parts; at the deadline of reassembly it goes on without what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select, update

from pipeline import topics
from pipeline.actions.replies import screening
from pipeline.actions.replies.screening import Whole
from pipeline.actions.replies.words import Words
from pipeline.events import Event
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.header import Concatenation, Header
from pipeline.protocols.sms.reassembly import Joined, Part, Reassembly
from pipeline.protocols.sms.short_message import ShortMessage
from pipeline.store import outbox, schema
from pipeline.store.database import Database, upsert

_table = schema.replies
_MOST = 5_000  # parts looked at in one transaction


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a carrier: `carrier_id` is its own id for it, in hex; `to` is the service code without prefix."""

    channel: str
    carrier_id: str
    subscriber: str
    to: str
    message: ShortMessage


def take(db: Database, incoming: Sequence[Incoming], words: Words, now: int) -> None:
    """Store messages, and take on what is whole. `now` is epoch ms. Raises AntispamError."""
    with db.write() as connection:
        if incoming:
            connection.execute(
                upsert(connection, _table).on_conflict_do_nothing(), [_row(one, now) for one in incoming]
            )
        _join(connection, words, now)


def _row(one: Incoming, now: int) -> dict[str, object]:
    place, header = one.message.place, one.message.header
    return {
        "channel": one.channel,
        "carrier_id": one.carrier_id,
        "subscriber": one.subscriber,
        "to": one.to,
        "alphabet": one.message.alphabet.name,
        "octets": one.message.content,
        "shifts": [header.locking_shift, header.single_shift] if header is not None else [],
        "reference": place.reference if place is not None else None,
        "width": place.width if place is not None else None,
        "total": place.total if place is not None else None,
        "number": place.number if place is not None else None,
        "received_at": now,
    }


def _join(connection: Connection, words: Words, now: int) -> None:
    """Join what can be joined now. Rows are locked, so that two processes do not each see a part only."""
    query = select(_table).where(_table.c.routed_at.is_(None)).order_by(_table.c.received_at, _table.c.id).limit(_MOST)
    rows = connection.execute(query.with_for_update()).all()
    reassembly, closed = Reassembly(), list[Joined]()
    found: list[tuple[list[int], Whole]] = []
    repeated: list[int] = []
    places = {row.id: row for row in rows}
    for row in rows:
        shifts = row.shifts or [0, 0]
        header = Header(0, locking_shift=shifts[0], single_shift=shifts[1])
        message = ShortMessage(alphabet=Alphabet[row.alphabet], content=row.octets, header=header)
        if row.total is None or row.total == 1:
            found.append(([row.id], Whole(row.id, row.to, row.subscriber, message.text, row.received_at)))
            continue
        taken = reassembly.take(
            Part(
                id=str(row.id),
                port=row.to,
                recipient=row.subscriber,
                place=Concatenation(row.reference, row.total, row.number, row.width),
                message=message,
                at=row.received_at,
            )
        )
        if taken.repeats is not None:
            repeated.append(row.id)
        closed += taken.closed
    for joined in (*closed, *reassembly.expire(now)):
        ids = [int(part.id) for part in joined.parts]
        first = places[ids[0]]
        found.append((ids, Whole(ids[0], first.to, first.subscriber, joined.text, first.received_at)))
    published: list[tuple[topics.Topic, str, Event]] = []
    for ids, whole in sorted(found, key=lambda each: each[0]):
        kept = screening.take(connection, whole, words, places[whole.id].channel, now)
        published += kept.published
        connection.execute(update(_table).where(_table.c.id.in_(ids)).values(routed_at=now, port=kept.port))
    if published:
        outbox.publish(connection, now, *published)
    if repeated:
        connection.execute(update(_table).where(_table.c.id.in_(repeated)).values(routed_at=now))
