"""A report as an HTML page that prints well. Every value is escaped: names of enterprises come from outside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from pipeline.actions.reports.definition import Table
from pipeline.actions.reports.made import Made
from pipeline.actions.reports.values import local, shown

LONGEST = 50  # rows of a table on the page; the csv has all


class Cell(NamedTuple):
    """A shown value; `bar` is its length in percent of the longest, or None."""

    text: str
    number: bool
    bar: float | None


def render(made: Made, language: str) -> str:
    """The page in this language."""
    zone = made.period.zone
    page: str = _template().render(
        made=made,
        language=language,
        newest=made.newest and local(made.newest, zone).strftime("%Y-%m-%d %H:%M:%S"),
        tables=[(filled.table, _rows(filled.table, filled.rows, language, zone)) for filled in made.tables],
        longest=LONGEST,
    )
    return page


def _rows(table: Table, rows: Sequence[Sequence[Any]], language: str, zone: str) -> list[list[Cell]]:
    columns = list(table.columns.values())
    most = [max((float(row[n] or 0) for row in rows), default=0) if c.bar else 0 for n, c in enumerate(columns)]
    return [
        [
            Cell(
                shown(value, column, language, zone),
                column.form in ("number", "share"),
                round(100 * float(value or 0) / top, 1) if column.bar and top else None,
            )
            for value, column, top in zip(row, columns, most, strict=True)
        ]
        for row in rows[:LONGEST]
    ]


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("pipeline.actions.reports").joinpath("page.html").read_text(encoding="utf-8"))
