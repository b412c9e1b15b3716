"""Months as 2026-07, in a zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.errors import AntispamError


def month_of(at: int, zone: str) -> str:
    """The month of a time (epoch ms)."""
    return f"{datetime.fromtimestamp(at / 1000, ZoneInfo(zone)):%Y-%m}"


def before(month: str) -> str:
    """The month before."""
    year, number = _parts(month)
    return f"{year - (number == 1):04}-{(number - 2) % 12 + 1:02}"


def bounds(month: str, zone: str) -> tuple[int, int]:
    """The first ms of a month and of the next one. Raises AntispamError for what is no month."""
    year, number = _parts(month)
    ends = (year, number), (year + number // 12, number % 12 + 1)
    first, last = (int(datetime(y, m, 1, tzinfo=ZoneInfo(zone)).timestamp() * 1000) for y, m in ends)
    return first, last


def _parts(month: str) -> tuple[int, int]:
    year, _, number = month.partition("-")
    if not (len(year) == 4 and len(number) == 2 and (year + number).isdecimal() and (year + number).isascii()):
        raise AntispamError(f"month {month[:16]!r}: a month such as 2026-07 expected")
    if not (2000 <= int(year) < 2100 and 1 <= int(number) <= 12):
        raise AntispamError(f"month {month}: a month from 2000-01 to 2099-12 expected")
    return int(year), int(number)
