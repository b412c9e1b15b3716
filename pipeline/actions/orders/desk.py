"""What people do about numbers: report one, restore one after an undertaking, and look after orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, func, select

from pipeline.actions.orders.follow_up import report, restore
from pipeline.actions.orders.order import OUTSTANDING, OrderDeed, OrderKind, OrderState
from pipeline.actions.orders.order_rows import MAX_REASON, OrderRow, ask, find, move
from pipeline.actions.orders.parties import Parties
from pipeline.errors import AntispamError
from pipeline.order_exchange import BOSS
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import list_entries
from pipeline.text.numbers import number as canonical

MAX_WATCH = 3650  # days
_o = schema.number_orders.c


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders are listed. Empty: all. `number` is the beginning of one."""

    states: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    party: str = ""
    number: str = ""


def orders(db: Database, user: User, wanted: Wanted, limit: int = 100, offset: int = 0) -> Sequence[OrderRow]:
    """Rows of `schema.number_orders`, the newest change first."""
    _require(user)
    found = _chosen(select(schema.number_orders), wanted).order_by(_o.changed_at.desc(), _o.id.desc())
    with db.read() as connection:
        return connection.execute(found.limit(limit).offset(offset)).all()


def counts(db: Database, user: User, wanted: Wanted) -> dict[str, int]:
    """The number of these orders by state; `wanted.states` does not limit it."""
    _require(user)
    every = _chosen(select(_o.state, func.count().label("orders")), replace(wanted, states=()))
    with db.read() as connection:
        return {row.state: row.orders for row in connection.execute(every.group_by(_o.state))}


def history(db: Database, user: User, number: str) -> Sequence[OrderRow]:
    """All orders about one number, the oldest first."""
    _require(user)
    of = select(schema.number_orders).where(_o.number == _number(number)).order_by(_o.id)
    with db.read() as connection:
        return connection.execute(of).all()


def reconciliations(db: Database, user: User, limit: int = 30) -> Sequence[Row[Any]]:
    """Rows of `schema.reconciliations`, the newest first."""
    _require(user)
    with db.read() as connection:
        newest = select(schema.reconciliations).order_by(schema.reconciliations.c.at.desc())
        return connection.execute(newest.limit(limit)).all()


def stop_number(db: Database, user: User, parties: Parties, number: str, reason: str, now: int) -> int | None:
    """Put a number on the black list and report it; returns the order's id.

    None if nobody is there to be asked, the number is on the white list, or the same is asked already. Raises
    AntispamError without a reason or for a text that is no number.
    """
    _require(user)
    found, why = _number(number), _reason(reason)
    with db.write() as connection:
        item = list_entries.entry("black", found, why, None)
        list_entries.put(connection, now, user.name, item)
        return report(connection, now, parties, found, user.name, reason=why)


def restore_number(
    db: Database, user: User, parties: Parties, number: str, undertaking: str, watch_days: int, now: int
) -> int | None:
    """Restore a number after its subscriber's undertaking, and watch it for so many days.

    BOSS is asked first, if it stopped the number; returns the id of that order. None: the number is restored at once.
    Raises AntispamError without an undertaking, or for a number that is neither listed nor ordered to be stopped.
    """
    _require(user)
    found, why = _number(number), _reason(undertaking)
    if not 1 <= watch_days <= MAX_WATCH:
        raise AntispamError("probation: 1 to {most} days expected", most=MAX_WATCH)
    with db.write() as connection:
        if not _is_stopped(connection, found, now):
            raise AntispamError("this number is not stopped")
        if parties.of_number(found) == BOSS:
            asked = ask(connection, now, OrderKind.CLEAR, found, BOSS, user.name, reason=why, watch_days=watch_days)
            if asked is not None:
                return asked
            if _waits(connection, found, OrderKind.CLEAR):
                raise AntispamError("BOSS is asked already to restore this number")
        restore(connection, now, parties, found, user.name, why, watch_days)
        return None


def retry(db: Database, user: User, parties: Parties, ident: int, now: int) -> None:
    """Send an order again that was given up or refused. Raises AntispamError for any other order."""
    _do(db, user, parties, ident, OrderDeed.RETRY, "", now)


def cancel(db: Database, user: User, parties: Parties, ident: int, reason: str, now: int) -> None:
    """Withdraw an order that was not sent yet, or was given up. Raises AntispamError for any other order."""
    _do(db, user, parties, ident, OrderDeed.CANCEL, _reason(reason), now)


def may(row: OrderRow, deed: OrderDeed) -> bool:
    """Whether a person may do this to the order as it stands."""
    if deed is OrderDeed.RETRY:
        return row.state in (OrderState.GIVEN_UP, OrderState.REFUSED)
    return row.state == OrderState.GIVEN_UP or (row.state == OrderState.OPEN and row.file is None)


def _do(db: Database, user: User, parties: Parties, ident: int, deed: OrderDeed, reason: str, now: int) -> None:
    _require(user)
    with db.write() as connection:
        row = find(connection, ident)
        if row is None:
            raise AntispamError("no order {ident}", ident=ident)
        if deed is OrderDeed.RETRY and may(row, deed) and _waits(connection, row.number, OrderKind(row.kind)):
            raise AntispamError("the same is ordered already")
        if move(connection, now, ident, deed, parties.terms(row.party), user.name, reason=reason) is None:
            raise AntispamError("order {ident} is {state}: this is not possible", ident=ident, state=row.state)


def _is_stopped(connection: Connection, number: str, now: int) -> bool:
    if list_entries.stands(connection, "black", number, now):
        return True
    last = select(_o.kind, _o.state).where(_o.number == number, _o.kind != OrderKind.ALERT).order_by(_o.id.desc())
    row = connection.execute(last.limit(1)).first()
    stops = (OrderKind.SUSPECT, OrderKind.OFF)
    return row is not None and row.kind in stops and row.state not in (OrderState.REFUSED, OrderState.CANCELLED)


def _waits(connection: Connection, number: str, kind: OrderKind) -> bool:
    found = select(_o.id).where(_o.number == number, _o.kind == kind, _o.state.in_(OUTSTANDING))
    return connection.execute(found).first() is not None


def _chosen(statement: Any, wanted: Wanted) -> Any:
    if wanted.states:
        statement = statement.where(_o.state.in_(wanted.states))
    if wanted.kinds:
        statement = statement.where(_o.kind.in_(wanted.kinds))
    if wanted.party:
        statement = statement.where(_o.party == wanted.party)
    if wanted.number:
        statement = statement.where(_o.number.startswith(canonical(wanted.number) or wanted.number, autoescape=True))
    return statement


def _require(user: User) -> None:
    require(user, Right.EDIT_LISTS)
    if user.scope:
        raise Forbidden("{person}: numbers belong to no port, beyond the scope of this account", person=user.name)


def _number(written: str) -> str:
    found = canonical(written)
    if found is None:
        raise AntispamError("one phone number expected")
    return found


def _reason(text: str) -> str:
    if not text.strip() or len(text) > MAX_REASON or "\0" in text:
        raise AntispamError("a reason of 1 to {most} characters, none of them NUL, expected", most=MAX_REASON)
    return text.strip()
