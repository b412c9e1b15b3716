"""Operators' lists of senders and recipients.

| list | entity | an entry means |
|---|---|---|
| black | sender | messages of this number or port are refused |
| allow | sender | this number or port skips volume and score rules, nothing else |
| blocked | recipient | nothing is sent to this number |
| unsubscribed | port_recipient | `port:number`: no commercial messages from this port |
| registered | port_recipient | `port:number`: a port with such entries may send to these numbers only |

Values are stored in the canonical form of a number (`text/numbers.py`), whatever their spelling was.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import AntispamError
from pipeline.events import Kind
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.expiry import NEVER, parse_expiry
from pipeline.text.faults.csv_faults import said
from pipeline.text.faults.suggestion import suggestion
from pipeline.text.numbers import number, service_code

PORT_RECIPIENT = "port_recipient"
ENTITIES = {
    "black": "sender",
    "allow": "sender",
    "blocked": "recipient",
    "unsubscribed": PORT_RECIPIENT,
    "registered": PORT_RECIPIENT,
}
COLUMNS = ("list", "entity", "value", "reason", "expires")
MAX_FIELD = 1000  # code points; the csv module's limit is global to the process, and other code raises it


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry; `expires` is epoch ms, NEVER for a permanent entry."""

    list: str
    value: str
    reason: str
    expires: int = NEVER


class Lists:
    """All lists as immutable maps from value to entry. Of two entries for one value, the later `expires` counts."""

    def __init__(self, entries: Iterable[ListEntry] = ()) -> None:
        black: dict[str, ListEntry] = {}
        allow: dict[str, ListEntry] = {}
        blocked: dict[str, ListEntry] = {}
        of_ports: dict[str, defaultdict[str, dict[str, ListEntry]]] = {
            "unsubscribed": defaultdict(dict),
            "registered": defaultdict(dict),
        }
        for entry in sorted(entries, key=lambda entry: entry.expires):
            if entry.list == "black":
                black[entry.value] = entry
            elif entry.list == "allow":
                allow[entry.value] = entry
            elif entry.list == "blocked":
                blocked[entry.value] = entry
            else:
                port, _, number = entry.value.partition(":")
                of_ports[entry.list][port][number] = entry
        self.black: Mapping[str, ListEntry] = black
        self.allow: Mapping[str, ListEntry] = allow
        self.blocked: Mapping[str, ListEntry] = blocked
        self.unsubscribed: Mapping[str, Mapping[str, ListEntry]] = dict(of_ports["unsubscribed"])
        self.registered: Mapping[str, Mapping[str, ListEntry]] = dict(of_ports["registered"])

    def unreachable(self, recipients: Sequence[str], port: str, kind: Kind, at: int) -> dict[str, BuiltInRule]:
        """The recipients that a message of this port and kind must not reach at `at` (epoch ms), each with the rule."""
        code = service_code(port) or port
        unsubscribed = self.unsubscribed.get(code) if kind is Kind.COMMERCIAL else None
        found: dict[str, BuiltInRule] = {}
        registered = self.registered.get(code)
        if registered is not None:
            for recipient in recipients:
                entry = registered.get(recipient)
                if entry is None or entry.expires <= at:
                    found[recipient] = BuiltInRule.RECIPIENT_NOT_REGISTERED
        for rule, entries in (
            (BuiltInRule.RECIPIENT_UNSUBSCRIBED, unsubscribed),
            (BuiltInRule.RECIPIENT_BLOCKED, self.blocked),
        ):
            if entries and not entries.keys().isdisjoint(recipients):
                for recipient in recipients:
                    entry = entries.get(recipient)
                    if entry is not None and entry.expires > at:
                        found[recipient] = rule
        return found


def one_form(name: str, value: str) -> str | None:
    """The value of list `name` in the spelling of events; None if no event can have the value."""
    if name == "blocked":
        return number(value)
    if ENTITIES.get(name) != PORT_RECIPIENT:
        return service_code(value)
    port, _, recipient = value.replace("：", ":").partition(":")
    forms = service_code(port), number(recipient)
    return None if None in forms else f"{forms[0]}:{forms[1]}"


def parse_lists(text: str, source: str = "lists.csv", *, strict: bool = True) -> list[ListEntry]:
    """The entries of a `lists.csv`. Raises AntispamError naming the line on which the faulty row begins.

    Unless `strict`, a value that is not a number is kept as it is and never matches: lists published before the check
    existed may contain such values, and their other entries must stay in force.
    """
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    entries: list[ListEntry] = []
    line = 1
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise AntispamError(f"{source}:1: header must be {','.join(COLUMNS)}")
        while True:
            line = rows.line_num + 1  # first line of the row: an unclosed quote runs to the end of the file
            row = next(rows, None)
            if row is None:
                return entries
            if row:
                entries.append(_entry(row, f"{source}:{line}", strict))
    except csv.Error as error:
        raise AntispamError(f"{source}:{line}: {said(error)}") from None


def _entry(row: list[str], where: str, strict: bool) -> ListEntry:
    if len(row) != len(COLUMNS):
        raise AntispamError(f"{where}: {len(row)} fields; {len(COLUMNS)} expected: {','.join(COLUMNS)}")
    for column, field in zip(COLUMNS, row, strict=True):
        if len(field) > MAX_FIELD:
            raise AntispamError(f"{where}: column {column}: longer than {MAX_FIELD} characters")
    name, entity, value, reason, expires = row
    value = value.strip()
    if name not in ENTITIES:
        raise AntispamError(f"{where}: column list: unknown list {name[:40]!r}; {suggestion(name, ENTITIES)}")
    if entity != ENTITIES[name]:
        wanted = f"the list {name} holds {ENTITIES[name]}"
        raise AntispamError(f"{where}: column entity: {wanted}, not {entity[:40]!r}")
    expected = "port:number, such as 10690001:13800000001" if entity == PORT_RECIPIENT else "one number"
    form = one_form(name, value)
    if not value or (entity == PORT_RECIPIENT and not re.search("[:：]", value)) or (form is None and strict):
        raise AntispamError(f"{where}: column value: bad value {value!r}: {expected} expected")
    try:
        ends = parse_expiry(expires)
    except AntispamError as error:
        raise AntispamError(f"{where}: column expires: {error}") from None
    return ListEntry(name, form or value, reason, ends)
