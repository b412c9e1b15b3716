"""The calendar: the zone of the operator, its public holidays, and the weekend days that are worked in exchange.

Governments announce holidays year by year. A year without an entry is unknown: no day of it is a holiday or a working
day, so a rule never acts on a guess. `calendar_known` lets a rule ask.

Source of the shipped years: the notices named in defaults/calendar.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from pipeline.rules.policy_file import PolicyFile

CALENDAR = "calendar.yaml"  # the name of the one calendar among the configurations
SATURDAY = 6  # ISO weekday
LONGEST_HOLIDAY = 31  # days; a longer range is a mistyped date
_QUARTER_MS = 900_000  # the offset of every zone in use is a multiple of 15 minutes, so a quarter has one local hour
DAYS_AHEAD = 31  # the holidays of a year are announced in November


@dataclass(frozen=True, slots=True)
class Moment:
    """A local time as rules see it. `hour` is 0 to 23, `weekday` 1 (Monday) to 7.

    `quarter` is the time at which its quarter of an hour began.

    In a year that is not `known`, `holiday` and `workday` are both False.
    """

    day: date
    quarter: time
    hour: int
    weekday: int
    holiday: bool
    workday: bool
    known: bool


class Calendar:
    """The days of one zone. Immutable."""

    def __init__(self, zone: str, years: frozenset[int], holidays: frozenset[date], workdays: frozenset[date]) -> None:
        self.zone = ZoneInfo(zone)
        self.years = years
        self.holidays = holidays
        self.workdays = workdays
        self._moment = lru_cache(1024)(self._moment_of)
        self._elsewhere: dict[str, Calendar] = {}

    def in_zone(self, zone: str) -> Calendar:
        """The same days by the clocks of another zone; an empty `zone` is that of the calendar."""
        if not zone or zone == self.zone.key:
            return self
        if zone not in self._elsewhere:
            self._elsewhere[zone] = Calendar(zone, self.years, self.holidays, self.workdays)
        return self._elsewhere[zone]

    def moment(self, at: int) -> Moment:
        """The local time at `at` (epoch ms)."""
        return self._moment(at // _QUARTER_MS)

    def unknown_soon(self, at: int) -> int | None:
        """The year in which the day DAYS_AHEAD after `at` (epoch ms) lies, if the calendar does not have it."""
        year = (datetime.fromtimestamp(at / 1000, self.zone) + timedelta(days=DAYS_AHEAD)).year
        return None if year in self.years else year

    def is_holiday(self, day: date) -> bool:
        """Whether the day is a public holiday; False in an unknown year."""
        return day in self.holidays

    def is_workday(self, day: date) -> bool:
        """Whether the day is worked: Monday to Friday but holidays, and worked weekends; False in an unknown year."""
        return day in self.workdays or (
            day.isoweekday() < SATURDAY and day not in self.holidays and day.year in self.years
        )

    def next(self, at: int, clock: time) -> int:
        """The first time (epoch ms) after `at` (epoch ms) when local clocks show `clock`."""
        day = datetime.fromtimestamp(at / 1000, self.zone).date()
        while (found := self.epoch(day, clock)) <= at:
            day += timedelta(days=1)
        return found

    def epoch(self, day: date, clock: time) -> int:
        """The time (epoch ms) when local clocks show `clock` on `day`."""
        return round(datetime.combine(day, clock, self.zone).timestamp() * 1000)

    def _moment_of(self, quarter: int) -> Moment:
        local = datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, self.zone)
        day = local.date()
        return Moment(
            day,
            local.time(),
            local.hour,
            day.isoweekday(),
            self.is_holiday(day),
            self.is_workday(day),
            day.year in self.years,
        )


@cache
def shipped_calendar() -> Calendar:
    """The calendar of the package."""
    return parse_calendar(shipped_calendar_text())


def shipped_calendar_text() -> str:
    """The text of the shipped calendar."""
    return (files("pipeline.rules") / "defaults" / CALENDAR).read_text(encoding="utf-8")


def is_zone(name: str) -> bool:
    """Whether this is the name of a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def near_zones(name: str) -> list[str]:
    """The time zones among which a mistyped name is looked for: those of its continent, or the commonest."""
    continent = name.partition("/")[0]
    return sorted(zone for zone in available_timezones() if zone.startswith(f"{continent}/")) or [
        *("Asia/Shanghai", "Asia/Urumqi", "Asia/Hong_Kong", "Asia/Macau", "Asia/Taipei")
    ]


def parse_calendar(text: str, name: str = CALENDAR) -> Calendar:
    """Check a calendar file. Raises PolicyError pointing at the fault."""
    file = PolicyFile(text, name)
    data = _mapping(file, (), file.data, {"zone", "years"})
    zone = data.get("zone")
    if not isinstance(zone, str) or not is_zone(zone):
        if not isinstance(zone, str):
            raise file.fault(("zone",), "'zone' is missing: a time zone such as Asia/Shanghai expected")
        raise file.unknown(("zone",), "time zone", zone, near_zones(zone))
    years = data.get("years")
    if not isinstance(years, dict) or not years:
        raise file.fault(("years",), "at least one year expected")
    holidays: set[date] = set()
    workdays: set[date] = set()
    for year, entry in years.items():
        path = ("years", str(year))
        if type(year) is not int or not 2000 <= year <= 2100:
            raise file.fault(path, "a year from 2000 to 2100 expected", of_name=True)
        fields = _mapping(file, path, entry, {"source", "holidays", "workdays"})
        if not isinstance(fields.get("source"), str) or not fields["source"].strip():
            raise file.fault((*path, "source"), "the notice or law that names these days expected")
        _holidays(file, path, year, fields.get("holidays"), holidays)
        _workdays(file, path, year, fields.get("workdays", []), holidays, workdays)
    return Calendar(data["zone"], frozenset(years), frozenset(holidays), frozenset(workdays))


def _holidays(file: PolicyFile, path: tuple[Any, ...], year: int, entries: Any, found: set[date]) -> None:
    path = (*path, "holidays")
    if not isinstance(entries, dict) or not entries:
        raise file.fault(path, "the holidays of the year expected, such as 春节: 2026-02-15 to 2026-02-23")
    for name, value in entries.items():
        first, last = _range(file, (*path, str(name)), value)
        days = (last - first).days + 1
        if days < 1:
            raise file.fault((*path, str(name)), "the last day is before the first")
        if days > LONGEST_HOLIDAY:
            raise file.fault(
                (*path, str(name)), f"{days} days; a holiday has 1 to {LONGEST_HOLIDAY}, from the first to the last"
            )
        for day in (first + timedelta(days=n) for n in range(days)):
            if day.year != year:
                raise file.fault((*path, str(name)), f"{day} is not in {year}: write it under its own year")
            if day in found:
                raise file.fault((*path, str(name)), f"{day} is already in another holiday")
            found.add(day)


def _workdays(
    file: PolicyFile, path: tuple[Any, ...], year: int, entries: Any, holidays: set[date], found: set[date]
) -> None:
    path = (*path, "workdays")
    if not isinstance(entries, list):
        raise file.fault(path, "a list of worked weekend days expected, such as [2026-02-14]")
    for i, value in enumerate(entries):
        day, last = _range(file, (*path, i), value)
        if day != last:
            raise file.fault((*path, i), "one day expected")
        if day.year != year:
            raise file.fault((*path, i), f"{day} is not in {year}: write it under its own year")
        if day.isoweekday() < SATURDAY:
            raise file.fault((*path, i), f"{day} is a {day:%A}: only a Saturday or Sunday is worked in exchange")
        if day in holidays:
            raise file.fault((*path, i), f"{day} is in a holiday")
        if day in found:
            raise file.fault((*path, i), f"{day} stands here twice")
        found.add(day)


def _range(file: PolicyFile, path: tuple[Any, ...], value: Any) -> tuple[date, date]:
    """First and last day of `2026-01-01` or `2026-01-01 to 2026-01-03`."""
    first, _, last = str(value).partition(" to ")
    try:
        return date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError:
        raise file.fault(path, "a day (2026-01-01) or two days with 'to' (2026-01-01 to 2026-01-03) expected") from None


def _mapping(file: PolicyFile, path: tuple[Any, ...], value: Any, fields: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise file.fault(path, f"a mapping with {', '.join(sorted(fields))} expected")
    for key in value:
        if key not in fields:
            raise file.unknown((*path, str(key)), "field", str(key), sorted(fields), of_name=True)
    return value
