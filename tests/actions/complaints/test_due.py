"""An answer is due in working days, at the end of a day of the calendar's zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.actions.complaints.due import due_at
from pipeline.rules.clock.calendar import shipped_calendar

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("received", "days", "due"),
    [
        ("2026-07-13 09:00", 1, "2026-07-15"),  # Monday: to the end of Tuesday
        ("2026-07-13 23:59", 1, "2026-07-15"),
        ("2026-07-17 09:00", 1, "2026-07-21"),  # Friday: over the weekend
        ("2026-09-30 09:00", 1, "2026-10-09"),  # over the holidays of October 1 to 7
        ("2031-07-17 09:00", 5, "2031-07-25"),  # an unknown year: Monday to Friday
    ],
)
def test_working_days_are_counted(received: str, days: int, due: str) -> None:
    at, end = (int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000) for text in (received, due))
    assert due_at(shipped_calendar(), at, days) == end
