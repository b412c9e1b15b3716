"""The life of a policy version as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.rules.policies.lifecycle import TRIAL, Approval, Deed, State, after, deeds, may_approve

WAY = [
    (Deed.DRAFT, State.DRAFT),
    (Deed.SUBMIT, State.CHECKED),
    (Deed.SHADOW, State.SHADOW),
    (Deed.SHARE, State.SHARE),
    (Deed.SHARE, State.SHARE),
    (Deed.APPROVE, State.IN_FORCE),
    (Deed.REPLACE, State.ARCHIVED),
    (Deed.ROLLBACK, State.IN_FORCE),
]


def test_the_whole_way() -> None:
    state: State | None = None
    for deed, expected in WAY:
        state = after(state, deed)
        assert state is expected


@given(st.lists(st.sampled_from(Deed), max_size=12))
def test_nothing_decides_traffic_unchecked_unless_it_is_published(chosen: list[Deed]) -> None:
    state: State | None = None
    done: list[Deed] = []
    for deed in chosen:
        if deed not in deeds(state):
            with pytest.raises(AntispamError):
                after(state, deed)
            continue
        state = after(state, deed)
        done.append(deed)
        if state in (*TRIAL, State.IN_FORCE):
            assert {Deed.SUBMIT, Deed.PUBLISH} & set(done)
        if state is State.ARCHIVED:
            assert {Deed.APPROVE, Deed.PUBLISH} & set(done)


def test_each_state_but_the_one_in_force_can_be_left_by_a_person() -> None:
    for state in State:
        assert set(deeds(state)) - {Deed.REPLACE, Deed.PUBLISH} or state is State.IN_FORCE
    assert deeds(State.IN_FORCE) == [Deed.REPLACE]


@pytest.mark.parametrize("state", [None, State.DRAFT, State.IN_FORCE, State.ARCHIVED, State.WITHDRAWN])
def test_only_a_checked_version_is_approved_or_tried(state: State | None) -> None:
    for deed in (Deed.APPROVE, Deed.SHADOW, Deed.SHARE):
        with pytest.raises(AntispamError, match=f"{deed} is not possible; checked, "):
            after(state, deed)


def test_what_was_in_force_is_not_withdrawn_and_what_never_was_is_not_rolled_back_to() -> None:
    for state in (None, State.DRAFT, State.CHECKED, State.SHADOW, State.SHARE, State.WITHDRAWN):
        with pytest.raises(AntispamError, match="archived expected"):
            after(state, Deed.ROLLBACK)
    for state in (State.IN_FORCE, State.ARCHIVED):
        with pytest.raises(AntispamError):
            after(state, Deed.WITHDRAW)


@pytest.mark.parametrize(
    ("approval", "same", "other"),
    [(Approval.ONE, True, True), (Approval.TWO, False, True), (Approval.STRICT, False, True)],
)
def test_the_second_person(approval: Approval, same: bool, other: bool) -> None:
    assert may_approve(approval, "anna", "anna") is same
    assert may_approve(approval, "anna", "ben") is other
