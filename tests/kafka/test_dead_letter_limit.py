"""Dead letters are for single events: when most of what was polled fails, nothing is set aside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka.dead_letter_limit import DeadLetterLimit, TooManyDeadLettersError

polls = st.lists(st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), max_size=40)


def stops_at(limit: DeadLetterLimit, found: list[tuple[int, int]]) -> int | None:
    """The place of the poll that is refused, of polls given as (failed, records)."""
    for place, (failed, records) in enumerate(found):
        try:
            limit.check("submissions", failed, records, "planted")
        except TooManyDeadLettersError:
            return place
        limit.note(failed, records)
    return None


def test_a_poll_that_fails_wholly_is_refused_and_a_few_of_many_are_not() -> None:
    assert stops_at(DeadLetterLimit(50, 0.5), [(1000, 1000)]) == 0
    assert stops_at(DeadLetterLimit(50, 0.5), [(400, 1000)] * 20) is None
    assert stops_at(DeadLetterLimit(50, 0.5), [(49, 49)]) is None


def test_a_trickle_of_failing_records_is_refused_too() -> None:
    assert stops_at(DeadLetterLimit(50, 0.5), [(1, 1)] * 100) == 49
    before = [(0, 1000)]  # good times are forgotten: they say nothing of a release that came since
    assert stops_at(DeadLetterLimit(50, 0.5), before + [(1, 1)] * 500) == 100


def test_what_was_rolled_back_is_not_counted_twice() -> None:
    limit = DeadLetterLimit(50, 0.5)
    for _ in range(20):
        limit.check("submissions", 30, 40, "planted")


def test_a_ratio_of_one_sets_aside_whatever_fails() -> None:
    assert stops_at(DeadLetterLimit(1, 1.0), [(1000, 1000)] * 5) is None


def test_the_error_says_how_many_of_what_and_why() -> None:
    with pytest.raises(TooManyDeadLettersError, match=r"1000 of the last 1000 records of submissions fail.*planted"):
        DeadLetterLimit(50, 0.5).check("submissions", 1000, 1000, "planted")


@given(polls, st.integers(1, 100), st.floats(0.05, 1.0))
@pytest.mark.long
def test_never_under_the_count_nor_under_the_ratio_of_all(
    found: list[tuple[int, int]], count: int, ratio: float
) -> None:
    place = stops_at(DeadLetterLimit(count, ratio), found)
    if place is None:
        assert not any(failed >= count and failed == records and ratio < 1 for failed, records in found[:1])
    else:
        seen = found[: place + 1]
        assert sum(failed for failed, _ in seen) >= count
        assert any(  # some run of the last polls is over the ratio
            sum(f for f, _ in seen[i:]) > ratio * sum(n for _, n in seen[i:]) for i in range(len(seen))
        )
