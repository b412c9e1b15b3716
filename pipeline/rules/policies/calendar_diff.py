"""The differences between two calendars in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

from pipeline.rules.clock.calendar import Calendar
from pipeline.rules.policies.difference import Line, from_to


def calendar_differences(before: Calendar, after: Calendar) -> list[Line]:
    """What is different in `after`, a sentence a difference; empty if only names and sources of holidays differ."""
    lines = []
    if before.zone.key != after.zone.key:
        lines.append(from_to({"zh": "时区", "en": "zone"}, before.zone.key, after.zone.key))
    years = [str(year) for year in sorted(after.years - before.years)]
    gone = [str(year) for year in sorted(before.years - after.years)]
    return [
        *lines,
        *_told("年份", "year", years, gone),
        *_days("假日", "holiday", before.holidays, after.holidays),
        *_days("调休上班日", "working day", before.workdays, after.workdays),
    ]


def _days(zh: str, en: str, old: frozenset[date], new: frozenset[date]) -> Iterator[Line]:
    return _told(zh, en, _spans(new - old), _spans(old - new))


def _told(zh: str, en: str, added: Collection[str], removed: Collection[str]) -> Iterator[Line]:
    for each in added:
        yield {"zh": f"新增{zh} {each}", "en": f"new {en} {each}"}
    for each in removed:
        yield {"zh": f"删除{zh} {each}", "en": f"{en} {each} removed"}


def _spans(days: Collection[date]) -> list[str]:
    """Days that follow each other as one: `2026-02-15 to 2026-02-23`, as in the file."""
    spans: list[list[date]] = []
    for day in sorted(days):
        if spans and day - spans[-1][-1] == timedelta(days=1):
            spans[-1].append(day)
        else:
            spans.append([day])
    return [str(span[0]) if len(span) == 1 else f"{span[0]} to {span[-1]}" for span in spans]
