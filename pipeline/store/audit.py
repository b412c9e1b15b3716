"""The audit trail: who did what to what, append-only, each row holding the hash of the one before.

Written in the transaction of the change it tells of. Database triggers refuse UPDATE and DELETE; the
chain shows what somebody with more rights than ours has changed all the same.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from pipeline.store import schema
from pipeline.store.outbox import next_id

FIRST = "0" * 64
PIPELINE = "pipeline"  # the actor of what no person did
_encode = msgspec.json.Encoder(order="deterministic").encode


def record(
    connection: Connection, now: int, actor: str, action: str, subject: str,
    before: Any = None, after: Any = None, reason: str = "",
) -> None:  # fmt: skip
    """Append one row. `before` and `after` are JSON values without message texts or full numbers.

    The outbox's counter is moved too: its lock makes writers of the chain wait for each other.
    """
    next_id(connection)
    table = schema.audit
    last = connection.execute(select(table.c.id, table.c.hash).order_by(table.c.id.desc()).limit(1)).first()
    number, previous = (last.id + 1, last.hash) if last else (1, FIRST)
    row = {
        "id": number, "at": now, "actor": actor, "action": action, "subject": subject,
        "before": before, "after": after, "reason": reason,
    }  # fmt: skip
    connection.execute(insert(table).values(**row, hash=_hash(previous, row)))


def first_broken(connection: Connection) -> int | None:
    """The id of the first row that does not continue the chain, or None when it is whole."""
    previous, expected = FIRST, 1
    for found in connection.execute(select(schema.audit).order_by(schema.audit.c.id)).mappings():
        row = dict(found)
        if row["id"] != expected or row.pop("hash") != _hash(previous, row):
            return int(row["id"])
        previous, expected = found["hash"], expected + 1
    return None


def length(connection: Connection) -> int:
    """How many rows there are."""
    return int(connection.execute(select(func.count()).select_from(schema.audit)).scalar_one())


def _hash(previous: str, row: dict[str, Any]) -> str:
    return sha256(previous.encode() + _encode(row)).hexdigest()
