"""The precision of a rule by the verdicts of reviewers, with its 95 % interval after Wilson.

Wilson's interval stays within 0 and 1, and is honest with few verdicts: 3 of 3 gives 0.44 to 1, not "1".
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

_Z = 1.959964  # 95 %, two sides


class Precision(NamedTuple):
    """`confirmed` of `judged` cases were refused by a person; the interval is of the share."""

    confirmed: int
    judged: int
    low: float
    high: float


def precision(confirmed: int, judged: int) -> Precision | None:
    """The precision with its interval; None without a verdict. Raises ValueError for impossible numbers."""
    if not 0 <= confirmed <= judged:
        raise ValueError(f"{confirmed} of {judged}")
    if not judged:
        return None
    share, z2 = confirmed / judged, _Z**2
    middle = (share + z2 / (2 * judged)) / (1 + z2 / judged)
    half = _Z / (1 + z2 / judged) * sqrt(share * (1 - share) / judged + z2 / (4 * judged**2))
    return Precision(confirmed, judged, max(0.0, middle - half), min(1.0, middle + half))
