"""Enterprises in the database. They are not published, because only the scopes of users need them.

These functions work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from pipeline.rules.enterprises import EnterpriseEntry, check_parents
from pipeline.store import audit, outbox, schema

_table = schema.enterprises


def put(
    connection: Connection, now: int, actor: str, entries: Iterable[EnterpriseEntry], *, only_new: bool = False
) -> None:
    """Register enterprises, or change their name, place and reseller; audited.

    With `only_new`, an enterprise of which more than its code is stored stays unchanged. Raises AntispamError for a
    reseller that is unknown, or its own customer in the end.
    """
    outbox.lock(connection)
    for entry in entries:
        place = {"province": entry.province, "city": entry.city}
        values = {"name": entry.name or entry.code, **place, "parent": entry.parent}
        found = connection.execute(select(_table).where(_table.c.id == entry.code)).mappings().first()
        before = None if found is None else {key: found[key] for key in values}
        known = before not in (None, {"name": entry.code, "province": "", "city": "", "parent": ""})
        if before == values or (only_new and known):
            continue
        if found is None:
            connection.execute(_table.insert().values(id=entry.code, created_at=now, **values))
        else:
            connection.execute(_table.update().where(_table.c.id == entry.code).values(**values))
        audit.record(connection, now, actor, "save", f"enterprise/{entry.code}", before, values)
    check_parents(parents(connection))


def suspend(connection: Connection, code: str, at: int | None) -> None:
    """Note that an enterprise is suspended with its customers since `at` (epoch ms); None: it is not."""
    connection.execute(_table.update().where(_table.c.id == code).values(suspended_at=at))


def stopped(connection: Connection) -> dict[str, str]:
    """The enterprises that are suspended, by code, each with the one that stops it: itself, or its nearest reseller."""
    rows = {row.id: row for row in connection.execute(select(_table.c.id, _table.c.parent, _table.c.suspended_at))}
    found = {}
    for code in rows:
        above = rows.get(code)
        while above is not None and above.suspended_at is None:
            above = rows.get(above.parent)
        if above is not None:
            found[code] = str(above.id)
    return found


def parents(connection: Connection) -> dict[str, str]:
    """The reseller of each enterprise, by code; empty for a customer of the operator."""
    return {row.id: row.parent for row in connection.execute(select(_table.c.id, _table.c.parent))}
