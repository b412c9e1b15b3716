"""The white list that BOSS keeps: numbers of important customers, which are never stopped.

It is in force as a list file of allow entries, so it also spares its numbers the rules on volume.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from sqlalchemy import Connection, select

from pipeline.actions.orders.number_lines import read_numbers
from pipeline.files.source_file import SourceFile, UnreadableFileError
from pipeline.order_exchange import NumberSource
from pipeline.rules.lists import COLUMNS, WHITE
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.registry import list_entries, registry

NAME = WHITE + "{party}.csv"


def put_in_force(connection: Connection, now: int, party: str, numbers: Iterable[str]) -> int:
    """Replace the white list of a party; returns the epoch. The same numbers change nothing."""
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(("allow", "sender", number, party, "") for number in sorted(set(numbers)))
    name = NAME.format(party=party)
    return registry.put_in_force(connection, now, audit.PIPELINE, "publish", "list", name, table.getvalue())


def is_white(connection: Connection, parties: Iterable[str], number: str, now: int) -> bool:
    """Whether the number is on the white list of one of these parties, or on the operators' allow list."""
    if list_entries.stands(connection, "allow", number, now):
        return True
    force, stored = schema.in_force, schema.configurations
    same = (stored.c.kind == force.c.kind) & (stored.c.name == force.c.name) & (stored.c.version == force.c.version)
    names = [NAME.format(party=party) for party in parties]
    named = select(stored.c.name).join(force, same).where(force.c.kind == "list", force.c.name.in_(names))
    # A row is `allow,sender,<number>,<party>,`, so this finds whole numbers only.
    return connection.execute(named.where(stored.c.value.contains(f",{number},", autoescape=True))).first() is not None


def read_white_list(db: Database, party: str, source: NumberSource, opened: SourceFile, now: int) -> tuple[int, int]:
    """Put a party's white list in force; returns how many of its lines are numbers, and how many are not.

    Bad lines go to `<file>.rejected.jsonl`. Raises UnreadableFileError for a list without a number: it would leave
    every important customer without protection.
    """
    numbers, bad = read_numbers(opened, source)
    if not numbers:
        raise UnreadableFileError(f"{opened.path}: a white list without a number")
    with db.write() as connection:
        put_in_force(connection, now, party, numbers)
    return len(numbers), bad
