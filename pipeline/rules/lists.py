"""Operators' lists: who is refused, who skips volume and score, who must not be written to.

| list | entity | an entry means |
|---|---|---|
| black | sender | this number or port is refused |
| allow | sender | this number or port skips volume and score rules, nothing else |
| blocked | recipient | nothing is sent to this number |
| unsubscribed | port_recipient | `port:number`: no commercial messages from this port |
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.errors import AntispamError

ENTITIES = {"black": "sender", "allow": "sender", "blocked": "recipient", "unsubscribed": "port_recipient"}
COLUMNS = ("list", "entity", "value", "reason", "expires")
NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry; `expires` is epoch ms, NEVER for a standing entry."""

    list: str
    value: str
    reason: str
    expires: int = NEVER


class Lists:
    """All lists: immutable maps from value to entry; of two for one value, that which lasts longer."""

    def __init__(self, entries: Iterable[ListEntry] = ()) -> None:
        black: dict[str, ListEntry] = {}
        allow: dict[str, ListEntry] = {}
        blocked: dict[str, ListEntry] = {}
        unsubscribed: defaultdict[str, dict[str, ListEntry]] = defaultdict(dict)
        for entry in sorted(entries, key=lambda entry: entry.expires):
            if entry.list == "black":
                black[entry.value] = entry
            elif entry.list == "allow":
                allow[entry.value] = entry
            elif entry.list == "blocked":
                blocked[entry.value] = entry
            else:
                port, _, number = entry.value.partition(":")
                unsubscribed[port][number] = entry
        self.black: Mapping[str, ListEntry] = black
        self.allow: Mapping[str, ListEntry] = allow
        self.blocked: Mapping[str, ListEntry] = blocked
        self.unsubscribed: Mapping[str, Mapping[str, ListEntry]] = dict(unsubscribed)


def parse_lists(text: str, source: str = "lists.csv") -> list[ListEntry]:
    """Entries of a `lists.csv`; every fault names its line. Raises AntispamError."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise AntispamError(f"{source}:1: header must be {','.join(COLUMNS)}")
        return [_entry(row, f"{source}:{reader.line_num}") for row in reader]
    except csv.Error as error:
        raise AntispamError(f"{source}:{reader.line_num}: {error}") from None


def _entry(row: dict[Any, Any], where: str) -> ListEntry:
    if None in row or None in row.values():
        raise AntispamError(f"{where}: {len(COLUMNS)} fields expected")
    name, value = row["list"], row["value"].strip()
    if name not in ENTITIES:
        raise AntispamError(f"{where}: unknown list {name!r}; one of {', '.join(ENTITIES)}")
    if row["entity"] != ENTITIES[name]:
        raise AntispamError(f"{where}: list {name} holds {ENTITIES[name]}, not {row['entity']!r}")
    if not value or (name == "unsubscribed" and ":" not in value):
        raise AntispamError(f"{where}: bad value {value!r}")
    return ListEntry(name, value, row["reason"], _expires(row["expires"], where))


def _expires(text: str, where: str) -> int:
    if not text:
        return NEVER
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise AntispamError(f"{where}: expires {text!r} is not an ISO 8601 time") from None
    if at.tzinfo is None:
        raise AntispamError(f"{where}: expires {text!r} needs a time zone")
    return round(at.timestamp() * 1000)
