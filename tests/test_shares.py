"""Wilson's interval, against known values and its own laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.shares import share


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(3, 3, 0.4385, 1.0), (0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433), (50, 100, 0.4038, 0.5962)],
)
def test_known_values(hits: int, of: int, low: float, high: float) -> None:
    found = share(hits, of)
    assert (found.value, found.low, found.high) == (hits / of, low, high)


def test_without_cases_there_is_no_value_and_impossible_numbers_are_refused() -> None:
    none = share(0, 0)
    assert none.value is none.low is none.high is None
    for hits, of in ((2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="of"):
            share(hits, of)


@given(st.integers(1, 10_000), st.data())
def test_the_share_is_inside_and_more_cases_narrow_it(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    few, many = share(hits, of), share(hits * 4, of * 4)
    assert few.value is not None
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert 0 <= few.low <= few.value <= few.high <= 1
    assert many.high - many.low <= few.high - few.low
