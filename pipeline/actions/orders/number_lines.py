"""The lines of a file that a party writes: answers to orders, or one number a line. A bad line costs only itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pipeline.errors import AntispamError
from pipeline.file_exchange import CsvForm, RecordSource
from pipeline.files.columns import Columns
from pipeline.files.rejected import Rejected
from pipeline.files.source_file import SourceFile
from pipeline.order_exchange import NumberSource
from pipeline.text.numbers import number


class NumberLine(NamedTuple):
    """A line: its number, what was read, and its fields or the fault for which it is refused."""

    line: int
    raw: Any
    fields: Mapping[str, str]
    number: str
    fault: str


def number_lines(opened: SourceFile, source: RecordSource, fields: Sequence[str]) -> Iterator[NumberLine]:
    """The lines of a file with these fields; those but order and reason are needed. A file is a csv unless `.jsonl`.

    Raises UnreadableFileError for a file without the needed columns.
    """
    if ".jsonl" not in opened.path.suffixes[-2:]:
        opened = replace(opened, format="csv")
    needed = frozenset(fields) - {"order", "reason"}
    form = CsvForm(delimiter=source.delimiter, header=source.header, quotes=source.quotes)
    wanted = Columns(tuple(fields), needed, lambda given: number(given.get("number", "")) is not None, form=form)
    table = opened.table([replace(wanted, named=source.columns or {})])
    for line, value, fault, _ in opened.rows(table):
        if fault:
            yield NumberLine(line, value, {}, "", fault)
            continue
        given = value if table is None else table.fields(value)
        try:
            found = _texts(given, needed)
            form_of = number(found["number"])
            if form_of is None:
                raise AntispamError("number: a phone number expected")
        except AntispamError as error:
            yield NumberLine(line, value, {}, "", str(error))
        else:
            yield NumberLine(line, value, found, form_of, "")


def read_numbers(opened: SourceFile, source: NumberSource) -> tuple[set[str], int]:
    """The numbers of a list, and how many of its lines are none; these go to `<file>.rejected.jsonl`.

    Raises UnreadableFileError.
    """
    numbers: set[str] = set()
    with Rejected(opened.path.with_name(opened.path.name + ".rejected.jsonl")) as rejected:
        for line in number_lines(opened, source, ("number",)):
            if line.fault:
                rejected.add(line.line, line.fault, line.raw)
            else:
                numbers.add(line.number)
        return numbers, rejected.count


def _texts(given: Mapping[str, Any], needed: frozenset[str]) -> dict[str, str]:
    found = {name: str(value).strip() for name, value in given.items() if isinstance(value, str | int)}
    missing = sorted(name for name in needed if not found.get(name))
    if missing:
        raise AntispamError(f"{missing[0]}: missing")
    return found
