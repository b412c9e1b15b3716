"""Parties and rows for the tests of orders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pipeline.actions.orders.order import OrderKind, OrderState
from pipeline.actions.orders.parties import Parties, load_parties
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database

NOW = 1_764_041_400_000  # Tuesday 2025-11-25 11:30 in Shanghai
OURS, THEIRS = "13800138000", "13000130000"  # China Mobile, China Unicom
NOTICE_PORT = "10086"
ALL: tuple[str, ...] = ("boss", "hlr", "China Unicom")


def parties(*names: str, folder: Path = Path("/far"), **fields: Any) -> Parties:
    """The exchanges of these parties; our carrier is China Mobile."""
    exchanges = [
        {
            "party": name,
            "orders": {"name": "in", "url": f"file://{folder}/in/o-*.csv"},
            "answers": {"name": f"out{n}", "url": f"file://{folder}/out/*.csv"},
            **fields,
        }
        for n, name in enumerate(names or ALL)
    ]
    given = {"order_exchanges": exchanges, "own_carriers": ["China Mobile"], "stop_notice_port": NOTICE_PORT}
    return load_parties(Settings.model_validate(given))


def orders(db: Database) -> list[tuple[str, str, str]]:
    """(kind, party, state) of each order, by id."""
    t = schema.number_orders
    with db.read() as connection:
        return [tuple(row) for row in connection.execute(select(t.c.kind, t.c.party, t.c.state).order_by(t.c.id))]


def sent(connection: Connection, ident: int, now: int = NOW) -> None:
    """Mark an order as sent in a file."""
    row = {"party": "boss", "name": "o-1.csv", "state": "put", "orders": 1, "created_at": now}
    file = connection.execute(insert(schema.order_files).values(row).returning(schema.order_files.c.id)).scalar_one()
    values = {"state": OrderState.SENT, "tries": 1, "due_at": now + 1, "file": file}
    connection.execute(update(schema.number_orders).where(schema.number_orders.c.id == ident).values(values))


def confirmed(connection: Connection, kind: OrderKind, number: str, party: str, at: int = NOW) -> None:
    """A confirmed order."""
    row = {"number": number, "kind": kind, "party": party, "state": OrderState.CONFIRMED, "asked_by": "x"}
    connection.execute(insert(schema.number_orders).values(row | {"asked_at": at, "changed_at": at}))


def listed(db: Database, name: str) -> list[tuple[str, int | None]]:
    """The values of a list, each with its end."""
    t = schema.list_entries
    with db.read() as connection:
        rows = connection.execute(select(t.c.value, t.c.expires_at).where(t.c.list == name).order_by(t.c.value))
        return [tuple(row) for row in rows]


def notices(db: Database) -> list[tuple[str, bytes]]:
    """(port, body) of the SMS that wait for the timers."""
    with db.read() as connection:
        t = schema.holds
        return [tuple(row) for row in connection.execute(select(t.c.port, t.c.body).order_by(t.c.submission))]
