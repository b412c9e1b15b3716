"""A rate is unusual if it is far from the same hour of earlier days, by their spread and by chance."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.watch.rates import LEAST_DAYS, LEAST_DECISIONS, LEAST_DIFFERENCE, Course, Hour, judge

CALM = [Hour(hits, 1000) for hits in (20, 22, 18, 21, 19, 20, 23, 17)]


@pytest.mark.parametrize(
    ("hits", "course"),
    [(20, Course.USUAL), (40, Course.USUAL), (80, Course.MORE), (1000, Course.MORE), (0, Course.USUAL)],
)
def test_by_example(hits: int, course: Course) -> None:
    assert judge(Hour(hits, 1000), CALM).course is course


def test_a_fall_is_seen_where_it_is_no_chance() -> None:
    busy = [Hour(hits, 10_000) for hits in (900, 950, 1000, 880, 920, 940, 910)]
    fallen = judge(Hour(100, 10_000), busy)
    assert (fallen.course, fallen.rate, fallen.usual) == (Course.LESS, 0.01, 0.092)
    assert fallen.deviation is not None
    assert fallen.deviation < -5


def test_one_bad_day_moves_neither_the_usual_rate_nor_the_spread_much() -> None:
    wild = [*CALM[:-1], Hour(900, 1000)]
    assert judge(Hour(80, 1000), wild).course is Course.MORE


def test_days_that_differ_widen_what_is_usual() -> None:
    changing = [Hour(hits, 1000) for hits in (5, 60, 10, 80, 20, 70, 40)]
    assert judge(Hour(80, 1000), changing).course is Course.USUAL


def test_a_rule_that_never_hit_and_now_hits_often_is_unusual() -> None:
    silent = [Hour(0, 1000)] * LEAST_DAYS
    assert judge(Hour(LEAST_DIFFERENCE, 1000), silent).course is Course.MORE
    assert judge(Hour(LEAST_DIFFERENCE - 1, 1000), silent).course is Course.USUAL


def test_an_alarm_ends_later_than_it_begins() -> None:
    between = Hour(40, 1000)
    deviation = judge(between, CALM).deviation
    assert deviation is not None
    assert 3 < deviation < 5
    assert judge(between, CALM).course is Course.USUAL
    assert judge(between, CALM, alarmed=True).course is Course.MORE


@pytest.mark.parametrize(
    ("hour", "earlier"),
    [
        (Hour(50, LEAST_DECISIONS - 1), CALM),
        (Hour(0, 0), CALM),
        (Hour(500, 1000), CALM[: LEAST_DAYS - 1]),
        (Hour(500, 1000), [*CALM[:6], Hour(1, LEAST_DECISIONS - 1)]),
        (Hour(500, 1000), []),
    ],
)
def test_too_little_data_is_said(hour: Hour, earlier: list[Hour]) -> None:
    judged = judge(hour, earlier)
    assert (judged.course, judged.usual, judged.deviation) == (Course.TOO_LITTLE, None, None)


_days = st.tuples(st.integers(0, 5000), st.integers(0, 5000)).map(lambda d: Hour(min(d), max(d)))


@given(_days, st.lists(_days, max_size=28), st.booleans())
def test_it_is_defined_for_all_counts_and_in_any_order(hour: Hour, earlier: list[Hour], alarmed: bool) -> None:
    judged = judge(hour, earlier, alarmed=alarmed)
    assert judged == judge(hour, earlier[::-1], alarmed=alarmed)
    if judged.course is not Course.TOO_LITTLE:
        assert -inf < (judged.deviation or 0) < inf
    if judged.course is Course.MORE:
        assert hour.hits >= (judged.usual or 0) * hour.decisions + LEAST_DIFFERENCE


@given(st.lists(_days, min_size=LEAST_DAYS, max_size=28), st.integers(100, 2000), st.data())
@pytest.mark.long
def test_more_hits_never_look_less(earlier: list[Hour], decisions: int, data: st.DataObject) -> None:
    few = data.draw(st.integers(0, decisions))
    many = data.draw(st.integers(few, decisions))
    low, high = judge(Hour(few, decisions), earlier), judge(Hour(many, decisions), earlier)
    if low.deviation is not None and high.deviation is not None:
        assert low.deviation <= high.deviation
