"""The audit trail: append-only rows of actor, action and subject; each signature covers the previous one.

A row is written in the transaction of the change it records. Database triggers refuse updates and deletes. A user
with more rights in the database can get around the triggers; the signatures (HMAC-SHA256 under `ANTISPAM_AUDIT_KEY`)
show the rows changed so. Signatures alone do not show a truncated trail. So the relay publishes the last row's
signature, and `differing` compares the published signatures with the table.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from pipeline.errors import AntispamError
from pipeline.events import AuditHead
from pipeline.store import schema
from pipeline.store.outbox import next_id

FIRST = "0" * 64
PIPELINE = "pipeline"  # the actor of automatic changes
SHORTEST_REASON, LONGEST_REASON = 4, 500  # characters
RESTORE = "restore"  # the action that discards the rows written after a backup
_encode = msgspec.json.Encoder(order="deterministic").encode


def record(
    connection: Connection,
    now: int,
    actor: str,
    action: str,
    subject: str,
    before: Any = None,
    after: Any = None,
    reason: str = "",
) -> None:
    """Append one row. `before` and `after` are JSON values without message texts or full numbers.

    Also takes an id from the outbox: the lock on its counter serialises the writers of the trail.
    """
    next_id(connection)
    last = head(connection)
    number, previous = (last.row + 1, last.mac) if last else (1, FIRST)
    row = {
        "id": number,
        "at": now,
        "actor": actor,
        "action": action,
        "subject": subject,
        "before": before,
        "after": after,
        "reason": reason,
    }
    connection.execute(insert(schema.audit).values(**row, mac=_mac(connection, previous, row)))


def checked_reason(reason: str) -> str:
    """The reason for the audit trail, without blanks around it. Raises AntispamError for one that is none."""
    reason = reason.strip()
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON or "\0" in reason:
        raise AntispamError(
            "a reason of {shortest} to {longest} characters is wanted", shortest=SHORTEST_REASON, longest=LONGEST_REASON
        )
    return reason


def is_short(reason: str) -> bool:
    """Whether the reason is too short for the audit trail, so that a page need not ask to find out."""
    return len(reason.strip()) < SHORTEST_REASON


def head(connection: Connection) -> AuditHead | None:
    """The id and signature of the last row, or None for an empty trail."""
    table = schema.audit
    last = connection.execute(select(table.c.id, table.c.mac).order_by(table.c.id.desc()).limit(1)).first()
    return AuditHead(row=last.id, mac=last.mac) if last else None


def first_broken(connection: Connection) -> int | None:
    """The id of the first row that does not continue the trail under our key, or None for an intact trail.

    An unreadable row counts as broken: SQLite stores invalid JSON and values of another type.
    """
    previous, expected = FIRST, 1
    try:
        for found in connection.execute(select(schema.audit).order_by(schema.audit.c.id)).mappings():
            row = dict(found)
            given = str(row.pop("mac")).encode()
            if row["id"] != expected or not hmac.compare_digest(given, _mac(connection, previous, row).encode()):
                return int(row["id"])
            previous, expected = found["mac"], expected + 1
    except (ValueError, RecursionError):
        return expected
    return None


def differing(connection: Connection, heads: Iterable[AuditHead]) -> list[AuditHead]:
    """The published heads that are missing from the trail, because it was truncated or rewritten.

    Rows discarded by a restore do not count: they were published before the restore, and the trail records it.
    """
    table = schema.audit
    macs = {row.id: row.mac for row in connection.execute(select(table.c.id, table.c.mac))}
    restores = connection.execute(select(table.c.id, table.c.at).where(table.c.action == RESTORE)).all()
    return [
        head
        for head in heads
        if macs.get(head.row) != head.mac
        and not any(restore.id <= head.row and head.at <= restore.at for restore in restores)
    ]


def length(connection: Connection) -> int:
    """The number of rows."""
    return int(connection.execute(select(func.count()).select_from(schema.audit)).scalar_one())


def _mac(connection: Connection, previous: str, row: dict[str, Any]) -> str:
    secret: bytes = connection.get_execution_options()["antispam_audit_secret"]
    return hmac.digest(secret, previous.encode() + _encode(row), "sha256").hex()
