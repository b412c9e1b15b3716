"""Periods of reports: whole local days, ISO weeks and months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Span(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to the day before `after`, by the clocks of `zone`."""

    span: Span
    first: date
    after: date
    zone: str

    @property
    def name(self) -> str:
        """2026-11-22, 2026-W47 or 2026-11."""
        if self.span is Span.WEEK:
            year, week, _ = self.first.isocalendar()
            return f"{year}-W{week:02}"
        return self.first.isoformat()[: 7 if self.span is Span.MONTH else 10]

    @property
    def since(self) -> int:
        """The first millisecond of the period (epoch ms)."""
        return _midnight(self.first, self.zone)

    @property
    def until(self) -> int:
        """The first millisecond after the period (epoch ms)."""
        return _midnight(self.after, self.zone)

    @property
    def before(self) -> Period:
        """The period that ends where this one begins."""
        return containing(self.span, self.first - timedelta(days=1), self.zone)

    @property
    def days(self) -> list[Period]:
        """Each day of the period."""
        count = (self.after - self.first).days
        return [containing(Span.DAY, self.first + timedelta(days=n), self.zone) for n in range(count)]


def containing(span: Span, day: date, zone: str) -> Period:
    """The period that this day lies in."""
    if span is Span.DAY:
        return Period(span, day, day + timedelta(days=1), zone)
    if span is Span.WEEK:
        first = day - timedelta(days=day.weekday())
        return Period(span, first, first + timedelta(days=7), zone)
    first = day.replace(day=1)
    return Period(span, first, (first + timedelta(days=31)).replace(day=1), zone)


def last_complete(span: Span, now: int, zone: str) -> Period:
    """The newest period that is over at `now` (epoch ms)."""
    today = datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).date()
    return containing(span, today, zone).before


def _midnight(day: date, zone: str) -> int:
    return round(datetime.combine(day, time(), ZoneInfo(zone)).timestamp() * 1000)
