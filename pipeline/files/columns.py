"""Which column of a csv holds which of our fields: from the settings, and otherwise from its first lines.

The csv files of SMSCs differ: `,` `;` `|` or TAB between the columns, names in capitals, padded or missing, a `sep=`
line for spreadsheets. These rules apply where the settings say nothing:

* a first line `sep=;` names the delimiter and is no row;
* a first line with the names of all needed columns, under one of the delimiters, is the header; case and blanks
  around a name do not matter;
* a first line that is a valid line of the expected kind, with its columns in our order, is the first row;
* any other file is refused as a whole, with the names of the missing columns: each of its lines would be refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from pipeline.errors import AntispamError
from pipeline.file_exchange import DELIMITERS, CsvForm

FIRST_LINES = 100  # lines read to learn how a file is written
MAX_COLUMNS = 1000
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[^\W\d]\w{0,31}")  # error texts repeat only such cells: no numbers, no texts


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns expected of a csv.

    `fields` are our fields, in the order used when there is no header. The fields in `needed` must be present.
    `named` maps some of our fields to the file's columns, by name or by number from 1. These columns must be present;
    of the other fields only the needed ones are looked for. `fits` tells whether a row is a valid line of this kind;
    None accepts every row. `closed`: a column outside `fields` is a mistake.
    """

    fields: tuple[str, ...]
    needed: frozenset[str]
    fits: Callable[[Mapping[str, str]], bool] | None = None
    named: Mapping[str, str | int] = field(default_factory=dict)
    closed: bool = False
    form: CsvForm = field(default_factory=CsvForm)

    @property
    def by_number(self) -> bool:
        """Whether the columns are identified by number."""
        return any(isinstance(name, int) for name in self.named.values())

    @property
    def may_have_header(self) -> bool:
        """Whether the first line may be a header. If columns are numbered, only when the settings say so."""
        return not self.by_number if self.form.header is None else self.form.header


@dataclass(frozen=True, slots=True)
class Table:
    """How one csv is written: `skip` lines come before its first row; `header` has a name for each column.

    `names` maps our fields to column names; `what` is the matching kind among the wanted ones.
    """

    what: Columns
    delimiter: str
    skip: int
    header: tuple[str, ...]
    names: Mapping[str, str]

    def row(self, cells: Sequence[str]) -> dict[str, str] | None:
        """The cells by column name; None if there are too many or too few cells.

        Empty cells at the end are ignored: many SMSCs end a line with a delimiter.
        """
        surplus = cells[len(self.header) :]
        if len(cells) < len(self.header) or any(surplus):
            return None
        return dict(zip(self.header, cells, strict=False))

    def fields(self, row: Mapping[str, str]) -> dict[str, str]:
        """A row by our field names, without its empty cells."""
        return {ours: row[theirs] for ours, theirs in self.names.items() if row[theirs]}


def find_columns(lines: Sequence[str], wanted: Sequence[Columns]) -> Table:
    """How a csv with these first lines is written; `wanted` lists the possible kinds, the likeliest first.

    Raises AntispamError if no kind matches.
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


_Fault = tuple[float, str]  # the share of missing columns, and the error text


def _by_header(line: str, columns: Columns, delimiters: Sequence[str], skip: int, faults: list[_Fault]) -> Table | None:
    if not columns.may_have_header:
        return None
    for delimiter in delimiters:
        try:
            header = tuple(_name(cell) for cell in cells(line, delimiter))
        # For example a blank after a closing quotation mark. Names hold no delimiter, so splitting gives the same.
        except csv.Error:
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
    """The table of a csv without header. Unless the settings say so, the first line must then be a valid row."""
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
    """The cells of one line. Raises csv.Error for a quotation mark that the line does not close."""
    if not quotes or '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, strict=True), [])


def _name(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _place(header: Sequence[str], columns: Columns, ours: str) -> int | None:
    """The position of a field's column; None if it is missing. Raises AntispamError if there are two."""
    called = columns.named.get(ours, ours if not columns.named or ours in columns.needed else None)
    if called is None:
        return None
    if isinstance(called, int):
        return called - 1 if called <= len(header) else None
    wanted = _name(called).casefold()
    found = [n for n, name in enumerate(header) if name.casefold() == wanted]
    if len(found) > 1:
        raise AntispamError(f"header: column `{called}` occurs twice")
    return found[0] if found else None


def _number(columns: Columns, ours: str) -> int | None:
    """The position of a field's column in a csv without header."""
    called = columns.named.get(ours)
    return called - 1 if isinstance(called, int) else None if columns.named else columns.fields.index(ours)


def _is_needed(columns: Columns, ours: str) -> bool:
    return ours in columns.needed or ours in columns.named


def _distinct(header: tuple[str, ...]) -> tuple[str, ...]:
    """Column names. Unused columns may repeat a name or have none."""
    return tuple(name if name and header.count(name) == 1 else f"column {n}" for n, name in enumerate(header, 1))


def _missing(columns: Columns, missing: Sequence[str]) -> str:
    names = ", ".join(f"`{columns.named.get(ours, ours)}`" for ours in missing)
    may_be_row = columns.form.header is None and not columns.named
    return f"header: no column {names}" + (", and the first line is no row by itself" if may_be_row else "")


def _no_row(columns: Columns) -> str:
    order = ", ".join(f"{ours} {n + 1}" for ours in columns.fields if (n := _number(columns, ours)) is not None)
    return f"no header is expected, and none of the first {FIRST_LINES} lines is a row with the columns {order}"
