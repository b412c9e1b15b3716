"""Durations in milliseconds, the pipeline's unit, and their written form such as 10s, 5m or 24h."""

from __future__ import annotations

import re

from pipeline.errors import AntispamError

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_DURATION = re.compile(r"([1-9][0-9]{0,5})(ms|s|m|h|d)")
_UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


def parse_duration(text: str) -> int:
    """Milliseconds of a number with its unit: ms, s, m, h or d. Raises AntispamError, for zero too."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise AntispamError(f"'{text}' is not a duration such as 10s, 5m, 24h")
    return int(found[1]) * _UNITS_MS[found[2]]
