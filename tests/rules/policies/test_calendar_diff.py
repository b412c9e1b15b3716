"""The differences between two calendars in words."""

from __future__ import annotations

from pipeline.rules.clock.calendar import parse_calendar
from pipeline.rules.policies.calendar_diff import calendar_differences

OLD = """zone: Asia/Shanghai
years:
  2030: {source: invented, holidays: {元旦: 2030-01-01, 春节: 2030-02-02 to 2030-02-08}, workdays: [2030-01-27]}
"""


def said(new: str, old: str = OLD, language: str = "en") -> list[str]:
    return [line[language] for line in calendar_differences(parse_calendar(old), parse_calendar(new))]


def test_days_that_follow_each_other_are_told_together() -> None:
    new = OLD.replace("02-02 to 2030-02-08", "02-04 to 2030-02-10").replace("[2030-01-27]", "[]")
    assert said(new) == [
        "new holiday 2030-02-09 to 2030-02-10",
        "holiday 2030-02-02 to 2030-02-03 removed",
        "working day 2030-01-27 removed",
    ]
    assert said(new, language="zh") == [
        "新增假日 2030-02-09 to 2030-02-10",
        "删除假日 2030-02-02 to 2030-02-03",
        "删除调休上班日 2030-01-27",
    ]


def test_a_year_and_the_zone() -> None:
    new = OLD.replace("Shanghai", "Urumqi") + "  2031: {source: invented, holidays: {元旦: 2031-01-01}}\n"
    assert said(new) == ["zone Asia/Shanghai → Asia/Urumqi", "new year 2031", "new holiday 2031-01-01"]
    assert said(OLD, new) == ["zone Asia/Urumqi → Asia/Shanghai", "year 2031 removed", "holiday 2031-01-01 removed"]


def test_names_and_sources_of_holidays_are_no_difference() -> None:
    assert said(OLD.replace("元旦", "New Year").replace("invented", "another")) == []
