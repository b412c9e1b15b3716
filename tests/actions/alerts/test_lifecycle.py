"""The life of an alert, on paper: no database, no clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.actions.alerts.lifecycle import (
    AlertState,
    Change,
    Standing,
    close,
    end,
    give_back,
    hear,
    pass_time,
    reopen,
    snooze,
    take,
)
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel
from tests.harness.examples import examples

MINUTE = 60_000
LASTS = 30 * MINUTE


def raised(level: AlertLevel = AlertLevel.SEVERE, lasts: int = LASTS) -> Standing:
    return hear(None, level, 0, lasts)[0]


def test_more_news_is_no_second_alert_and_worse_news_says_so() -> None:
    first, change = hear(None, AlertLevel.WARNING, 0, LASTS)
    assert (change, first.state, first.over_at) == (Change.RAISED, AlertState.WAITING, LASTS)
    again, change = hear(first, AlertLevel.WARNING, 10 * MINUTE, LASTS)
    assert (change, again.times, again.over_at) == (None, 2, 40 * MINUTE)
    worse, change = hear(again, AlertLevel.CRITICAL, 11 * MINUTE, LASTS)
    assert (change, worse.level, worse.waits_since) == (Change.WORSE, AlertLevel.CRITICAL, 11 * MINUTE)
    milder, change = hear(worse, AlertLevel.WARNING, 12 * MINUTE, LASTS)
    assert (change, milder.level) == (None, AlertLevel.CRITICAL)


def test_old_news_does_not_move_the_end_back() -> None:
    after, _ = hear(hear(None, AlertLevel.WARNING, 20 * MINUTE, LASTS)[0], AlertLevel.WARNING, 5 * MINUTE, LASTS)
    assert (after.last_at, after.over_at) == (20 * MINUTE, 50 * MINUTE)


def test_it_is_over_when_its_news_has_lasted_and_not_before() -> None:
    assert pass_time(raised(AlertLevel.WARNING), LASTS - 1) is None
    over = pass_time(raised(AlertLevel.WARNING), LASTS)
    assert over is not None
    assert (over[0].state, over[1], over[0].closed_at) == (AlertState.CLOSED, Change.OVER, LASTS)
    assert pass_time(raised(AlertLevel.WARNING, lasts=0), 10**12) is None


@pytest.mark.parametrize(
    ("level", "minutes"), [(AlertLevel.CRITICAL, 15), (AlertLevel.SEVERE, 60), (AlertLevel.WARNING, None)]
)
def test_what_nobody_takes_in_time_is_escalated_once(level: AlertLevel, minutes: int | None) -> None:
    alert = raised(level, lasts=0)
    if minutes is None:
        assert pass_time(alert, 10**12) is None
        return
    assert pass_time(alert, minutes * MINUTE - 1) is None
    escalated = pass_time(alert, minutes * MINUTE)
    assert escalated is not None
    assert escalated[1] is Change.ESCALATED
    assert pass_time(escalated[0], 10**12) is None
    taken, _ = take(alert, "ops")
    assert pass_time(taken, 10**12) is None
    back, _ = give_back(taken, 10**12)
    assert pass_time(back, 10**12 + minutes * MINUTE) is not None


def test_a_snooze_ends_at_its_time_or_when_it_becomes_worse() -> None:
    quiet, change = snooze(raised(lasts=0), 120 * MINUTE, 0)
    assert change is Change.SNOOZED
    assert pass_time(quiet, 119 * MINUTE) is None  # nor is it escalated meanwhile
    woken = pass_time(quiet, 120 * MINUTE)
    assert woken is not None
    assert (woken[1], woken[0].snoozed_until, woken[0].waits_since) == (Change.WOKEN, None, 120 * MINUTE)
    worse, _ = hear(quiet, AlertLevel.CRITICAL, 1, 0)
    assert worse.snoozed_until is None
    for until in (0, 8 * 24 * 60 * MINUTE):
        with pytest.raises(AntispamError):
            snooze(raised(), until, 0)


def test_a_closed_alert_can_only_be_reopened() -> None:
    closed, change = close(raised(), 5)
    assert (change, closed.closed_at) == (Change.CLOSED, 5)
    with pytest.raises(AntispamError):
        take(closed, "x")
    with pytest.raises(AntispamError):
        snooze(closed, 9, 6)
    with pytest.raises(AntispamError):
        close(closed, 6)
    assert end(closed, 6) is None
    assert pass_time(closed, 10**12) is None
    again, change = reopen(closed, 100)
    assert (change, again.state, again.over_at, again.closed_at) == (
        Change.REOPENED,
        AlertState.WAITING,
        100 + LASTS,
        None,
    )
    with pytest.raises(AntispamError):
        reopen(again, 101)


STEPS = st.lists(st.tuples(st.sampled_from("htbscrpe"), st.integers(0, 90 * MINUTE)), max_size=30)


@given(STEPS)
@settings(max_examples=examples(100))
def test_whatever_happens_it_stays_in_order(steps: list[tuple[str, int]]) -> None:
    """Closed alerts have an end, open ones none; only a taken one has a person; times heard never falls."""
    alert, now = raised(), 0
    for what, later in steps:
        now += later
        before = alert
        try:
            match what:
                case "h" if alert.state is not AlertState.CLOSED:
                    alert = hear(alert, AlertLevel.CRITICAL, now, LASTS)[0]
                case "t":
                    alert = take(alert, "ops")[0]
                case "b":
                    alert = give_back(alert, now)[0]
                case "s":
                    alert = snooze(alert, now + MINUTE, now)[0]
                case "c":
                    alert = close(alert, now)[0]
                case "r":
                    alert = reopen(alert, now)[0]
                case "p":
                    alert = (pass_time(alert, now) or (alert, None))[0]
                case "e":
                    alert = (end(alert, now) or (alert, None))[0]
        except AntispamError:
            assert alert == before
        assert (alert.closed_at is not None) == (alert.state is AlertState.CLOSED)
        if alert.state is AlertState.WAITING:
            assert alert.assigned_to is None
        if alert.state is AlertState.TAKEN:
            assert alert.assigned_to == "ops"
        if alert.state is AlertState.CLOSED:
            assert alert.snoozed_until is None
        assert alert.times >= before.times
