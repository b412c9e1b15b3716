"""How unusual the hit rate of a rule is in one hour, compared with the same hour of earlier days.

The usual rate is the median of earlier days, and their spread is the median absolute deviation (MAD): one bad day among
seven moves neither. Few hits scatter by chance alone, so the binomial variance of the hour is added. All functions are
pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from statistics import median
from typing import NamedTuple

LEAST_DAYS = 7  # earlier days with enough decisions in this hour
LEAST_DECISIONS = 100  # of an hour that is compared
LEAST_DIFFERENCE = 20  # hits more or fewer than usual: fewer are not worth a person's attention
BEGINS, ENDS = 5.0, 3.0  # deviations at which an alarm begins and below which it ends: it must not flicker
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


class Hour(NamedTuple):
    """The decisions of one hour on one kind of event, and those on which the rule matched."""

    hits: int
    decisions: int


class Course(StrEnum):
    """How the rate of a rule runs."""

    USUAL = "usual"
    MORE = "more"
    LESS = "less"
    TOO_LITTLE = "too_little_data"


@dataclass(frozen=True, slots=True)
class Judged:
    """The rate of an hour and the usual one (hits a decision; None: unknown), and how far apart they are.

    `deviation` is in standard deviations; positive: more hits than usual.
    """

    course: Course
    rate: float | None = None
    usual: float | None = None
    deviation: float | None = None


def judge(hour: Hour, earlier: Sequence[Hour], *, alarmed: bool = False) -> Judged:
    """Compare an hour with the same hour of earlier days; an alarm that is on ends later than one begins."""
    known = [day for day in earlier if day.decisions >= LEAST_DECISIONS]
    rate = hour.hits / hour.decisions if hour.decisions else None
    if rate is None or hour.decisions < LEAST_DECISIONS or len(known) < LEAST_DAYS:
        return Judged(Course.TOO_LITTLE, rate)
    rates = [day.hits / day.decisions for day in known]
    usual = median(rates)
    spread = _MAD_TO_SIGMA * median(abs(each - usual) for each in rates)
    likely = (usual * hour.decisions + 1) / (hour.decisions + 2)  # never 0 or 1: a first hit is no certainty
    deviation = (rate - usual) / sqrt(spread**2 + likely * (1 - likely) / hour.decisions)
    apart = abs(hour.hits - usual * hour.decisions) >= LEAST_DIFFERENCE
    if abs(deviation) < (ENDS if alarmed else BEGINS) or not apart:
        return Judged(Course.USUAL, rate, usual, deviation)
    return Judged(Course.MORE if deviation > 0 else Course.LESS, rate, usual, deviation)
