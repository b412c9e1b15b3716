"""Precision and recall by case, with intervals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.backtest.judgements import judgements, wilson
from pipeline.lake.backtest.tally import Judged


def test_the_interval_is_wilsons() -> None:
    """Published example: 8 of 10 gives 0.490 to 0.943."""
    share = wilson(8, 10)
    assert (share.value, share.low, share.high) == (0.8, 0.4902, 0.9433)


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_share_lies_in_its_interval(hits: int, more: int) -> None:
    share = wilson(hits, hits + more)
    assert share.low is not None
    assert share.value is not None
    assert share.high is not None
    assert 0 <= share.low <= share.value <= share.high <= 1


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
