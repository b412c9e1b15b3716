"""The registered port of a sender, asked in SQL: of one sender, and of every row of a table."""

from __future__ import annotations

from sqlalchemy import Connection, insert, literal, select

from pipeline.store import schema
from pipeline.store.database import Database
from pipeline.store.sender_port import port_of

LONGEST = "1069" + "0" * 17  # 21 digits


def register(connection: Connection, *codes: str) -> None:
    connection.execute(
        insert(schema.ports),
        [
            {
                "code": code,
                "tier": "ordinary",
                "kind": "notice",
                "state": "open",
                "channel": "default",
                "opened_at": 0,
                "changed_at": 0,
            }
            for code in codes
        ],
    )


def test_the_longest_registered_code_is_the_port(any_db: Database) -> None:
    with any_db.write() as connection:
        register(connection, "106", "1069", LONGEST)
        senders = ("106", "1068", "10690", LONGEST, "10", "2069")
        found = [connection.scalar(select(port_of(literal(sender)))) for sender in senders]
    assert found == ["106", "106", "1069", LONGEST, None, None]


def test_it_is_asked_of_every_row(any_db: Database) -> None:
    with any_db.write() as connection:
        register(connection, "1069", "106900")
        senders = ("10690055", "1069")
        connection.execute(
            insert(schema.submissions),
            [{"port": s, "id": "s", "recipients": [], "priority": "express", "accepted_at": 0} for s in senders],
        )
        sender = schema.submissions.c.port
        found = connection.execute(select(sender, port_of(sender))).all()
    assert {tuple(row) for row in found} == {("10690055", "106900"), ("1069", "1069")}
