"""Alerts about something that may occur many times in a row: one each quarter of an hour."""

from __future__ import annotations

from pipeline.durations import MINUTE_MS
from pipeline.events import Alert, AlertLevel

GRANULARITY_MS = 15 * MINUTE_MS  # alerts of one rule and subject within this time have one id


def recurring_alert(level: AlertLevel, rule: str, subject: str, message: str, at: int) -> Alert:
    """An alert with the id of its quarter of an hour; `at` in ms. Readers keep the first alert of an id."""
    return Alert(
        id=f"{rule}/{subject}/{at // GRANULARITY_MS}", level=level, rule=rule, subject=subject, message=message, at=at
    )
