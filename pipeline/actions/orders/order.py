"""The life of an order about a number: pure, the time is an argument.

An order is sent in a file or a post, and the far side answers later. Without an answer in time it is sent again, with
the same id, until its tries are used up; then a person decides. An answer that comes late still counts. A confirmed or
cancelled order never changes again, so an answer that is read twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class OrderKind(StrEnum):
    """What the far side is asked to do. BOSS: suspect, clear. HLR: off, on. Another network: alert."""

    SUSPECT = "suspect"  # confirm that the number is to be stopped
    CLEAR = "clear"  # the number may be restored
    OFF = "off"  # stop the number's messages
    ON = "on"
    ALERT = "alert"  # a number of another network that sends spam


class OrderState(StrEnum):
    """The state of an order."""

    OPEN = "open"  # to be sent
    SENT = "sent"  # waits for its answer
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    GIVEN_UP = "given_up"  # its tries are used up
    CANCELLED = "cancelled"


class Answer(StrEnum):
    """The words of far sides, as we name them."""

    ADD = "add"  # BOSS: the number is to be stopped
    REMOVE = "remove"  # BOSS: it is not, or no longer
    DONE = "done"  # HLR
    FAILED = "failed"  # HLR
    ACKNOWLEDGED = "acknowledged"  # another network


class OrderDeed(StrEnum):
    """What changes the state of an order."""

    SEND = "send"
    TIME_OUT = "time_out"  # its answer did not come in time
    CONFIRM = "confirm"
    REFUSE = "refuse"
    FAIL = "fail"  # the far side could not do it; it is sent again later
    RETRY = "retry"  # a person sends it again, with new tries
    CANCEL = "cancel"  # a person withdraws it before it is sent, or after its tries
    SUPERSEDE = "supersede"  # the opposite is ordered


OPPOSITE: Mapping[OrderKind, OrderKind] = {
    OrderKind.SUSPECT: OrderKind.CLEAR,
    OrderKind.CLEAR: OrderKind.SUSPECT,
    OrderKind.OFF: OrderKind.ON,
    OrderKind.ON: OrderKind.OFF,
}
ANSWERED: Mapping[tuple[OrderKind, Answer], OrderDeed] = {
    (OrderKind.SUSPECT, Answer.ADD): OrderDeed.CONFIRM,
    (OrderKind.SUSPECT, Answer.REMOVE): OrderDeed.REFUSE,
    (OrderKind.CLEAR, Answer.REMOVE): OrderDeed.CONFIRM,
    (OrderKind.CLEAR, Answer.ADD): OrderDeed.REFUSE,
    (OrderKind.OFF, Answer.DONE): OrderDeed.CONFIRM,
    (OrderKind.OFF, Answer.FAILED): OrderDeed.FAIL,
    (OrderKind.ON, Answer.DONE): OrderDeed.CONFIRM,
    (OrderKind.ON, Answer.FAILED): OrderDeed.FAIL,
    (OrderKind.ALERT, Answer.ACKNOWLEDGED): OrderDeed.CONFIRM,
}
OUTSTANDING = frozenset({OrderState.OPEN, OrderState.SENT})


@dataclass(frozen=True, slots=True)
class Order:
    """`tries` counts how often it was sent since it was placed or retried; `was_sent`: ever.

    `due_at` (epoch ms): an open order is not sent before, a sent order is late from then on; else None.
    """

    state: OrderState = OrderState.OPEN
    tries: int = 0
    due_at: int | None = None
    was_sent: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """How often an order is sent, and how long (ms) one try waits for its answer, or for the next after a failure."""

    tries: int
    wait_ms: int


def after(order: Order, deed: OrderDeed, now: int, terms: Terms) -> Order | None:
    """The order after a deed at `now` (epoch ms); None if the deed changes nothing."""
    state, ever = order.state, order.was_sent
    match deed:
        case OrderDeed.SEND if state is OrderState.OPEN and (order.due_at is None or order.due_at <= now):
            return Order(OrderState.SENT, order.tries + 1, now + terms.wait_ms, True)
        case OrderDeed.TIME_OUT if state is OrderState.SENT and order.due_at is not None and order.due_at <= now:
            return _again(order, None, terms)
        case OrderDeed.FAIL if state is OrderState.SENT:
            return _again(order, now + terms.wait_ms, terms)
        case OrderDeed.CONFIRM if _may_be_answered(order):
            return Order(OrderState.CONFIRMED, order.tries, None, True)
        case OrderDeed.REFUSE if _may_be_answered(order):
            return Order(OrderState.REFUSED, order.tries, None, True)
        case OrderDeed.RETRY if state in (OrderState.GIVEN_UP, OrderState.REFUSED):
            return Order(OrderState.OPEN, 0, None, ever)
        case OrderDeed.CANCEL if state is OrderState.GIVEN_UP or (state is OrderState.OPEN and not ever):
            return Order(OrderState.CANCELLED, order.tries, None, ever)
        case OrderDeed.SUPERSEDE if state in OUTSTANDING or state is OrderState.GIVEN_UP:
            return Order(OrderState.CANCELLED, order.tries, None, ever)
    return None


def _again(order: Order, due_at: int | None, terms: Terms) -> Order:
    if order.tries >= terms.tries:
        return Order(OrderState.GIVEN_UP, order.tries, None, True)
    return Order(OrderState.OPEN, order.tries, due_at, True)


def _may_be_answered(order: Order) -> bool:
    return order.was_sent and (order.state in OUTSTANDING or order.state is OrderState.GIVEN_UP)
