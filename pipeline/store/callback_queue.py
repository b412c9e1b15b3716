"""The queue of callbacks: events that wait for their POST to the owner of a port.

`actions/status/role.py` posts the rows. An owner without a callback address gets no events.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, literal, select

from pipeline.store import schema
from pipeline.store.sender_port import port_of

_encode = msgspec.json.Encoder().encode


def enqueue(connection: Connection, port: str, event: dict[str, Any], now: int) -> int:
    """Queue `event` (a JSON object) for the owner of `port`; returns the number of posts.

    `port` is a registered code or a sender field with an extension. Each distinct address among the port's active
    keys gets one post. `now` is epoch ms.
    """
    return enqueue_all(connection, [(port, event)], now)


def enqueue_all(connection: Connection, events: Iterable[tuple[str, dict[str, Any]]], now: int) -> int:
    """Queue many (port, event) pairs in one statement; see `enqueue`."""

    @cache
    def addresses(sender: str) -> tuple[str, list[str]]:
        return _addresses(connection, sender)

    rows = []
    for sender, event in events:
        port, urls = addresses(sender)
        rows += [
            {"port": port, "url": url, "body": _encode(event), "tries": 0, "created_at": now, "due_at": now}
            for url in urls
        ]
    if rows:
        connection.execute(insert(schema.callbacks), rows)
    return len(rows)


def _addresses(connection: Connection, sender: str) -> tuple[str, list[str]]:
    """The registered port of a sender (or the sender if unregistered), and the callback addresses of its keys."""
    port = connection.scalar(select(port_of(literal(sender))))
    if port is None:
        return sender, []
    keys = schema.api_keys
    given = select(keys.c.callback_url).where(
        keys.c.port == port, keys.c.revoked_at.is_(None), keys.c.callback_url != ""
    )
    return port, sorted(set(connection.scalars(given)))
