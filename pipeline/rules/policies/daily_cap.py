"""The daily cap of a rule: how many decisions a day it may enforce for one port, or for one sender of records.

Matches beyond the cap stay in the decision among `suppressed`, without effect on the verdict. The count is a counter of
the state like any other, so it is exact, survives a restart and is the same in a replay. Its identity holds the rule's
condition: a changed condition counts from zero, a changed cap does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.durations import DAY_MS
from pipeline.rules.counting.counters import Counter

ZONE = "Asia/Shanghai"  # whose midnight begins a day
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class DailyCap:
    """At most `most` decisions a day; `counter` counts those on which the rule matched and was not snoozed."""

    most: int
    counter: Counter


def daily_cap(rule: str, on: Literal["submission", "record"], when: str, most: int) -> DailyCap:
    """The cap of a rule with this condition."""
    key = "port" if on == "submission" else "sender"
    return DailyCap(most, Counter(f"cap/{rule}", on, (key,), DAY_MS, "submissions", when, "", zone=ZONE))
