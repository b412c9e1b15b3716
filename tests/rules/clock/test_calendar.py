"""The calendar: the notices of the shipped years, local times, and faults pointed at."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.rules.clock.calendar import Moment, parse_calendar, shipped_calendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
CALENDAR = shipped_calendar()
# Days off and worked weekend days, counted in the notices ("共 n 天").
NOTICES = {2024: (1 + 8 + 3 + 5 + 1 + 3 + 7, 8), 2025: (1 + 8 + 3 + 5 + 3 + 8, 5), 2026: (3 + 9 + 3 + 5 + 3 + 3 + 7, 6)}
# Days with the weekday that the notices print beside them.
PRINTED = {
    "一": "2025-05-05 2025-06-02 2026-02-23 2026-04-06",
    "二": "2025-01-28 2025-02-04 2026-05-05",
    "三": "2025-10-01 2025-10-08 2026-10-07",
    "四": "2026-01-01",
    "五": "2025-04-04 2026-06-19 2026-09-25",
    "六": "2024-05-11 2024-09-14 2024-10-12 2025-02-08 2025-05-31 2025-10-11 2026-01-03 2026-02-14 "
    "2026-02-28 2026-05-09 2026-10-10",
    "日": "2024-02-04 2024-02-18 2024-04-07 2024-04-28 2024-09-29 2025-01-26 2025-04-27 2025-09-28 "
    "2026-01-04 2026-02-15 2026-06-21 2026-09-20 2026-09-27",
}


def ms(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def days(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]


@pytest.mark.parametrize("year", NOTICES)
def test_a_shipped_year_has_as_many_days_as_its_notice(year: int) -> None:
    off = [day for day in days(year) if CALENDAR.is_holiday(day)]
    worked = [day for day in days(year) if CALENDAR.is_workday(day) and day.isoweekday() > 5]
    assert (len(off), len(worked)) == NOTICES[year]
    assert not [day for day in off if CALENDAR.is_workday(day)]


@pytest.mark.parametrize(
    ("day", "weekday"), [(day, weekday) for weekday in PRINTED for day in PRINTED[weekday].split()]
)
def test_a_day_of_a_notice_has_the_weekday_printed_there(day: str, weekday: str) -> None:
    known = date.fromisoformat(day)
    assert "一二三四五六日"[known.isoweekday() - 1] == weekday
    assert CALENDAR.is_holiday(known) != CALENDAR.is_workday(known)


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2026-02-13T20:59", Moment(date(2026, 2, 13), time(20, 45), 20, 5, holiday=False, workday=True, known=True)),
        (
            "2026-02-14T00:00",
            Moment(date(2026, 2, 14), time(0, 0), 0, 6, holiday=False, workday=True, known=True),
        ),  # worked
        ("2026-02-17T09:00", Moment(date(2026, 2, 17), time(9, 0), 9, 2, holiday=True, workday=False, known=True)),
        (
            "2026-03-07T09:00",
            Moment(date(2026, 3, 7), time(9, 0), 9, 6, holiday=False, workday=False, known=True),
        ),  # Saturday
        (
            "2031-02-04T09:00",
            Moment(date(2031, 2, 4), time(9, 0), 9, 2, holiday=False, workday=False, known=False),
        ),  # unknown
    ],
)
def test_a_moment_is_local(at: str, moment: Moment) -> None:
    assert CALENDAR.moment(ms(at)) == moment


@pytest.mark.parametrize(
    ("at", "years", "unknown"),
    [("2026-11-30T23:59", 2026, None), ("2026-12-01T00:00", 2026, 2027), ("2026-12-01T00:00", 2027, None)],
)
def test_a_year_without_holidays_is_told_a_month_before(at: str, years: int, unknown: int | None) -> None:
    holidays = f"{{source: a, holidays: {{元旦: {years}-01-01}}, workdays: []}}"
    calendar = parse_calendar(f"zone: Asia/Shanghai\nyears: {{{years}: {holidays}}}\n")
    assert calendar.unknown_soon(ms(at)) == unknown


def test_another_zone_has_the_same_days_by_its_own_clocks() -> None:
    urumqi = CALENDAR.in_zone("Asia/Urumqi")
    assert CALENDAR.in_zone("") is CALENDAR.in_zone("Asia/Shanghai") is CALENDAR
    found = urumqi.moment(ms("2026-02-15T01:00"))
    assert (found.hour, found.weekday, found.holiday, found.workday) == (23, 6, False, True)
    assert urumqi.next(ms("2026-02-15T01:00"), time(8, 0)) == ms("2026-02-15T10:00")


def test_a_zone_with_a_quarter_of_an_hour_has_its_own_hours() -> None:
    nepal = parse_calendar("zone: Asia/Kathmandu\nyears: {2026: {source: law, holidays: {a: 2026-01-01}}}")
    local = ms("2026-03-02T08:00", ZoneInfo("Asia/Kathmandu"))
    assert (nepal.moment(local - 1).hour, nepal.moment(local).hour) == (7, 8)


@given(st.integers(0, 2**42), st.times())
def test_the_next_time_of_a_clock_is_after_and_within_a_day(at: int, clock: time) -> None:
    clock = clock.replace(second=0, microsecond=0)
    found = CALENDAR.next(at, clock)
    assert at < found <= at + 25 * 3_600_000  # Shanghai had summer time until 1991
    assert datetime.fromtimestamp(found / 1000, SHANGHAI).time() == clock


YEAR = "zone: Asia/Shanghai\nyears:\n  2026:\n    source: law\n    holidays: {a: 2026-01-01}\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("zone: Asia/Shanghi\nyears: {}\n", "calendar.yaml:1:7: unknown time zone 'Asia/Shanghi'"),
        ("zone: UTC\n", "at least one year"),
        ("years: {2026: {source: law, holidays: {a: 2026-01-01}}}\n", "a time zone"),
        ("zone: UTC\nyears: {26: {}}\n", "calendar.yaml:2:9: a year from 2000"),
        ("zone: UTC\nyears: {2026: {holidays: {a: 2026-01-01}}}\n", "the notice or law"),
        ("zone: UTC\nyears: {2026: {source: law}}\n", "the holidays of the year"),
        (YEAR + "    workday: []\n", "calendar.yaml:6:5: unknown field 'workday'"),
        (YEAR.replace("2026-01-01", "2026-02-30"), "calendar.yaml:5:19: '2026-02-30' is not a valid date"),
        (YEAR.replace("2026-01-01", "01.01."), "calendar.yaml:5:19: a day (2026-01-01)"),
        (YEAR.replace("2026-01-01", "2026-01-03 to 2026-01-01"), "the last day is before the first"),
        (YEAR.replace("2026-01-01", "2026-01-01 to 2062-01-03"), "a holiday has 1 to 31"),
        (YEAR.replace("2026-01-01", "2025-12-31 to 2026-01-01"), "2025-12-31 is not in 2026"),
        (YEAR.replace("}", ", b: 2026-01-01}"), "2026-01-01 is already in another holiday"),
        (YEAR + "    workdays: 2026-01-04\n", "a list of worked weekend days"),
        (YEAR + "    workdays: [2026-01-05]\n", "calendar.yaml:6:16: 2026-01-05 is a Monday"),
        (YEAR + "    workdays: [2026-01-04, 2026-01-04]\n", "calendar.yaml:6:28: 2026-01-04"),
        (YEAR + "    workdays: [2027-01-03]\n", "2027-01-03 is not in 2026"),
        (YEAR + "    workdays: [2026-01-03 to 2026-01-04]\n", "one day expected"),
        ("- a\n", "a mapping with years, zone"),
        ("", "a mapping with years, zone"),
    ],
)
def test_a_fault_is_pointed_at(text: str, fault: str) -> None:
    with pytest.raises(AntispamError) as caught:
        parse_calendar(text)
    assert fault in str(caught.value)
