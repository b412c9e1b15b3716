"""Wilson's interval, against known values and its own laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.watch.precision import precision


@pytest.mark.parametrize(
    ("confirmed", "judged", "low", "high"),
    [(3, 3, 0.4385, 1.0), (0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433), (50, 100, 0.4038, 0.5962)],
)
def test_known_values(confirmed: int, judged: int, low: float, high: float) -> None:
    found = precision(confirmed, judged)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_without_verdicts_there_is_none_and_impossible_numbers_are_refused() -> None:
    assert precision(0, 0) is None
    for confirmed, judged in ((2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="of"):
            precision(confirmed, judged)


@given(st.integers(1, 10_000), st.data())
def test_the_share_is_inside_and_more_verdicts_narrow_it(judged: int, data: st.DataObject) -> None:
    confirmed = data.draw(st.integers(0, judged))
    few, many = precision(confirmed, judged), precision(confirmed * 4, judged * 4)
    assert few is not None
    assert many is not None
    assert 0 <= few.low <= confirmed / judged + 1e-9
    assert confirmed / judged - 1e-9 <= few.high <= 1
    assert many.high - many.low < few.high - few.low
