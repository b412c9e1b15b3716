"""Precision and recall of a replay where people judged, with confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.lake.backtest.tally import Judged
from pipeline.shares import Share, share


class Judgements(msgspec.Struct, frozen=True):
    """Of cases: `precision` is how many of those that the replay stops a person refused; `recall` the reverse.

    A case counts once, however many submissions it has: they are variants of one text, so they are not independent.
    People see only what live stopped; so `recall` says what of that is still stopped, not what live missed.
    """

    precision: Share
    recall: Share
    rules: dict[str, Share]


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
        precision=share(both, len(stopped)),
        recall=share(both, len(refused)),
        rules={rule: share(sum(found), len(found)) for rule, found in sorted(rules.items())},
    )
