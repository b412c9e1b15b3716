"""Periods begin and end at local midnight."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from pipeline.actions.reports.period import Span, containing, last_complete

SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("span", "day", "name", "first", "after"),
    [
        (Span.DAY, "2026-11-22", "2026-11-22", "2026-11-22", "2026-11-23"),
        (Span.WEEK, "2026-11-22", "2026-W47", "2026-11-16", "2026-11-23"),
        (Span.WEEK, "2027-01-01", "2026-W53", "2026-12-28", "2027-01-04"),
        (Span.MONTH, "2026-12-31", "2026-12", "2026-12-01", "2027-01-01"),
        (Span.MONTH, "2028-02-29", "2028-02", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_day_lies_in_its_period(span: Span, day: str, name: str, first: str, after: str) -> None:
    period = containing(span, date.fromisoformat(day), SHANGHAI)
    assert (period.name, period.first.isoformat(), period.after.isoformat()) == (name, first, after)
    assert period.before.after == period.first


def test_a_day_begins_at_local_midnight_and_may_have_23_hours() -> None:
    day = containing(Span.DAY, date(2026, 11, 22), SHANGHAI)
    assert day.since == datetime(2026, 11, 21, 16, tzinfo=UTC).timestamp() * 1000
    spring = containing(Span.DAY, date(2026, 3, 29), BERLIN)
    assert spring.until - spring.since == 23 * HOUR_MS


def test_the_days_of_a_month_are_the_month() -> None:
    month = containing(Span.MONTH, date(2026, 3, 9), BERLIN)
    days = month.days
    assert len(days) == 31
    assert (days[0].since, days[-1].until) == (month.since, month.until)
    assert all(one.until == other.since for one, other in pairwise(days))


@pytest.mark.parametrize(("span", "name"), [(Span.DAY, "2026-11-22"), (Span.WEEK, "2026-W46"), (Span.MONTH, "2026-10")])
def test_the_last_complete_period_is_over(span: Span, name: str) -> None:
    sunday_evening = round(datetime(2026, 11, 22, 15, 59, tzinfo=UTC).timestamp() * 1000)
    midnight = sunday_evening + 60_000
    assert last_complete(span, sunday_evening, SHANGHAI).until <= sunday_evening
    assert last_complete(span, midnight, SHANGHAI).name == (name if span is not Span.WEEK else "2026-W47")
