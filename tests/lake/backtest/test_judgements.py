"""Precision and recall by case, with intervals."""

from __future__ import annotations

from pipeline.lake.backtest.judgements import judgements
from pipeline.lake.backtest.tally import Judged


def test_without_cases_there_is_no_share() -> None:
    none = judgements([])
    assert none.precision.value is none.recall.value is none.precision.low is None


def test_precision_is_of_the_stopped_and_recall_of_the_refused() -> None:
    found = judgements(
        [
            Judged(refused=True, stopped=True, rules={"a"}),
            Judged(refused=False, stopped=True, rules={"a", "b"}),
            Judged(refused=True),
            Judged(refused=True),
            Judged(refused=False),
        ]
    )
    assert (found.precision.hits, found.precision.of) == (1, 2)
    assert (found.recall.hits, found.recall.of) == (1, 3)
    assert {rule: (share.hits, share.of) for rule, share in found.rules.items()} == {"a": (1, 2), "b": (0, 1)}
