"""The clock of review hours stands still outside them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.clock.calendar import shipped_calendar
from pipeline.rules.clock.timetable import Timetable, is_open

ZONE = ZoneInfo("Asia/Shanghai")
TIMETABLE = Timetable(shipped_calendar())


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


@pytest.mark.parametrize(
    ("comes", "due"),
    [
        ("2025-11-25T11:30", "2025-11-25T12:30"),
        ("2025-11-25T16:30", "2025-11-25T17:30"),  # to the minute
        ("2025-11-25T17:20", "2025-11-26T09:20"),
        ("2025-11-25T03:00", "2025-11-25T09:30"),  # before hours
        ("2025-11-28T18:00", "2025-12-01T09:30"),  # Friday evening
        ("2025-09-30T17:29", "2025-10-09T09:29"),  # over the holidays
        ("2025-09-28T10:00", "2025-09-28T11:00"),  # a worked Sunday
        ("2031-01-01T10:00", "2031-01-01T11:00"),  # a year that the calendar does not know: Monday to Friday
        ("2031-01-04T10:00", "2031-01-06T09:30"),
    ],
)
def test_an_hour_of_review_hours(comes: str, due: str) -> None:
    assert TIMETABLE.after(ms(comes), 60) == ms(due)


@pytest.mark.parametrize(
    ("at", "opening", "closing"),
    [
        ("2025-11-25T08:29", "2025-11-25T08:30", "2025-11-25T17:30"),
        ("2025-11-25T08:30", "2025-11-26T08:30", "2025-11-25T17:30"),
        ("2025-11-25T17:30", "2025-11-26T08:30", "2025-11-26T17:30"),
        ("2025-11-28T17:30", "2025-12-01T08:30", "2025-12-01T17:30"),  # Friday
        ("2025-09-30T17:29", "2025-10-09T08:30", "2025-09-30T17:30"),  # before the holidays
        ("2025-09-27T12:00", "2025-09-28T08:30", "2025-09-28T17:30"),  # before a worked Sunday
        ("2031-01-03T18:00", "2031-01-06T08:30", "2031-01-06T17:30"),  # an unknown year
    ],
)
def test_the_next_opening_and_closing(at: str, opening: str, closing: str) -> None:
    assert (TIMETABLE.opening(ms(at)), TIMETABLE.closing(ms(at))) == (ms(opening), ms(closing))


@given(st.integers(0, 800 * 24 * 60))
def test_review_hours_are_open_from_each_opening_to_the_closing_after_it(minutes: int) -> None:
    at = ms("2025-01-01T00:00") + minutes * 60_000
    assert is_open(shipped_calendar().moment(at)) == (TIMETABLE.closing(at) < TIMETABLE.opening(at))


@given(st.integers(0, 400 * 24 * 60), st.integers(1, 2000), st.integers(1, 2000))
def test_waiting_in_two_steps_ends_when_one_would(start: int, first: int, second: int) -> None:
    at = ms("2025-01-01T00:00") + start * 60_000
    assert TIMETABLE.after(TIMETABLE.after(at, first), second) == TIMETABLE.after(at, first + second)
