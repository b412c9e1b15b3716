"""News about a recurring event: at most one for each quarter of an hour, all of one alert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.durations import MINUTE_MS
from pipeline.events import Alert, AlertAbout, AlertLevel

GRANULARITY_MS = 15 * MINUTE_MS  # news of one rule and subject within this time shares an id
LASTS_MS = 2 * GRANULARITY_MS  # without news for so long, it is over


def recurring_alert(
    level: AlertLevel,
    rule: str,
    subject: str,
    message: str,
    values: Mapping[str, Any],
    at: int,
    about: AlertAbout = AlertAbout.PORT,
    part: str = "",
) -> Alert:
    """News whose id names its quarter of an hour; `at` is epoch ms. Consumers keep the first news of an id.

    `part` tells alerts of one rule and subject apart.
    """
    key = "/".join(filter(None, (rule, part, subject)))
    return Alert(
        id=f"{key}/{at // GRANULARITY_MS}",
        level=level,
        rule=rule,
        subject=subject,
        message=message,
        values=dict(values),
        at=at,
        key=key,
        about=about,
        lasts=LASTS_MS,
    )
