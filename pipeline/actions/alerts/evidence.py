"""The page of the console where the evidence of an alert is."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from pipeline.durations import MINUTE_MS
from pipeline.events import AlertAbout
from pipeline.rules.built_in import BuiltInRule

BEFORE_MS = 15 * MINUTE_MS  # a counter that raised it may have counted for so long


def evidence(rule: str, about: str, subject: str, at: int, last_at: int, zone: str) -> str:
    """Path and query of the page; `at` and `last_at` are the times of its first and last news (epoch ms)."""
    if rule == BuiltInRule.CASE_OVERDUE:
        return _link("review", view="cases", port=subject, level="escalated")
    if about == AlertAbout.PORT:
        return _link("ports", search=subject, port=subject)
    if about == AlertAbout.RULE:
        return _link("rules", section="watch", show="unusual")
    if about == AlertAbout.REVIEW:
        return _link("review", view="queues")
    if about == AlertAbout.SENDER:
        first, last = (_written(ms, zone) for ms in (at - BEFORE_MS, last_at + MINUTE_MS))
        return _link("search", kind="records", port=subject[:21], since=first, until=last)
    if about == AlertAbout.COMPLAINTS:
        return _link("complaints", source=subject, answer="overdue" if rule == BuiltInRule.ANSWERS_OVERDUE else "open")
    if about == AlertAbout.PARTY:
        return _link("numbers", party=subject)
    return _link("overview")


def _link(page: str, **values: str) -> str:
    return f"/{page}?{urlencode(values)}" if values else f"/{page}"


def _written(ms: int, zone: str) -> str:
    """A time as the field of the page writes it into the address."""
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
