"""The files and posts with orders, each under a name that it keeps.

Orders are marked as sent together with the row of their file, before the file is written. A process that is killed
then finds the row, and writes the same bytes under the same name again: a party that takes files by name has each order
once. A file that cannot be written before its orders are late is abandoned, and the orders go into another one.
"""

from __future__ import annotations

import csv
import hmac
import io
import re
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import Connection, bindparam, insert, or_, select, update

from pipeline import metrics
from pipeline.actions.alerts.news import raise_alert
from pipeline.actions.alerts.recurring import recurring_alert
from pipeline.actions.orders.follow_up import answered
from pipeline.actions.orders.order import Answer, OrderDeed, OrderState, after
from pipeline.actions.orders.order_rows import OrderRow, move, order_of
from pipeline.actions.orders.parties import Parties
from pipeline.events import AlertAbout, AlertLevel
from pipeline.order_exchange import OrderExchange, OrderFile
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import built_in
from pipeline.store import outbox, schema
from pipeline.store.database import Database

BATCH = 5_000  # orders in one file
CHUNK = 200  # orders whose answers come too late are handled in one transaction
WRITING, PUT, ABANDONED = "writing", "put", "abandoned"
_o, _f = schema.number_orders.c, schema.order_files.c
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_log = structlog.get_logger()


class OutFile(NamedTuple):
    """A file that is to be written: its number and name."""

    ident: int
    name: str


def time_out(db: Database, parties: Parties, party: str, now: int) -> int:
    """Handle the orders whose answer is late: they are sent again, or given up with an alert. Returns their number."""
    late = select(_o.id).where(_o.party == party, _o.state == OrderState.SENT, _o.due_at <= now)
    total = 0
    while True:
        with db.write() as connection:
            idents = connection.scalars(late.order_by(_o.id).limit(CHUNK)).all()
            if not idents:
                return total
            outbox.lock(connection)
            rows = [move(connection, now, ident, OrderDeed.TIME_OUT, parties.terms(party)) for ident in idents]
            files = {row.file for row in rows if row is not None}
            connection.execute(
                update(schema.order_files).where(_f.id.in_(files), _f.state == WRITING).values(state=ABANDONED)
            )
            given_up = sum(row is not None and row.state == OrderState.GIVEN_UP for row in rows)
            if given_up:
                _alert(connection, now, party, given_up)
        total += len(idents)


def next_file(db: Database, parties: Parties, exchange: OrderExchange, zone: str, now: int) -> OutFile | None:
    """The file that is to be written next: one that a killed process began, else one with the orders that are due.

    None if there is nothing to send. Times in names are of `zone`.
    """
    party = exchange.party
    with db.write() as connection:
        begun = connection.execute(
            select(_f.id, _f.name).where(_f.party == party, _f.state == WRITING).order_by(_f.id).limit(1)
        ).first()
        if begun is not None:
            return OutFile(begun.id, begun.name)
        due = select(schema.number_orders).where(
            _o.party == party, _o.state == OrderState.OPEN, or_(_o.due_at.is_(None), _o.due_at <= now)
        )
        rows = connection.execute(due.order_by(_o.id).limit(BATCH).with_for_update(skip_locked=True)).all()
        if not rows:
            return None
        row = {"party": party, "name": "", "state": WRITING, "orders": len(rows), "created_at": now}
        ident = int(connection.execute(insert(schema.order_files).values(row).returning(_f.id)).scalar_one())
        stamp = datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).strftime("%Y%m%d%H%M%S")
        pattern = exchange.orders.address.pattern if exchange.orders is not None else "*"
        name = pattern.replace("*", f"{stamp}-{ident:06d}")
        connection.execute(update(schema.order_files).where(_f.id == ident).values(name=name))
        terms = parties.terms(party)
        sent = [(row.id, after(order_of(row), OrderDeed.SEND, now, terms)) for row in rows]
        connection.execute(
            update(schema.number_orders)
            .where(_o.id == bindparam("of"))
            .values(state=OrderState.SENT, tries=bindparam("n"), due_at=bindparam("due"), file=ident, changed_at=now),
            [{"of": order, "n": moved.tries, "due": moved.due_at} for order, moved in sent if moved is not None],
        )
    for each in rows:
        metrics.ORDERS.labels(party, each.kind, OrderDeed.SEND).inc()
    return OutFile(ident, name)


def content(connection: Connection, target: OrderFile, file: OutFile, zone: str) -> bytes:
    """The bytes of a file; the same whenever it is written. Characters outside the encoding become `?`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=target.delimiter, lineterminator="\n")
    if target.header:
        writer.writerow(target.columns.values())
    for row in _orders(connection, file):
        told = _told(row, zone) | {"kind": target.words.get(row.kind, row.kind)}
        writer.writerow(_BREAKS.sub(" ", str(told[field])) for field in target.columns)
    return text.getvalue().encode(target.encoding, "replace")


def body(connection: Connection, file: OutFile, zone: str) -> bytes:
    """The JSON of a post, with the orders of a file."""
    return msgspec.json.encode({"id": file.name, "orders": [_told(row, zone) for row in _orders(connection, file)]})


def signature(secret: str, at: int, posted: bytes) -> str:
    """The value of `Antispam-Signature`: HMAC-SHA256 over `<epoch ms>.<body>`, in hex, with the time."""
    return f"t={at},v1={hmac.new(secret.encode(), b'%d.%s' % (at, posted), 'sha256').hexdigest()}"


def note_put(db: Database, party: str, file: OutFile, now: int) -> None:
    """Note that the far side has the file."""
    with db.write() as connection:
        put = update(schema.order_files).where(_f.id == file.ident, _f.state == WRITING)
        connection.execute(put.values(state=PUT, put_at=now))
    _log.info("orders_sent", party=party, file=file.name)


def note_acknowledged(db: Database, parties: Parties, file: OutFile, now: int) -> int:
    """Note that the far side has taken a post: all its orders are confirmed. Returns their number."""
    with db.write() as connection:
        outbox.lock(connection)
        done = 0
        for row in _orders(connection, file):
            done += answered(connection, now, parties, row, OrderDeed.CONFIRM, Answer.ACKNOWLEDGED, "")
        connection.execute(update(schema.order_files).where(_f.id == file.ident).values(state=PUT, put_at=now))
    return done


def _orders(connection: Connection, file: OutFile) -> list[OrderRow]:
    found = select(schema.number_orders).where(_o.file == file.ident)
    return list(connection.execute(found.order_by(_o.id)).all())


def _told(row: OrderRow, zone: str) -> dict[str, Any]:
    """The fields of an order for a party (ORDER_FIELDS). `volume`: the largest count that the rule saw."""
    counts = [value for value in row.values.values() if isinstance(value, int) and not isinstance(value, bool)]
    return {
        "order": row.id,
        "number": row.number,
        "kind": row.kind,
        "try": row.tries,
        "rule": row.rule,
        "reason": row.reason,
        "volume": max(counts, default=0),
        "at": datetime.fromtimestamp(row.asked_at / 1000, ZoneInfo(zone)).isoformat(timespec="seconds"),
        "sample": row.sample,
    }


def _alert(connection: Connection, now: int, party: str, orders: int) -> None:
    values = {"party": party, "orders": orders}
    rule = BuiltInRule.ORDERS_GIVEN_UP
    told = recurring_alert(AlertLevel.SEVERE, rule, party, built_in(rule, values), values, now, AlertAbout.PARTY)
    raise_alert(connection, told, now)
