"""Which tier the conduct of complete months gives a port. Pure.

A port whose rate of complaints was above the limit in the last month becomes high risk. A high-risk port becomes
ordinary after two months in a row without a violation and with its complaints under the limit. Only people make a port
trusted.

Source: the operators' rules for review before send (DESIGN §9).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline.events import Tier

LIMIT = 3.0  # complaints a month for each million messages
CLEAN_MONTHS = 2
MILLION = 1_000_000


class Month(msgspec.Struct, frozen=True):
    """The conduct of a port in one month (2026-07): messages that left; violations are refusals and suspensions."""

    month: str
    complaints: int
    messages: int
    violations: int

    @property
    def too_many(self) -> bool:
        """Whether its complaints were above the limit. Without a known message, nobody can tell."""
        return self.messages > 0 and self.complaints * MILLION / self.messages > LIMIT

    @property
    def clean(self) -> bool:
        """Whether nothing was found, and the complaints were under the limit."""
        return self.violations == 0 and not self.too_many and (self.messages > 0 or self.complaints == 0)


def tier_after(tier: Tier, months: Sequence[Month], opened: str) -> Tier | None:
    """The tier that a port should get; None for the one that it has.

    `months` are the last CLEAN_MONTHS complete months, the newest first. `opened` is the month in which it was opened:
    a month that it did not live through proves nothing.
    """
    if months and months[0].too_many:
        return None if tier is Tier.HIGH else Tier.HIGH
    clean = len(months) == CLEAN_MONTHS and all(month.clean and month.month > opened for month in months)
    return Tier.ORDINARY if tier is Tier.HIGH and clean else None
