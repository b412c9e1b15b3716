"""A report as it was made: the rows of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.actions.reports.definition import Report, Table
from pipeline.actions.reports.period import Period


@dataclass(frozen=True)
class Filled:
    """A table of a report with its rows, each in the order of its columns."""

    table: Table
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Made:
    """A report of one period. `newest` is the time of its newest decision in the lake; None: it has none."""

    name: str
    report: Report
    period: Period
    newest: datetime | None
    tables: Sequence[Filled]
