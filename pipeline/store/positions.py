"""The log (`<cluster id>/<topic id>`) that a consumer or publisher last used, to notice a newly created topic."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from pipeline.store import schema


def only_log(connection: Connection, consumer: str) -> str | None:
    """The log that this consumer has stored, or None."""
    table = schema.positions
    return connection.execute(select(table.c.log).where(table.c.consumer == consumer)).scalar()


def set_only_log(connection: Connection, consumer: str, log: str, offset: int) -> None:
    """Store this log and its position, and delete the consumer's other rows."""
    table = schema.positions
    connection.execute(delete(table).where(table.c.consumer == consumer))
    connection.execute(insert(table).values(consumer=consumer, log=log, partition=0, offset=offset))
