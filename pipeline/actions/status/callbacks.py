"""Telling a port's owner by HTTP: what is to be told, and the row that waits to be posted.

`actions/status/role.py` posts the rows. An owner who gave no address is told nothing here; the same facts
stand at `GET /v1/submissions/{id}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from pipeline.store import schema

_encode = msgspec.json.Encoder().encode
_SHORTEST = 3  # digits of a port's code


def enqueue(connection: Connection, port: str, event: dict[str, Any], now: int) -> int:
    """Have `event` (a JSON object) posted to the owner of `port`; returns how many posts that makes.

    `port` is a registered code or a sender field with an extension. One post for each distinct address
    among the port's active keys, none if there is no address. `now` is epoch ms.
    """
    return enqueue_all(connection, [(port, event)], now)


def enqueue_all(connection: Connection, events: Iterable[tuple[str, dict[str, Any]]], now: int) -> int:
    """`enqueue` of many (port, event) in one statement."""

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
    """The registered port of a sender (longest code that prefixes it) and the addresses of its keys."""
    codes = [sender[:length] for length in range(_SHORTEST, len(sender) + 1)]
    found = connection.scalars(select(schema.ports.c.code).where(schema.ports.c.code.in_(codes))).all()
    if not found:
        return sender, []
    port = max(found, key=len)
    keys = schema.api_keys
    given = select(keys.c.callback_url).where(
        keys.c.port == port, keys.c.revoked_at.is_(None), keys.c.callback_url != ""
    )
    return port, sorted(set(connection.scalars(given)))
