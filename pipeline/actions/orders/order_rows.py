"""The table of orders: placed once, moved by the machine of `order.py`. Works inside the caller's transaction.

Every change of a single order first locks the outbox: of two writers, the second sees the first one's row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from pipeline import metrics
from pipeline.actions.orders.order import (
    OPPOSITE,
    OUTSTANDING,
    Answer,
    Order,
    OrderDeed,
    OrderKind,
    OrderState,
    Terms,
    after,
)
from pipeline.store import audit, outbox, schema
from pipeline.text.numbers import masked

MAX_REASON = 500
_o = schema.number_orders.c
_SAYS_STOPPED = frozenset({OrderKind.SUSPECT, OrderKind.OFF})
OrderRow = Row[Any]


def ask(
    connection: Connection,
    now: int,
    kind: OrderKind,
    number: str,
    party: str,
    actor: str,
    *,
    rule: str = "",
    reason: str = "",
    values: dict[str, Any] | None = None,
    sample: str = "",
    evidence: str = "",
    watch_days: int | None = None,
    again: bool = False,
) -> int | None:
    """Place an order unless the party knows it already; returns its id, or None if none is needed.

    With `again` it is placed although the party has confirmed the same. It withdraws the opposite order if that has no
    answer yet: sent again later, it would undo this one.
    """
    outbox.lock(connection)
    if _is_outstanding(connection, number, kind):
        return None
    opposite = OPPOSITE.get(kind)
    if opposite is not None:
        waiting = select(_o.id).where(_o.number == number, _o.kind == opposite, _o.state.in_(OUTSTANDING))
        for ident in connection.scalars(waiting).all():
            move(connection, now, ident, OrderDeed.SUPERSEDE, Terms(1, 0), actor)
        if not again and _is_known(connection, number, kind, opposite):
            return None
    row = {
        "number": number,
        "kind": kind,
        "party": party,
        "state": OrderState.OPEN,
        "rule": rule,
        "reason": reason[:MAX_REASON],
        "values": values or {},
        "sample": sample[:MAX_REASON],
        "evidence": evidence[:256],
        "asked_by": actor,
        "asked_at": now,
        "watch_days": watch_days,
        "changed_at": now,
    }
    ident = int(connection.execute(insert(schema.number_orders).values(row).returning(_o.id)).scalar_one())
    _audit(connection, now, actor, "order.ask", ident, row, {"number": masked(number), "kind": kind, "party": party})
    metrics.ORDERS.labels(party, kind, "ask").inc()
    return ident


def note_own(connection: Connection, now: int, kind: OrderKind, number: str, party: str, reason: str) -> bool:
    """Note what the party did by itself, as a confirmed order; False if that was known."""
    outbox.lock(connection)
    opposite = OPPOSITE[kind]
    last = _last(connection, number, kind, opposite)
    if last is not None and last.kind == kind and last.state == OrderState.CONFIRMED:
        return False
    row = {
        "number": number,
        "kind": kind,
        "party": party,
        "state": OrderState.CONFIRMED,
        "reason": reason[:MAX_REASON],
        "asked_by": party,
        "asked_at": now,
        "changed_at": now,
    }
    ident = int(connection.execute(insert(schema.number_orders).values(row).returning(_o.id)).scalar_one())
    after = {"number": masked(number), "kind": kind, "party": party, "state": OrderState.CONFIRMED}
    audit.record(connection, now, audit.PIPELINE, "order.own", f"order/{ident}", None, after, reason[:MAX_REASON])
    metrics.ORDERS.labels(party, kind, "own").inc()
    return True


def move(
    connection: Connection,
    now: int,
    ident: int,
    deed: OrderDeed,
    terms: Terms,
    actor: str = audit.PIPELINE,
    *,
    answer: Answer | None = None,
    reason: str = "",
) -> OrderRow | None:
    """Do a deed to an order; returns its row afterwards, or None if the deed changes nothing."""
    outbox.lock(connection)
    row = find(connection, ident)
    if row is None:
        return None
    order = after(order_of(row), deed, now, terms)
    if order is None:
        return None
    values: dict[str, Any] = {"state": order.state, "tries": order.tries, "due_at": order.due_at, "changed_at": now}
    if answer is not None:
        values |= {"answer": answer, "answer_reason": reason[:MAX_REASON]}
    changed = connection.execute(
        update(schema.number_orders).where(_o.id == ident).values(values).returning(schema.number_orders)
    ).one()
    told = {"state": order.state, "tries": order.tries}
    _audit(connection, now, actor, f"order.{deed}", ident, {"reason": reason}, told, {"state": row.state})
    metrics.ORDERS.labels(row.party, row.kind, deed).inc()
    return changed


def stopped(connection: Connection, party: str, before: int) -> set[str]:
    """The numbers that the party confirmed as stopped before `before` (epoch ms), without those on their way."""
    reached = (_o.file.is_not(None)) | (_o.state == OrderState.CONFIRMED)
    last = (
        select(func.max(_o.id))
        .where(_o.party == party, _o.kind.in_(OPPOSITE), reached)
        .group_by(_o.number)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(_o.number).where(
            _o.id.in_(last), _o.kind.in_(_SAYS_STOPPED), _o.state == OrderState.CONFIRMED, _o.changed_at < before
        )
    )
    return {row.number for row in rows} - on_the_way(connection, party, before)


def on_the_way(connection: Connection, party: str, since: int) -> set[str]:
    """The numbers with an order to the party that waits for its answer, or was answered since (epoch ms)."""
    moving = or_(_o.state.in_(OUTSTANDING), _o.changed_at >= since)
    return set(connection.scalars(select(_o.number).where(_o.party == party, moving)))


def find(connection: Connection, ident: int) -> OrderRow | None:
    """The row of an order, or None."""
    return connection.execute(select(schema.number_orders).where(_o.id == ident)).first()


def order_of(row: OrderRow) -> Order:
    """The order of a row."""
    return Order(OrderState(row.state), row.tries, row.due_at, row.file is not None)


def _is_outstanding(connection: Connection, number: str, kind: OrderKind) -> bool:
    found = select(_o.id).where(_o.number == number, _o.kind == kind, _o.state.in_(OUTSTANDING))
    return connection.execute(found).first() is not None


def _is_known(connection: Connection, number: str, kind: OrderKind, opposite: OrderKind) -> bool:
    """Whether the party holds the number as this order would make it: nothing needs to be asked."""
    last = _last(connection, number, kind, opposite)
    if last is None:
        return kind not in _SAYS_STOPPED  # a number that was never stopped needs no order to restore it
    if last.kind == kind:
        return bool(last.state == OrderState.CONFIRMED)
    return kind not in _SAYS_STOPPED and bool(last.state == OrderState.REFUSED)


def _last(connection: Connection, number: str, kind: OrderKind, opposite: OrderKind) -> OrderRow | None:
    """The last order of the two kinds that reached the party, or may have."""
    reached = (_o.file.is_not(None)) | (_o.state == OrderState.CONFIRMED)
    pair = select(schema.number_orders).where(_o.number == number, _o.kind.in_((kind, opposite)), reached)
    return connection.execute(pair.order_by(_o.id.desc()).limit(1)).first()


def _audit(
    connection: Connection,
    now: int,
    actor: str,
    action: str,
    ident: int,
    row: dict[str, Any],
    after: dict[str, Any],
    before: dict[str, Any] | None = None,
) -> None:
    audit.record(connection, now, actor, action, f"order/{ident}", before, after, row["reason"][:MAX_REASON])
