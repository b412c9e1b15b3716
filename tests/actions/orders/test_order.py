"""An order ends, is sent a bounded number of times, and an answer that is read twice changes nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.actions.orders.order import (
    ANSWERED,
    OUTSTANDING,
    Answer,
    Order,
    OrderDeed,
    OrderKind,
    OrderState,
    Terms,
    after,
)
from tests.harness.examples import examples

TERMS = Terms(tries=3, wait_ms=1000)
D = OrderDeed


def course(*deeds: tuple[OrderDeed, int]) -> list[OrderState]:
    order, states = Order(), []
    for deed, now in deeds:
        order = after(order, deed, now, TERMS) or order
        states.append(order.state)
    return states


def test_without_an_answer_it_is_sent_three_times_and_then_given_up() -> None:
    deeds = [deed for n in range(3) for deed in ((D.SEND, 2000 * n), (D.TIME_OUT, 2000 * n + 1000))]
    assert course(*deeds)[-2:] == [OrderState.SENT, OrderState.GIVEN_UP]
    assert course(*deeds[:4])[-1] is OrderState.OPEN


def test_it_is_not_late_before_its_time() -> None:
    assert course((D.SEND, 0), (D.TIME_OUT, 999)) == [OrderState.SENT, OrderState.SENT]


def test_a_late_answer_counts_and_a_second_answer_does_not() -> None:
    lost = [deed for n in range(3) for deed in ((D.SEND, 2000 * n), (D.TIME_OUT, 2000 * n + 1000))]
    assert course(*lost, (D.CONFIRM, 99_000), (D.REFUSE, 99_001))[-2:] == [OrderState.CONFIRMED] * 2


def test_after_a_failure_it_waits_before_it_is_sent_again() -> None:
    assert course((D.SEND, 0), (D.FAIL, 10), (D.SEND, 500), (D.SEND, 1010)) == [
        OrderState.SENT,
        OrderState.OPEN,
        OrderState.OPEN,
        OrderState.SENT,
    ]


def test_an_answer_to_an_order_that_was_never_sent_is_none() -> None:
    assert course((D.CONFIRM, 0), (D.REFUSE, 0), (D.FAIL, 0)) == [OrderState.OPEN] * 3


def test_a_person_withdraws_only_what_was_not_sent_or_was_given_up() -> None:
    assert course((D.CANCEL, 0)) == [OrderState.CANCELLED]
    assert course((D.SEND, 0), (D.CANCEL, 1)) == [OrderState.SENT] * 2
    assert course((D.SEND, 0), (D.TIME_OUT, 1000), (D.CANCEL, 1001))[-1] is OrderState.OPEN


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(st.sampled_from(OrderDeed), st.integers(0, 1500)), max_size=40))
def test_any_course_keeps_the_bounds(steps: list[tuple[OrderDeed, int]]) -> None:
    order, now, sent, retries = Order(), 0, 0, 0
    for deed, later in steps:
        now += later
        changed = after(order, deed, now, TERMS)
        if changed is None:
            continue
        assert order.state not in (OrderState.CONFIRMED, OrderState.CANCELLED)
        assert changed.was_sent >= order.was_sent
        assert after(changed, deed, now, TERMS) is None
        sent += deed is OrderDeed.SEND
        retries += deed is OrderDeed.RETRY
        order = changed
        assert order.tries <= TERMS.tries
        assert (order.due_at is not None) >= (order.state is OrderState.SENT)
        assert order.due_at is None or order.state in OUTSTANDING
    assert sent <= TERMS.tries * (1 + retries)


def test_each_answer_confirms_some_order() -> None:
    assert {answer for (_, answer) in ANSWERED} == set(Answer)
    assert {kind for (kind, _), deed in ANSWERED.items() if deed is OrderDeed.CONFIRM} == set(OrderKind)
