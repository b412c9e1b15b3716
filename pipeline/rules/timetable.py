"""Review hours (审核时间): deadlines are counted in review hours only.

A case that arrives at 17:20 and is due after an hour is due at 09:20 on the next working day. Source of the hours,
08:30 to 17:30 on working days: the operators' rules for review before send (DESIGN §9).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline.durations import MINUTE_MS

OPENS = time(8, 30)
CLOSES = time(17, 30)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Timetable:
    """Working days of one time zone: Monday to Friday without `holidays`, plus the working days in `weekends`."""

    zone: str = "Asia/Shanghai"
    holidays: frozenset[date] = frozenset()
    weekends: frozenset[date] = frozenset()

    def is_working(self, day: date) -> bool:
        """Whether this day has review hours."""
        return day in self.weekends or (day.weekday() < SATURDAY and day not in self.holidays)

    def after(self, at: int, minutes: int) -> int:
        """The time (epoch ms) when `minutes` of review hours have passed since `at` (epoch ms)."""
        left = minutes * MINUTE_MS
        day = datetime.fromtimestamp(at / 1000, ZoneInfo(self.zone)).date()
        while True:
            if self.is_working(day):
                begin, end = max(at, self._epoch(day, OPENS)), self._epoch(day, CLOSES)
                if left <= end - begin:
                    return begin + left
                left -= max(0, end - begin)
            day += timedelta(days=1)

    def _epoch(self, day: date, moment: time) -> int:
        return int(datetime.combine(day, moment, ZoneInfo(self.zone)).timestamp() * 1000)
