"""Submissions, case members and ports for tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from pipeline.events import CaseMember, Submission, encode
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database

PORT = "10690001"
NOW = 1_764_041_400_000  # Tuesday 2025-11-25 11:30 in Shanghai
LIN = User("lin", Role.REVIEWER)
CHEN = User("chen", Role.REVIEWER)


def submission(ident: str, **fields: Any) -> Submission:
    given: dict[str, Any] = {
        "port": PORT,
        "recipients": ("13800138000", "13900139000"),
        "content": "您的快递已到",
        "accepted_at": NOW,
    }
    return Submission(id=ident, **given | fields)


def member(ident: str, fingerprint: str = "f1", at: int = NOW, **fields: Any) -> bytes:
    extra: dict[str, Any] = {
        name: fields.pop(name) for name in ("recipients", "score", "category", "rule", "campaign") if name in fields
    }
    return encode(
        CaseMember(
            submission=submission(ident, **fields),
            port=fields.get("port", PORT),
            fingerprint=fingerprint,
            decided_at=at,
            channel="default",
            **{"rule": "bulk-declared"} | extra,
        )
    )


def add_port(connection: Connection, code: str = PORT, **fields: Any) -> None:
    row: dict[str, Any] = {
        "code": code,
        "tier": "high",
        "kind": "notice",
        "state": "open",
        "channel": "default",
        "opened_at": 0,
        "changed_at": 0,
    }
    connection.execute(insert(schema.ports).values(**row | fields))


def rows(db: Database, table: Any) -> list[Any]:
    """All rows of a table."""
    with db.read() as connection:
        return list(connection.execute(select(table)))
