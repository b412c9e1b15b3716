"""When the answer to a complaint is due."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from pipeline.rules.clock.calendar import Calendar
from pipeline.rules.clock.timetable import Timetable


def due_at(calendar: Calendar, received_at: int, days: int) -> int:
    """The end (epoch ms) of the working day that is `days` working days after the day of receipt (epoch ms).

    A day ends when the next one begins, by the clocks of the calendar. In a year that it does not know, Monday to
    Friday count.
    """
    timetable = Timetable(calendar)
    day = datetime.fromtimestamp(received_at / 1000, calendar.zone).date()
    while days:
        day += timedelta(days=1)
        days -= timetable.is_working(day)
    return calendar.epoch(day + timedelta(days=1), time.min)
