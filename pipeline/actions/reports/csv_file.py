"""A table of a report as csv.

In English it is for machines: the names of the columns never change, and words of the pipeline stand as they are. In
Chinese it is for people: headings and words are translated. Numbers are plain, shares are of 1, times are ISO 8601.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.actions.reports.definition import Column, Table
from pipeline.actions.reports.values import local, plain_number, word
from pipeline.text.spreadsheet import defused

MACHINES = "en"


def render(table: Table, rows: Sequence[Sequence[Any]], language: str, zone: str) -> str:
    """The text of the csv. A text that a spreadsheet would compute gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    columns = list(table.columns.values())
    writer.writerow(table.columns if language == MACHINES else [column.heading[language] for column in columns])
    for row in rows:
        writer.writerow(
            [defused(_cell(value, column, language, zone)) for value, column in zip(row, columns, strict=True)]
        )
    return out.getvalue()


def _cell(value: Any, column: Column, language: str, zone: str) -> Any:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return local(value, zone).isoformat()
    if isinstance(value, float | Decimal):
        return plain_number(value)
    return word(value, language) if column.form == "word" and language != MACHINES else value
