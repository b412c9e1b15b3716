"""Brings a subscriber's message to its port: to its links, to its callback address, and kept to be fetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from pipeline.actions.status.link_deliveries import Reply, row_of
from pipeline.protocols.sms.text import parts
from pipeline.store import schema
from pipeline.store.callback_queue import enqueue

MOST = 100  # messages in one answer
_table = schema.whole_replies


class Waiting(msgspec.Struct, frozen=True):
    """A message that its port has not taken yet. `to` is the service code, `received_at` epoch ms."""

    id: str
    to: str
    subscriber: str = msgspec.field(name="from")
    content: str
    received_at: int


def bring(connection: Connection, row: Any, now: int) -> None:
    """Queue a message (a row of `whole_replies` with a port and a text) for the links and callbacks of its port."""
    ident = named(row.id)
    replies = [
        Reply(
            id=ident,
            to=row.to,
            subscriber=row.subscriber,
            coding=part.coding,
            content=part.content,
            headed=part.headed,
        )
        for part in parts(row.content, row.id & 0xFF)
    ]
    connection.execute(insert(schema.link_deliveries), [row_of(reply, now, port=row.port) for reply in replies])
    event = {
        "event": "reply",
        "id": ident,
        "port": row.port,
        "to": row.to,
        "from": row.subscriber,
        "content": row.content,
        "received_at": row.received_at,
    }
    enqueue(connection, row.port, event, now)


def waiting(connection: Connection, port: str) -> list[Waiting]:
    """The oldest messages brought to a port that it has not taken, `MOST` at most."""
    query = select(_table).where(*_untaken(port)).order_by(_table.c.id).limit(MOST)
    return [
        Waiting(named(row.id), row.to, row.subscriber, row.content, row.received_at)
        for row in connection.execute(query)
    ]


def take(connection: Connection, port: str, idents: Sequence[str], now: int) -> int:
    """Note that the owner of a port has these messages; returns how many were waiting."""
    ids = [number for ident in idents if (number := _number(ident)) is not None]
    mine = update(_table).where(*_untaken(port), _table.c.id.in_(ids))
    return connection.execute(mine.values(taken_at=now)).rowcount


def named(ident: int) -> str:
    """The name of a message outside the database."""
    return f"{ident:016x}"


def _number(ident: str) -> int | None:
    return int(ident, 16) if len(ident) == len(named(0)) and all(c in "0123456789abcdef" for c in ident) else None


def _untaken(port: str) -> tuple[Any, ...]:
    return _table.c.port == port, _table.c.state == "brought", _table.c.taken_at.is_(None)
