"""Alerts about a recurring event: one alert per quarter of an hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.durations import MINUTE_MS
from pipeline.events import Alert, AlertLevel

GRANULARITY_MS = 15 * MINUTE_MS  # alerts of one rule and subject within this time share an id


def recurring_alert(
    level: AlertLevel, rule: str, subject: str, message: str, values: Mapping[str, Any], at: int, about: str = ""
) -> Alert:
    """An alert whose id names its quarter of an hour; `at` is epoch ms. Consumers keep the first alert of an id.

    `about` tells alerts of one rule and subject apart.
    """
    return Alert(
        id="/".join(filter(None, (rule, about, subject, str(at // GRANULARITY_MS)))),
        level=level,
        rule=rule,
        subject=subject,
        message=message,
        values=dict(values),
        at=at,
    )
