"""Shares of cases with their 95 % confidence interval after Wilson.

Wilson's interval stays within 0 and 1, and is honest with few cases: 3 of 3 gives 0.44 to 1, not 1.
"""

from __future__ import annotations

from math import sqrt

import msgspec

_Z = 1.959964  # of the normal distribution: 95 %, two sides


class Share(msgspec.Struct, frozen=True):
    """`hits` of `of` cases; `low` to `high` is the interval. Without cases there is no value."""

    hits: int
    of: int
    value: float | None
    low: float | None
    high: float | None


def share(hits: int, of: int) -> Share:
    """The share with its interval, rounded to 4 digits. Raises ValueError for impossible numbers."""
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of}")
    if not of:
        return Share(hits, of, None, None, None)
    value, square = hits / of, _Z * _Z
    centre = (value + square / (2 * of)) / (1 + square / of)
    half = _Z * sqrt(value * (1 - value) / of + square / (4 * of * of)) / (1 + square / of)
    return Share(hits, of, round(value, 4), round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4))
