"""Which column of a csv holds which of our fields: settings say it, and its first lines say the rest.

SMSCs write what they like: `,` `;` `|` or TAB between the columns, names in capitals, padded or none at
all, a `sep=` line for spreadsheets. Where the settings leave it open:

* a first line `sep=;` names the delimiter and is no row;
* a first line that holds the names of the columns we need, by one of the delimiters, is the header; case
  and blanks around a name make no difference;
* a first line that is itself a line of the kind asked for, its columns in our order, is the first row;
* anything else is refused as a whole, by the name of what is missing: each of its lines would be refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from pipeline.errors import AntispamError
from pipeline.file_exchange import DELIMITERS, CsvForm

FIRST_LINES = 100  # looked at to learn how a file is written
MAX_COLUMNS = 1000
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[^\W\d]\w{0,31}")  # what an error may repeat: a number or a text is none


@dataclass(frozen=True, slots=True)
class Columns:
    """What is wanted of a csv.

    `fields` are ours, in the order they stand in where no header names them; those `needed` must be there.
    `named` says what the file calls some of them, by name or by number from 1; these must be there too, and
    of the others only the needed are looked for. `fits` tells whether fields make a line of this kind; None
    where any do. `closed`: a column that is none of `fields` is a mistake.
    """

    fields: tuple[str, ...]
    needed: frozenset[str]
    fits: Callable[[Mapping[str, str]], bool] | None = None
    named: Mapping[str, str | int] = field(default_factory=dict)
    closed: bool = False
    form: CsvForm = field(default_factory=CsvForm)

    @property
    def by_number(self) -> bool:
        """Whether the columns are named by their places."""
        return any(isinstance(name, int) for name in self.named.values())

    @property
    def may_have_header(self) -> bool:
        """Whether the first line may name the columns: it does not where their places do, unless it is said to."""
        return not self.by_number if self.form.header is None else self.form.header


@dataclass(frozen=True, slots=True)
class Table:
    """How one csv is written: `skip` lines before its first row, a name for each column in `header`.

    `names` holds our field and its column's name; `what` is what of the wanted it was found to be.
    """

    what: Columns
    delimiter: str
    skip: int
    header: tuple[str, ...]
    names: Mapping[str, str]

    def row(self, cells: Sequence[str]) -> dict[str, str] | None:
        """The cells by the names of their columns; None if there are too many or too few.

        Empty cells at the end are none: many SMSCs end a line with a delimiter.
        """
        surplus = cells[len(self.header) :]
        if len(cells) < len(self.header) or any(surplus):
            return None
        return dict(zip(self.header, cells, strict=False))

    def fields(self, row: Mapping[str, str]) -> dict[str, str]:
        """A row by our fields; empty cells are left out."""
        return {ours: row[theirs] for ours, theirs in self.names.items() if row[theirs]}


def find_columns(lines: Sequence[str], wanted: Sequence[Columns]) -> Table:
    """How a csv that begins with these lines is written; `wanted` is what it may be, the likeliest first.

    Raises AntispamError when it is none of them.
    """
    lines = [line.rstrip("\r\n").removeprefix("\ufeff") for line in lines]
    skip = _first_filled(lines, 0)
    delimiters: Sequence[str] = DELIMITERS
    if skip < len(lines) and (sep := _SEP_LINE.fullmatch(lines[skip])):
        if sep[1] not in DELIMITERS:
            raise AntispamError("sep=: one of , ; | and TAB expected")
        delimiters, skip = [sep[1]], _first_filled(lines, skip + 1)
    if skip == len(lines):
        return Table(wanted[0], delimiters[0], skip, (), {})  # empty: a table without rows
    faults: list[_Fault] = []
    for columns in wanted:
        if not columns.may_have_header and any(isinstance(name, str) for name in columns.named.values()):
            raise AntispamError("without a header, columns are named by numbers, from 1")
        tried = [columns.form.delimiter] if columns.form.delimiter else delimiters
        found = _by_header(lines[skip], columns, tried, skip, faults) or _by_order(lines, columns, tried, skip)
        if found:
            return found
    raise AntispamError(min(faults, key=itemgetter(0))[1] if faults else _no_row(wanted[0]))


def _first_filled(lines: Sequence[str], start: int) -> int:
    return next((n for n in range(start, len(lines)) if lines[n].strip()), len(lines))


_Fault = tuple[float, str]  # the share of the columns that is missing, and what to tell


def _by_header(line: str, columns: Columns, delimiters: Sequence[str], skip: int, faults: list[_Fault]) -> Table | None:
    if not columns.may_have_header:
        return None
    for delimiter in delimiters:
        try:
            header = tuple(_name(cell) for cell in cells(line, delimiter))
        except csv.Error:  # a blank behind a closing mark, say: names hold no delimiter, so this is the same
            header = tuple(_name(cell) for cell in line.split(delimiter))
        if len(header) > MAX_COLUMNS:
            raise AntispamError(f"header: more than {MAX_COLUMNS} columns")
        places = {ours: _place(header, columns, ours) for ours in columns.fields}
        missing = [ours for ours in columns.fields if _is_needed(columns, ours) and places[ours] is None]
        if missing:
            share = len(missing) / sum(_is_needed(columns, ours) for ours in columns.fields)
            faults.append((share, _missing(columns, missing)))
            continue
        taken = {place: ours for ours, place in places.items() if place is not None}
        unknown = [n for n, name in enumerate(header) if name and n not in taken]
        if columns.closed and unknown:
            name = header[unknown[0]]
            told = f"`{name}`" if _PLAIN_NAME.fullmatch(name) else f"number {unknown[0] + 1}"
            raise AntispamError(f"header: unknown column {told}; known are {', '.join(columns.fields)}")
        called = _distinct(header)
        return Table(columns, delimiter, skip + 1, called, {ours: called[place] for place, ours in taken.items()})
    return None


def _by_order(lines: Sequence[str], columns: Columns, delimiters: Sequence[str], skip: int) -> Table | None:
    """Without a header. Where it was not said that there is none, the first line must be a row."""
    if columns.form.header or (columns.named and not columns.by_number):
        return None
    for line in lines[skip : skip + 1] if columns.may_have_header else lines[skip:]:
        for delimiter in delimiters:
            try:
                row = cells(line, delimiter, columns.form.quotes)
            except csv.Error:
                continue
            places = {ours: _number(columns, ours) for ours in columns.fields}
            placed = {ours: n for ours, n in places.items() if n is not None and n < len(row)}
            if len(row) > MAX_COLUMNS or any(_is_needed(columns, f) and f not in placed for f in columns.fields):
                continue
            while len(row) > 1 + max(placed.values()) and not row[-1]:
                row.pop()  # a delimiter at the end of the line
            called = {n: ours for ours, n in placed.items()}
            header = tuple(called.get(n, f"column {n + 1}") for n in range(len(row)))
            table = Table(columns, delimiter, skip, header, {ours: ours for ours in placed})
            if columns.fits is None or columns.fits(table.fields(dict(zip(header, row, strict=True)))):
                return table
    return None


def cells(line: str, delimiter: str, quotes: bool = True) -> list[str]:
    """The cells of one line. Raises csv.Error for a quotation mark that is not closed in it."""
    if not quotes or '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, strict=True), [])


def _name(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _place(header: Sequence[str], columns: Columns, ours: str) -> int | None:
    """The place of a field's column, None where there is none. Raises AntispamError where there are two."""
    called = columns.named.get(ours, ours if not columns.named or ours in columns.needed else None)
    if called is None:
        return None
    if isinstance(called, int):
        return called - 1 if called <= len(header) else None
    wanted = _name(called).casefold()
    found = [n for n, name in enumerate(header) if name.casefold() == wanted]
    if len(found) > 1:
        raise AntispamError(f"header: column `{called}` is there twice")
    return found[0] if found else None


def _number(columns: Columns, ours: str) -> int | None:
    """The place of a field's column where there is no header."""
    called = columns.named.get(ours)
    return called - 1 if isinstance(called, int) else None if columns.named else columns.fields.index(ours)


def _is_needed(columns: Columns, ours: str) -> bool:
    return ours in columns.needed or ours in columns.named


def _distinct(header: tuple[str, ...]) -> tuple[str, ...]:
    """Columns that nobody asks for may have one name, or none, twice."""
    return tuple(name if name and header.count(name) == 1 else f"column {n}" for n, name in enumerate(header, 1))


def _missing(columns: Columns, missing: Sequence[str]) -> str:
    names = ", ".join(f"`{columns.named.get(ours, ours)}`" for ours in missing)
    may_be_row = columns.form.header is None and not columns.named
    return f"header: no column {names}" + (", and the first line is no row by itself" if may_be_row else "")


def _no_row(columns: Columns) -> str:
    order = ", ".join(f"{ours} {n + 1}" for ours in columns.fields if (n := _number(columns, ours)) is not None)
    return f"no header is expected, and none of the first {FIRST_LINES} lines is a row with the columns {order}"
