"""Values of reports as people read them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.actions.reports.definition import Column, words

NOTHING = "–"


def shown(value: Any, column: Column, language: str, zone: str) -> str:
    """A value in the form of its column; NOTHING for no value."""
    if value is None or value == "":
        return NOTHING
    if column.form == "word":
        return word(str(value), language)
    if column.form == "number":
        return f"{value:,}" if isinstance(value, int) else f"{plain_number(value):,}"
    if column.form == "share":
        return f"{100 * value:.1f} %"
    if column.form == "time":
        return local(value, zone).strftime("%Y-%m-%d %H:%M")
    return str(value)


def word(value: str, language: str) -> str:
    """What a value is called; itself, if it has no name."""
    named = words().get(value)
    return value if named is None else named[language]


def plain_number(value: float | Decimal) -> int | float:
    """A whole number as an int."""
    number = float(value)
    return int(number) if number.is_integer() else number


def local(at: datetime, zone: str) -> datetime:
    """The time by the clocks of the zone."""
    return at.astimezone(ZoneInfo(zone))
