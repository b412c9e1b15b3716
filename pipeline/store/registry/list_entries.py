"""Single entries of the operators' lists. Each has its own entry on the config topic.

A whole `lists.csv` is a configuration file (`store/registry/configurations.py`); a worker merges both. These
functions work inside the caller's transaction.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.errors import AntispamError
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import COLUMNS, ENTITIES, PORT_RECIPIENT, ListEntry, one_form, parse_lists
from pipeline.store import audit, outbox, schema
from pipeline.store.database import upsert
from pipeline.text.numbers import masked

MAX_REASON = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def entry(name: str, value: str, reason: str, expires_at: int | None) -> ListEntry:
    """A checked entry, as the workers' parser reads it. `expires_at` is epoch ms, or None for a permanent entry.

    Raises AntispamError for an invalid entry.
    """
    if name not in ENTITIES:
        raise AntispamError("unknown list {name!r}; one of {known}", name=name, known=", ".join(ENTITIES))
    form = one_form(name, value)
    if form is None:
        what = "port:number" if ENTITIES[name] == PORT_RECIPIENT else "one number"
        raise AntispamError("list {name}: a value that is {what} expected", name=name, what=what)
    if len(reason) > MAX_REASON or "\0" in reason:
        raise AntispamError(
            "list {name}: a reason of at most {most} characters, none of them NUL, expected", name=name, most=MAX_REASON
        )
    if expires_at is not None and not 0 <= expires_at < 253_402_300_800_000:  # the year 10000
        raise AntispamError(
            "list {name}: expires_at {expires_at}: epoch milliseconds expected", name=name, expires_at=expires_at
        )
    expires = NEVER if expires_at is None else expires_at
    return parse_lists(text(ListEntry(name, form, reason, expires)), f"list {name}")[0]


def text(item: ListEntry) -> str:
    """The entry's value on the config topic: a `lists.csv` of one row."""
    expires = "" if item.expires == NEVER else (_EPOCH + timedelta(milliseconds=item.expires)).isoformat()
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_ALL)  # a reason may contain a line break
    rows.writerows([COLUMNS, (item.list, ENTITIES[item.list], item.value, item.reason, expires)])
    return table.getvalue()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one value of a list: its entry before and after, None for no entry."""

    before: ListEntry | None
    after: ListEntry | None


def put(
    connection: Connection, now: int, actor: str, item: ListEntry, rule: str = "", evidence: str = ""
) -> Change | None:
    """Add an entry or change the entry of this value; audits and publishes. Returns None if nothing changed.

    One piece of evidence acts once: repeated evidence changes nothing, even after the entry was removed.
    """
    outbox.lock(connection)  # the second of two concurrent writers must see the first one's row
    item = replace(item, value=_spelled(item.list, item.value))
    table, where = schema.list_entries, _where(item.list, item.value)
    if evidence:
        noted = connection.execute(
            upsert(connection, schema.actions).on_conflict_do_nothing().returning(schema.actions.c.id),
            {
                "kind": "list",
                "subject": f"{item.list}/{item.value}",
                "rule": rule,
                "evidence": evidence,
                "actor": actor,
                "at": now,
            },
        )
        if noted.first() is None:
            return None
    found = connection.execute(select(table).where(*where)).first()
    if found is not None and _entry(found) == item:
        return None
    row = {
        "list": item.list,
        "value": item.value,
        "entity": ENTITIES[item.list],
        "reason": item.reason,
        "added_by": actor,
        "added_at": now,
        "expires_at": None if item.expires == NEVER else item.expires,
    }
    if found is None:
        connection.execute(insert(table).values(row))
    else:
        connection.execute(update(table).where(*where).values(row))
    after = {"reason": item.reason, "expires_at": row["expires_at"], "rule": rule, "evidence": evidence}
    before = None if found is None else {"reason": found.reason, "expires_at": found.expires_at}
    audit.record(connection, now, actor, "list", _subject(item.list, item.value), before, after, item.reason)
    outbox.publish_config(connection, now, [("list", f"{item.list}/{item.value}", text(item), None)])
    return Change(None if found is None else _entry(found), item)


def stands(connection: Connection, name: str, value: str, now: int) -> bool:
    """Whether the value is on the list and its entry has not expired."""
    found = connection.execute(select(schema.list_entries.c.expires_at).where(*_where(name, value))).first()
    return found is not None and (found.expires_at is None or found.expires_at > now)


def remove(connection: Connection, now: int, actor: str, name: str, value: str, reason: str) -> bool:
    """Remove an entry; audits and publishes. Returns False if there is no entry."""
    outbox.lock(connection)
    value = _spelled(name, value)
    table, where = schema.list_entries, _where(name, value)
    found = connection.execute(select(table).where(*where)).first()
    if found is None:
        return False
    connection.execute(delete(table).where(*where))
    before = {"reason": found.reason, "expires_at": found.expires_at}
    audit.record(connection, now, actor, "unlist", _subject(name, value), before, None, reason)
    outbox.publish_config(connection, now, [("list", f"{name}/{value}", None, None)])
    return True


def undo(connection: Connection, now: int, actor: str, change: Change) -> bool:
    """Restore the entry from before a change. Returns False, and does nothing, if the value has changed since."""
    outbox.lock(connection)
    item = change.after or change.before
    if item is None:
        return False
    found = connection.execute(select(schema.list_entries).where(*_where(item.list, item.value))).first()
    if (None if found is None else _entry(found)) != change.after:
        return False
    if change.before is None:
        return remove(connection, now, actor, item.list, item.value, "undo")
    return put(connection, now, actor, change.before) is not None


def load(connection: Connection) -> Iterable[ListEntry]:
    """All entries."""
    return [_entry(row) for row in connection.execute(select(schema.list_entries))]


def _entry(row: Any) -> ListEntry:
    return ListEntry(row.list, row.value, row.reason, NEVER if row.expires_at is None else row.expires_at)


def _spelled(name: str, value: str) -> str:
    """The value as stored. A value without canonical form is older than the check that refuses it."""
    return one_form(name, value) or value


def _where(name: str, value: str) -> tuple[Any, Any]:
    return schema.list_entries.c.list == name, schema.list_entries.c.value == _spelled(name, value)


def _subject(name: str, value: str) -> str:
    return f"list/{name}/{masked(value)}"
