"""Precision and recall of a replay where people judged, with confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

import msgspec

from pipeline.lake.backtest.tally import Judged

_Z = 1.959964  # of the normal distribution, for 95 %


class Share(msgspec.Struct, frozen=True):
    """`hits` of `of` cases, with the 95 % interval by Wilson; no value without cases."""

    hits: int
    of: int
    value: float | None
    low: float | None
    high: float | None


class Judgements(msgspec.Struct, frozen=True):
    """Of cases: `precision` is how many of those that the replay stops a person refused; `recall` the reverse.

    A case counts once, however many submissions it has: they are variants of one text, so they are not independent.
    People see only what live stopped; so `recall` says what of that is still stopped, not what live missed.
    """

    precision: Share
    recall: Share
    rules: dict[str, Share]


def wilson(hits: int, of: int) -> Share:
    """The share with its interval (Wilson 1927), rounded to 4 digits."""
    if not of:
        return Share(hits, of, None, None, None)
    share, square = hits / of, _Z * _Z
    centre = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return Share(hits, of, round(share, 4), round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4))


def judgements(cases: Iterable[Judged]) -> Judgements:
    """The shares over all cases, and the precision of each rule."""
    cases = list(cases)
    stopped = [case for case in cases if case.stopped]
    refused = [case for case in cases if case.refused]
    both = sum(case.refused for case in stopped)
    rules: dict[str, list[bool]] = {}
    for case in stopped:
        for rule in case.rules:
            rules.setdefault(rule, []).append(case.refused)
    return Judgements(
        precision=wilson(both, len(stopped)),
        recall=wilson(both, len(refused)),
        rules={rule: wilson(sum(found), len(found)) for rule, found in sorted(rules.items())},
    )
