"""The rows of a csv. A bad line never spoils another line.

SMSCs do not quote, so a message that begins with a quotation mark opens a quoted cell, and nothing closes it. The
rules:

* A quoted cell may hold line breaks. It spans at most 50 lines and ends at a quotation mark that is followed by a
  delimiter or a line end.
* A line that is valid by itself (a record, a submission) is never part of a quoted cell, and a row read across
  lines must be valid as a whole. Otherwise only the line with the opening mark is refused.

With `quotes` off, a quotation mark is an ordinary character and each line is a row.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from pipeline.files.columns import Table, cells

MAX_LINE = 1 << 20  # characters
SPAN = 50  # most lines of one row
_BLOCK = 1 << 20
_undecoded = re.compile("[\udc80-\udcff]").search  # surrogateescape decodes an invalid byte to one of these

csv.field_size_limit(MAX_LINE)


class Line(NamedTuple):
    """A line with its line end. If it cannot be read, `fault` says why and `text` is the part that is kept."""

    number: int
    text: str
    fault: str = ""


def lines_of(stream: io.TextIOWrapper) -> Iterator[Line]:
    """The lines of a text opened with surrogateescape, numbered from 1 and bounded in length.

    A line that cannot be decoded is kept with one character for each byte.
    """
    number = 0
    try:
        while line := stream.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE and not line.endswith(("\n", "\r")):
                while (rest := stream.readline(_BLOCK)) and not rest.endswith(("\n", "\r")):
                    continue
                yield Line(number, line[:200], f"longer than {MAX_LINE} characters")
            elif _undecoded(line):
                raw = line.encode(stream.encoding, "surrogateescape").decode("latin-1")
                yield Line(number, raw, f"not {stream.encoding.removesuffix('-sig')}")
            else:
                yield Line(number, line)
    finally:
        # Without this, the end of the wrapper would close the file below it, which its owner still reads.
        stream.detach()


def rows_of(lines: Iterator[Line], table: Table) -> Iterator[tuple[int, dict[str, str] | str, str]]:
    """For each row after the header: (number of its last line, row by column name, "").

    For a line that is no valid row: (its number, the raw line, the fault).
    """
    lines = islice(lines, table.skip, None)
    ahead: deque[Line] = deque()  # lines read ahead in the search for a closing quotation mark
    while line := ahead.popleft() if ahead else next(lines, None):
        if line.fault:
            yield line
        elif line.text.strip():
            yield _row(line, lines, ahead, table)


def _row(line: Line, lines: Iterator[Line], ahead: deque[Line], table: Table) -> tuple[int, dict[str, str] | str, str]:
    number, text, _ = line
    try:
        row = table.row(cells(_bare(text), table.delimiter, table.what.form.quotes))
    except csv.Error:
        spanned, row = _spanning(line, lines, ahead, table)
        if row is None:
            return number, text, "a quotation mark that is not closed, or has text behind it"
        for _ in range(spanned):
            number = ahead.popleft().number
    return (number, text, f"{len(table.header)} columns expected") if row is None else (number, row, "")


def _spanning(line: Line, lines: Iterator[Line], ahead: deque[Line], table: Table) -> tuple[int, dict[str, str] | None]:
    """The row of a line whose quoted cell continues, and how many lines of `ahead` belong to it."""
    spanned = 0

    def text() -> Iterator[str]:
        nonlocal spanned
        size = len(line.text)
        yield line.text
        while spanned < SPAN:
            if spanned == len(ahead):
                ahead.extend(islice(lines, 1))
            if spanned == len(ahead):
                return
            following = ahead[spanned]
            size += len(following.text)
            if following.fault or size > MAX_LINE or _stands_alone(following.text, table):
                return
            spanned += 1
            yield following.text

    try:
        found = next(csv.reader(text(), delimiter=table.delimiter, strict=True))
    except (csv.Error, StopIteration):
        return 0, None
    row = table.row(found)
    return spanned, row if _is_one(row, table) else None


def _stands_alone(text: str, table: Table) -> bool:
    if table.what.fits is None:  # nothing distinguishes a row from a line of text
        return False
    try:
        return _is_one(table.row(cells(_bare(text), table.delimiter)), table)
    except csv.Error:
        return False


def _is_one(row: dict[str, str] | None, table: Table) -> bool:
    """Whether the row is valid for its kind."""
    return row is not None and (table.what.fits is None or table.what.fits(table.fields(row)))


def _bare(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")
