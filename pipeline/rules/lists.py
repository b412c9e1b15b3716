"""Operators' lists of senders and recipients.

| list | entity | an entry means |
|---|---|---|
| black | sender | messages of this number or port are refused |
| allow | sender | this number or port skips volume and score rules, nothing else |
| watched | sender | this number or port is on probation: judged by stricter limits |
| blocked | recipient | nothing is sent to this number |
| unsubscribed | port_recipient | `port:number`: no commercial messages from this port; who complained about it, too |
| registered | port_recipient | `port:number`: a port with such entries may send to these numbers only |

Values are stored in the canonical form of a number (`text/numbers.py`), whatever their spelling was.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from pipeline.errors import AntispamError
from pipeline.events import Kind
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.expiry import NEVER, parse_expiry
from pipeline.rules.listed_numbers import Gathering, ListedNumbers, Mark
from pipeline.text.faults.csv_faults import said
from pipeline.text.faults.suggestion import suggestion
from pipeline.text.numbers import number, service_code

PORT_RECIPIENT = "port_recipient"
ENTITIES = {
    "black": "sender",
    "allow": "sender",
    "watched": "sender",
    "blocked": "recipient",
    "unsubscribed": PORT_RECIPIENT,
    "registered": PORT_RECIPIENT,
}
COLUMNS = ("list", "entity", "value", "reason", "expires")
LISTS = "lists.csv"  # the list file of a configuration folder; there may be others
WHITE = "white-"  # begins the names of the list files that BOSS keeps
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # a copy of a text of ten million lines costs gigabytes
MAX_FIELD = 1000  # code points; the csv module's limit is global to the process, and other code raises it


_Name = tuple[str, str]  # a list, and the port of a list of PORT_RECIPIENT
Numbers = Mapping[_Name, ListedNumbers]
_NONE = ListedNumbers()
_FEW = 10_000  # numbers: a set of them takes a megabyte


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry; `expires` is epoch ms, NEVER for a permanent entry."""

    list: str
    value: str
    reason: str
    expires: int = NEVER


class Lists:
    """The lists of each file, and the single entries. Immutable.

    Of two entries for one value in different files, the later `expires` counts.
    """

    def __init__(self, entries: Iterable[ListEntry] = ()) -> None:
        self._set({}, numbers_of(entries))

    def _set(self, files: Mapping[str, Numbers], single: Numbers) -> None:
        self._files, self._single = files, single
        listed: dict[_Name, tuple[ListedNumbers, ...]] = {}
        for source in (*files.values(), single):
            for key, numbers in source.items():
                listed[key] = (*listed.get(key, ()), numbers)
        self._listed: Mapping[_Name, tuple[ListedNumbers, ...]] = listed
        self._ports = frozenset(port for _, port in listed if port)  # those with lists of their own
        self._blocked: frozenset[str] | None = None  # the blocked numbers if they are few, made on first use

    def with_file(self, name: str, entries: Iterable[ListEntry] | None) -> Lists:
        """These lists with other entries of one file; None removes the file."""
        return self.with_numbers(name, None if entries is None else numbers_of(entries))

    def with_numbers(self, name: str, numbers: Numbers | None) -> Lists:
        """As `with_file`, for entries that were read before."""
        files = {file: known for file, known in self._files.items() if file != name}
        if numbers is not None:
            files[name] = numbers
        return self._copy(files, self._single)

    def with_entries(self, changes: Mapping[tuple[str, str], ListEntry | None]) -> Lists:
        """These lists with other single entries, by list and value; None removes an entry."""
        of_each: defaultdict[_Name, dict[str, Mark | None]] = defaultdict(dict)
        for (name, value), entry in changes.items():
            key, number = _place(name, value)
            of_each[key][number] = None if entry is None else Mark(entry.reason, entry.expires)
        single = dict(self._single)
        for key, marks in of_each.items():
            single[key] = single.get(key, _NONE).replaced(marks)
        return self._copy(self._files, {key: numbers for key, numbers in single.items() if numbers})

    def find(self, name: str, value: str) -> ListEntry | None:
        """The entry of a value in canonical form, also an expired one; None if the list does not have it."""
        key, number = _place(name, value)
        mark = _longest(self._listed.get(key, ()), number)
        return None if mark is None else ListEntry(name, value, *mark)

    def unreachable(self, recipients: Sequence[str], port: str, kind: Kind, at: int) -> dict[str, BuiltInRule]:
        """The recipients that a message of this port and kind must not reach at `at` (epoch ms), each with the rule."""
        code = _code_of(port)
        found: dict[str, BuiltInRule] = {}
        if code in self._ports:
            registered = self._listed.get(("registered", code), ())
            for recipient in recipients if registered else ():
                if not _is_in_force(registered, recipient, at):
                    found[recipient] = BuiltInRule.RECIPIENT_NOT_REGISTERED
            if kind is Kind.COMMERCIAL:
                for recipient in self._among(("unsubscribed", code), recipients, at):
                    found[recipient] = BuiltInRule.RECIPIENT_UNSUBSCRIBED
        if self._may_block(recipients):
            for recipient in self._among(("blocked", ""), recipients, at):
                found[recipient] = BuiltInRule.RECIPIENT_BLOCKED
        return found

    def _among(self, name: _Name, recipients: Sequence[str], at: int) -> Sequence[str]:
        """The recipients that a list has at `at` (epoch ms)."""
        listed = self._listed.get(name)
        return [recipient for recipient in recipients if _is_in_force(listed, recipient, at)] if listed else ()

    def _may_block(self, recipients: Sequence[str]) -> bool:
        """False if no recipient is blocked. Of a few numbers, a set says so at once; many would not fit into one."""
        if self._blocked is None:
            listed = self._listed.get(("blocked", ""), ())
            if sum(map(len, listed)) > _FEW:
                return True
            self._blocked = frozenset(chain.from_iterable(listed))
        return not self._blocked.isdisjoint(recipients)

    def _copy(self, files: Mapping[str, Numbers], single: Numbers) -> Lists:
        copy = Lists()
        copy._set(files, single)
        return copy


def numbers_of(entries: Iterable[ListEntry]) -> Numbers:
    """The numbers of each list, and of each port in the lists of PORT_RECIPIENT."""
    gathered: defaultdict[_Name, Gathering] = defaultdict(Gathering)
    for entry in entries:
        key, number = _place(entry.list, entry.value)
        gathered[key].add(number, Mark(entry.reason, entry.expires))
    return {key: each.numbers() for key, each in gathered.items()}


def _place(name: str, value: str) -> tuple[_Name, str]:
    """Which numbers an entry belongs to, and its number."""
    if ENTITIES[name] != PORT_RECIPIENT:
        return (name, ""), value
    port, _, recipient = value.partition(":")
    return (name, port), recipient


def _longest(listed: Sequence[ListedNumbers], number: str) -> Mark | None:
    """Of the marks of a number, the one that lasts."""
    longest: Mark | None = None
    for numbers in listed:
        mark = numbers.get(number)
        if mark is not None and (longest is None or mark.expires > longest.expires):
            longest = mark
    return longest


def _is_in_force(listed: Sequence[ListedNumbers], number: str, at: int) -> bool:
    """Whether a number has a mark that has not expired at `at` (epoch ms)."""
    for numbers in listed:
        mark = numbers.get(number)
        if mark is not None and mark.expires > at:
            return True
    return False


@lru_cache(10_000)
def _code_of(port: str) -> str:
    """The code of a port as entries have it: older versions accepted codes with the prefix 86."""
    return service_code(port) or port


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
    """The entries of a `lists.csv`; see `read_lists`."""
    return list(read_lists(text, source, strict=strict))


def check_lists(text: str, source: str = "lists.csv") -> None:
    """Raise AntispamError for the first fault of a `lists.csv`."""
    for _ in read_lists(text, source):
        pass


def read_single(name: str, value: str | None) -> tuple[tuple[str, str], ListEntry | None]:
    """List and value of a single entry from its name on the config topic, and the entry; None if it was removed.

    Its name is `list/value`; its value is a `lists.csv` of one row. Raises AntispamError for another name or value.
    """
    listed, _, spelled = name.partition("/")
    if listed not in ENTITIES:
        raise AntispamError("unknown list {name!r}; {near}", name=listed[:40], near=suggestion(listed, ENTITIES))
    key = listed, one_form(listed, spelled) or spelled
    if value is None:
        return key, None
    entries = parse_lists(value, name, strict=False)
    if len(entries) != 1 or (entries[0].list, entries[0].value) != key:
        raise AntispamError("one row expected, with the list and the value that the name has")
    return key, entries[0]


def read_lists(text: str, source: str = "lists.csv", *, strict: bool = True) -> Iterator[ListEntry]:
    """The entries of a `lists.csv`, one by one. Raises AntispamError naming the line on which a faulty row begins.

    Unless `strict`, a value that is not a number is kept as it is and never matches: lists published before the check
    existed may contain such values, and their other entries must stay in force.
    """
    rows = csv.reader((line[0] for line in _LINE.finditer(text)), strict=True)
    line = 1
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise AntispamError("header must be {known}", known=",".join(COLUMNS))
        while True:
            line = rows.line_num + 1  # first line of the row: an unclosed quote runs to the end of the file
            row = next(rows, None)
            if row is None:
                return
            if row:
                yield entry_of(row, strict=strict)
    except csv.Error as error:
        raise AntispamError("{place}: {fault}", place=f"{source}:{line}", fault=said(error)) from None
    except AntispamError as error:
        raise AntispamError("{place}: {fault}", place=f"{source}:{line}", fault=error) from None


def entry_of(row: Sequence[str], *, strict: bool = True) -> ListEntry:
    """The entry of a row; `strict` as for `read_lists`. Raises AntispamError naming the column."""
    if len(row) != len(COLUMNS):
        raise AntispamError(
            "{n} fields; {wanted} expected: {known}", n=len(row), wanted=len(COLUMNS), known=",".join(COLUMNS)
        )
    for column, field in zip(COLUMNS, row, strict=True):
        if len(field) > MAX_FIELD:
            raise AntispamError("column {column}: longer than {most} characters", column=column, most=MAX_FIELD)
    name, entity, value, reason, expires = row
    value = value.strip()
    if name not in ENTITIES:
        raise AntispamError(
            "column list: unknown list {name!r}; {near}", name=name[:40], near=suggestion(name, ENTITIES)
        )
    if entity != ENTITIES[name]:
        raise AntispamError(
            "column entity: the list {name} holds {wanted}, not {entity!r}",
            name=name,
            wanted=ENTITIES[name],
            entity=entity[:40],
        )
    form = one_form(name, value)
    if not value or (entity == PORT_RECIPIENT and not re.search("[:：]", value)) or (form is None and strict):
        if entity == PORT_RECIPIENT:
            raise AntispamError(
                "column value: bad value {value!r}: port:number, such as 10690001:13800000001 expected", value=value
            )
        raise AntispamError("column value: bad value {value!r}: one number expected", value=value)
    try:
        ends = parse_expiry(expires)
    except AntispamError as error:
        raise AntispamError("column expires: {fault}", fault=error) from None
    return ListEntry(name, form or value, reason, ends)
