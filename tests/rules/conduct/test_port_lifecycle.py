"""A port goes from active over limited and suspended to terminated, and back only where somebody answers for it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.errors import AntispamError
from pipeline.events import PortState
from pipeline.rules.conduct.port_lifecycle import (
    LONGEST_PROBATION,
    PROBATION_DAYS,
    Life,
    Standing,
    Step,
    possible,
    taken,
)

DAY = date(2026, 3, 10)
NEW = Standing()


def after(*steps: Step, days: int | None = None, today: date = DAY) -> Standing:
    standing = NEW
    for step in steps:
        standing = taken(standing, step, today, days if step in (Step.LIMIT, Step.RESUME) else None)
    return standing


def test_a_limit_ends_with_its_day() -> None:
    limited = after(Step.LIMIT)
    last = DAY + timedelta(days=PROBATION_DAYS)
    assert [limited.life(day) for day in (DAY, last, last + timedelta(days=1))] == [
        Life.LIMITED,
        Life.LIMITED,
        Life.ACTIVE,
    ]
    assert after(Step.LIMIT, Step.LIFT) == NEW


def test_who_gave_an_undertaking_comes_back_limited_and_who_was_suspended_by_mistake_does_not() -> None:
    assert after(Step.SUSPEND, Step.RESUME).life(DAY) is Life.ACTIVE
    assert after(Step.SUSPEND, Step.UNDERTAKE, Step.RESUME).life(DAY) is Life.LIMITED
    assert after(Step.SUSPEND, Step.UNDERTAKE, Step.RESUME, days=0).life(DAY) is Life.ACTIVE
    assert not after(Step.SUSPEND, Step.UNDERTAKE, Step.RESUME, Step.SUSPEND).undertaken  # it must be given again


def test_a_suspension_does_not_end_an_earlier_limit() -> None:
    limited = after(Step.LIMIT, days=100)
    assert taken(taken(limited, Step.SUSPEND, DAY), Step.RESUME, DAY).limited_until == limited.limited_until


def test_there_is_no_way_back_from_termination() -> None:
    for step in Step:
        assert not possible(after(Step.TERMINATE), step, DAY)
    with pytest.raises(AntispamError, match="cannot be taken back"):
        after(Step.TERMINATE, Step.RESUME)


@pytest.mark.parametrize("days", [-1, LONGEST_PROBATION + 1])
def test_a_probation_has_a_bound(days: int) -> None:
    with pytest.raises(AntispamError, match="0 to 3650 days"):
        after(Step.LIMIT, days=days)


@given(st.sampled_from(Step), st.sampled_from(Step))
def test_what_is_not_possible_is_refused_and_what_is_possible_is_not(first: Step, second: Step) -> None:
    standing = taken(NEW, first, DAY) if possible(NEW, first, DAY) else NEW
    if possible(standing, second, DAY):
        taken(standing, second, DAY)
    else:
        with pytest.raises(AntispamError):
            taken(standing, second, DAY)


class Walk(RuleBasedStateMachine):
    """Any steps on any days: the state follows the picture in the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.standing, self.today, self.seen = NEW, DAY, [Life.ACTIVE]

    @rule(step=st.sampled_from(Step), days=st.none() | st.integers(0, 60))
    def step(self, step: Step, days: int | None) -> None:
        before = self.standing
        if not possible(before, step, self.today):
            return
        self.standing = taken(before, step, self.today, days)
        if step in (Step.LIMIT, Step.RESUME):  # a limit is never made shorter
            assert before.limited_until is None or (self.standing.limited_until or DAY) >= before.limited_until
        self.seen.append(self.standing.life(self.today))

    @rule(days=st.integers(1, 40))
    def days_pass(self, days: int) -> None:
        self.today += timedelta(days=days)
        self.seen.append(self.standing.life(self.today))

    @invariant()
    def termination_is_for_good(self) -> None:
        if Life.TERMINATED in self.seen:
            assert self.standing.state is PortState.TERMINATED

    @invariant()
    def only_time_or_a_person_opens(self) -> None:
        for one, other in zip(self.seen, self.seen[1:], strict=False):
            assert (one, other) not in {
                (Life.TERMINATED, Life.SUSPENDED),
                (Life.TERMINATED, Life.LIMITED),
                (Life.TERMINATED, Life.ACTIVE),
            }
        assert self.standing.undertaken <= (self.standing.state is not PortState.OPEN)


TestWalk = Walk.TestCase
