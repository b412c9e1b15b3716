"""Which log a consumer or publisher last worked with: `<cluster id>/<topic id>`, so a new one is seen."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from pipeline.store import schema


def only_log(connection: Connection, consumer: str) -> str | None:
    """The one log this consumer keeps a position of, or None."""
    table = schema.positions
    return connection.execute(select(table.c.log).where(table.c.consumer == consumer)).scalar()


def set_only_log(connection: Connection, consumer: str, log: str, offset: int) -> None:
    """Keep the position of this log and forget any other."""
    table = schema.positions
    connection.execute(delete(table).where(table.c.consumer == consumer))
    connection.execute(insert(table).values(consumer=consumer, log=log, partition=0, offset=offset))
