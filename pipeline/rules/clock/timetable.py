"""Review hours (审核时间): people review in them, and deadlines are counted in them only.

A case that arrives at 17:20 and is due after an hour is due at 09:20 on the next working day. Source of the hours,
08:30 to 17:30 on working days: the operators' rules for review before send (DESIGN §9).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pipeline.durations import MINUTE_MS
from pipeline.rules.clock.calendar import SATURDAY, Calendar, Moment

OPENS = time(8, 30)
CLOSES = time(17, 30)  # both at the beginning of a quarter of an hour, as `Moment.quarter`


def is_open(moment: Moment) -> bool:
    """Whether this local time is in review hours. In a year that the calendar does not know, Monday to Friday count."""
    working = moment.workday if moment.known else moment.weekday < SATURDAY
    return working and OPENS <= moment.quarter < CLOSES


@dataclass(frozen=True, slots=True)
class Timetable:
    """Review hours on the working days of a calendar, in its zone.

    A deadline needs a date also in a year that the calendar does not know: there Monday to Friday count.
    """

    calendar: Calendar

    def is_working(self, day: date) -> bool:
        """Whether this day has review hours."""
        if day.year in self.calendar.years:
            return self.calendar.is_workday(day)
        return day.isoweekday() < SATURDAY

    def after(self, at: int, minutes: int) -> int:
        """The time (epoch ms) when `minutes` of review hours have passed since `at` (epoch ms)."""
        left = minutes * MINUTE_MS
        day = datetime.fromtimestamp(at / 1000, self.calendar.zone).date()
        while True:
            if self.is_working(day):
                begin, end = max(at, self.calendar.epoch(day, OPENS)), self.calendar.epoch(day, CLOSES)
                if left <= end - begin:
                    return begin + left
                left -= max(0, end - begin)
            day += timedelta(days=1)

    def opening(self, at: int) -> int:
        """The first time (epoch ms) after `at` (epoch ms) when review hours begin."""
        return self._next(at, OPENS)

    def closing(self, at: int) -> int:
        """The first time (epoch ms) after `at` (epoch ms) when review hours end."""
        return self._next(at, CLOSES)

    def _next(self, at: int, clock: time) -> int:
        found = self.calendar.next(at, clock)
        while not self.is_working(datetime.fromtimestamp(found / 1000, self.calendar.zone).date()):
            found = self.calendar.next(found, clock)
        return found
