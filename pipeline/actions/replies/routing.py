"""Brings a subscriber's message to its port: to its links and its callback address. Who unsubscribes is listed.

The port is the longest registered code that the service code begins with. What no port is registered for stays in the
table of replies.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy import Connection, insert, literal, select

from pipeline.actions.status.callbacks import enqueue
from pipeline.actions.status.link_deliveries import Reply, row_of
from pipeline.protocols.sms.text import parts
from pipeline.rules.lists import ListEntry, one_form
from pipeline.store import audit, schema
from pipeline.store.registry import list_entries
from pipeline.store.sender_port import port_of
from pipeline.text.normal import normalise

# Answers that mean "no more": the plain words always, the short ones where a port has not registered its own.
_PLAIN = frozenset(("退订", "拒收", "取消订阅", "取消接收", "STOP", "UNSUBSCRIBE"))
_SHORT = frozenset(("T", "TD", "N", "R"))
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_RULE = "reply"  # in the history of the list


class Whole(NamedTuple):
    """A whole message; `text` is None if it is not text."""

    to: str
    subscriber: str
    text: str | None


def unsubscribes(text: str, registered: frozenset[str]) -> bool:
    """Whether an answer unsubscribes: it is one of the words and nothing else but marks around it, in any spelling."""
    word = _EDGES.sub("", normalise(text).text).upper()
    return word in _PLAIN or word in (registered or _SHORT)


def route(connection: Connection, whole: Whole, ident: int, now: int) -> str | None:
    """Queue a message for its port, and list who unsubscribes. Returns the port; None if none is registered."""
    ports = schema.ports
    code: str | None = connection.scalar(select(port_of(literal(whole.to))))
    if code is None or whole.text is None:
        return code
    words = connection.scalar(select(ports.c.unsubscribe).where(ports.c.code == code)) or ()
    if unsubscribes(whole.text, frozenset(word.upper() for word in words)):
        value = one_form("unsubscribed", f"{code}:{whole.subscriber}")
        if value is not None:  # else the carrier's number is none that anybody could send to
            item = ListEntry("unsubscribed", value, _RULE)
            list_entries.put(connection, now, audit.PIPELINE, item, _RULE, f"reply/{ident}")
    replies = [
        Reply(
            id=f"{ident:016x}",
            to=whole.to,
            subscriber=whole.subscriber,
            coding=part.coding,
            content=part.content,
            headed=part.headed,
        )
        for part in parts(whole.text, ident & 0xFF)
    ]
    connection.execute(insert(schema.link_deliveries), [row_of(reply, now, port=code) for reply in replies])
    event = {
        "event": "reply",
        "id": f"{ident:016x}",
        "port": code,
        "to": whole.to,
        "from": whole.subscriber,
        "content": whole.text,
        "received_at": now,
    }
    enqueue(connection, code, event, now)
    return code
