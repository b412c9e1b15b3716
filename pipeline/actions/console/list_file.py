"""Many list entries from one CSV file: checked and shown first, then added together.

A few go at once: an incident cannot wait for a second person. More are a list file that another person approves.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import AntispamError
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import COLUMNS, ENTITIES, ListEntry, entry_of
from pipeline.rules.policies.lifecycle import Approval
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import list_entries, registry
from pipeline.store.registry.list_entries import Change

MAX_LINES = 10_000
MAX_BYTES = 2_000_000
AT_ONCE = 100  # entries that one person adds where two must agree on a file


@dataclass(frozen=True)
class ListFile:
    """The valid entries and the faults of the other lines, each with its line number."""

    entries: Sequence[ListEntry]
    faults: Sequence[AntispamError]


def read_list_file(data: bytes) -> ListFile:
    """Read a UTF-8 file of `list,entity,value,reason,expires`. Raises AntispamError for an unreadable file."""
    if len(data) > MAX_BYTES:
        raise AntispamError(
            "at most {most} bytes expected; a larger list is published as a configuration", most=MAX_BYTES
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AntispamError("UTF-8 expected: {error}", error=error) from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    entries, faults = [], []
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise AntispamError("line 1: header must be {known}", known=",".join(COLUMNS))
        for row in rows:
            if rows.line_num > MAX_LINES:
                raise AntispamError("at most {most} lines expected", most=MAX_LINES)
            if not row:
                continue  # an empty line, which many editors add at the end
            try:
                entries.append(_entry(row))
            except AntispamError as error:
                faults.append(AntispamError("line {line}: {error}", line=rows.line_num, error=error))
    except csv.Error as error:
        raise AntispamError("line {line}: {error}", line=rows.line_num, error=error) from None
    return ListFile(entries, faults)


def may_add(entries: Sequence[ListEntry], approval: Approval) -> bool:
    """Whether one person may add so many entries without another."""
    return approval is Approval.ONE or len(entries) <= AT_ONCE


def add_all(
    db: Database, user: User, entries: Sequence[ListEntry], now: int, approval: Approval = Approval.TWO
) -> list[Change]:
    """Add these entries in one transaction; returns the changes. Raises Forbidden for more than one person may add."""
    require(user, Right.EDIT_LISTS)
    if user.scope:
        raise Forbidden("{person}: a list file holds for all ports, beyond the scope of this account", person=user.name)
    if not may_add(entries, approval):
        raise Forbidden(
            "{person}: more than {most} entries are a draft of a list file, which another person approves",
            person=user.name,
            most=AT_ONCE,
        )
    with db.write() as connection:
        done = [list_entries.put(connection, now, user.name, entry) for entry in entries]
    return [change for change in done if change is not None]


def undo_all(db: Database, user: User, changes: Sequence[Change], now: int) -> int:
    """Undo these changes, the last first, except values changed since; returns the number undone."""
    return sum(registry.undo_list_change(db, user, change, now) for change in reversed(changes))


def _entry(row: Sequence[str]) -> ListEntry:
    item = entry_of(row)
    expires = None if item.expires == NEVER else item.expires
    return list_entries.entry(item.list, item.value, item.reason, expires)


__all__ = ["ENTITIES", "ListFile", "add_all", "may_add", "read_list_file", "undo_all"]
