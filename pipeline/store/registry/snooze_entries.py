"""Snoozes of rules in the database: who silenced which rule, for whom, why and until when (`rules/snoozes.py`).

Each has its own entry on the config topic. These functions work inside the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from pipeline.rules.snoozes import Snooze, SnoozeKind, text
from pipeline.store import audit, outbox, schema
from pipeline.store.database import upsert
from pipeline.text.numbers import masked

_table = schema.snoozes


def put(connection: Connection, now: int, actor: str, snooze: Snooze) -> int | None:
    """Add a snooze, or change its reason and end; audits and publishes. Returns the epoch, None if nothing changed."""
    outbox.lock(connection)
    found = _find(connection, snooze)
    if found == snooze:
        return None
    row = _key(snooze) | {"reason": snooze.reason, "until": snooze.until, "made_by": actor, "made_at": now}
    insert = upsert(connection, _table).values(row)
    changed = {name: insert.excluded[name] for name in ("reason", "until", "made_by", "made_at")}
    connection.execute(insert.on_conflict_do_update(index_elements=list(_key(snooze)), set_=changed))
    audit.record(connection, now, actor, "snooze", _subject(snooze), _shown(found), _shown(snooze), snooze.reason)
    return outbox.publish_config(connection, now, [("snooze", snooze.name, text(snooze), None)])


def remove(connection: Connection, now: int, actor: str, snooze: Snooze) -> int | None:
    """Remove the snooze of this rule and value; audits and publishes. Returns the epoch, None if there is none."""
    outbox.lock(connection)
    found = _find(connection, snooze)
    if found is None:
        return None
    connection.execute(delete(_table).where(_same(snooze)))
    audit.record(connection, now, actor, "unsnooze", _subject(snooze), _shown(found), None, snooze.reason)
    return outbox.publish_config(connection, now, [("snooze", snooze.name, None, None)])


def load(connection: Connection) -> list[Snooze]:
    """All snoozes, also those that have ended."""
    return _read(connection)


def in_force(connection: Connection, now: int) -> int:
    """The number of snoozes that have not ended at `now` (epoch ms)."""
    return int(connection.scalar(select(func.count()).select_from(_table).where(_table.c.until > now)) or 0)


def _find(connection: Connection, wanted: Snooze) -> Snooze | None:
    return next(iter(_read(connection, _same(wanted))), None)


def _read(connection: Connection, *where: ColumnElement[bool]) -> list[Snooze]:
    return [
        Snooze(rule=row.rule, kind=SnoozeKind(row.kind), value=row.value, reason=row.reason, until=row.until)
        for row in connection.execute(select(_table).where(*where))
    ]


def _key(snooze: Snooze) -> dict[str, str]:
    return {"rule": snooze.rule, "kind": snooze.kind.value, "value": snooze.value}


def _same(snooze: Snooze) -> ColumnElement[bool]:
    return and_(*(_table.c[name] == value for name, value in _key(snooze).items()))


def _subject(snooze: Snooze) -> str:
    return f"rule/{snooze.rule}"[:160]


def _shown(snooze: Snooze | None) -> dict[str, object] | None:
    return None if snooze is None else {"scope": masked(snooze.scope), "until": snooze.until}
