"""Pauses double up to the longest, and failures in a row have an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.process.backoff import Backoff

FACTORS = st.sampled_from([1, 2, 4])


def test_a_pause_doubles_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 5.0)
    assert [backoff.pause(failures) for failures in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_pauses_may_grow_faster_or_stay_as_they_are() -> None:
    assert [Backoff(30, 3600, factor=4).pause(failures) for failures in range(1, 6)] == [30, 120, 480, 1920, 3600]
    assert [Backoff(1, 1).pause(failures) for failures in (1, 2, 99)] == [1, 1, 1]


def test_the_first_pause_is_never_longer_than_the_longest() -> None:
    assert Backoff(10, 4).pause(1) == 4


def test_it_gives_up_at_its_number_of_failures_or_never() -> None:
    assert [Backoff(1, 8, tries=3).exhausted(failures) for failures in (0, 2, 3, 4)] == [False, False, True, True]
    assert not Backoff(1, 8).exhausted(10**9)


@given(st.floats(0.01, 100), st.floats(0.01, 1e6), FACTORS, st.integers(1, 10**9))
def test_a_pause_never_shrinks_and_never_exceeds_the_longest(
    first: float, longest: float, factor: int, failures: int
) -> None:
    backoff = Backoff(first, longest, factor)
    assert 0 < backoff.pause(failures) <= backoff.pause(failures + 1) <= longest
