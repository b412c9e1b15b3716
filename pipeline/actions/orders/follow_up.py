"""What an order begins and what its answer causes: entries of lists, orders to the HLR, the subscriber's SMS.

| answer | then |
|---|---|
| BOSS confirms a suspect | the number is on the black list, and the HLR is ordered to stop it |
| BOSS does not confirm it | the number leaves the black list |
| BOSS confirms that it may be restored | it leaves the black list, is watched, and the HLR is ordered to restore it |
| the HLR has stopped or restored it | the subscriber is told why |

Without an exchange with the HLR, BOSS drives it: the subscriber is told at the answer of BOSS. All of it happens in the
transaction of the answer.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from pipeline.actions.orders.order import Answer, OrderDeed, OrderKind, OrderState
from pipeline.actions.orders.order_rows import OrderRow, ask, move, note_own
from pipeline.actions.orders.parties import Parties
from pipeline.actions.orders.white_list import is_white
from pipeline.durations import DAY_MS
from pipeline.events import Hold, Submission
from pipeline.order_exchange import BOSS, HLR
from pipeline.rules.lists import ListEntry
from pipeline.store import audit, hold_rows
from pipeline.store.registry import list_entries

NOTICE_RULE = "number-notice"  # the rule of the hold that carries the SMS
NOTICE_VALID_MS = 3 * DAY_MS
_log = structlog.get_logger()


def report(
    connection: Connection,
    now: int,
    parties: Parties,
    number: str,
    actor: str,
    *,
    rule: str = "",
    reason: str = "",
    values: dict[str, Any] | None = None,
    sample: str = "",
    evidence: str = "",
) -> int | None:
    """Report a number that sends spam: to BOSS if it is ours, else to its network. Returns the order's id.

    None if it is on the white list, nobody is there to be asked, or the same is asked already.
    """
    party = parties.of_number(number)
    if party is None:
        return None
    kind = {BOSS: OrderKind.SUSPECT, HLR: OrderKind.OFF}.get(party, OrderKind.ALERT)
    if kind is not OrderKind.ALERT and is_white(connection, parties.exchanges, number, now):
        _log.warning("white_number_not_reported", rule=rule)
        return None
    return ask(
        connection,
        now,
        kind,
        number,
        party,
        actor,
        rule=rule,
        reason=reason,
        values=values,
        sample=sample if parties.exchanges[party].samples else "",
        evidence=evidence,
    )


def answered(
    connection: Connection, now: int, parties: Parties, row: OrderRow, deed: OrderDeed, answer: Answer, reason: str
) -> bool:
    """Do what the far side answered, and what follows; False if the answer changes nothing."""
    changed = move(connection, now, row.id, deed, parties.terms(row.party), answer=answer, reason=reason)
    if changed is None:
        return False
    if changed.state == OrderState.CONFIRMED:
        _confirmed(connection, now, parties, changed)
    elif changed.state == OrderState.REFUSED and row.kind == OrderKind.SUSPECT:
        list_entries.remove(connection, now, audit.PIPELINE, "black", row.number, f"order/{row.id}")
    return True


def own(connection: Connection, now: int, parties: Parties, number: str, answer: Answer, reason: str) -> bool:
    """What BOSS did without an order of ours: it stopped a number, or restored it. False if that was known."""
    kind = OrderKind.SUSPECT if answer is Answer.ADD else OrderKind.CLEAR
    if not note_own(connection, now, kind, number, BOSS, reason):
        return False
    if kind is OrderKind.SUSPECT:
        _stop(connection, now, parties, number, BOSS, reason, "")
    else:
        restore(connection, now, parties, number, BOSS, reason, parties.watch_days)
    return True


def restore(
    connection: Connection, now: int, parties: Parties, number: str, actor: str, reason: str, watch_days: int
) -> None:
    """Take a number off the black list, watch it for so many days, and order the HLR to restore it."""
    list_entries.remove(connection, now, actor, "black", number, reason)
    item = ListEntry("watched", number, reason[: list_entries.MAX_REASON], now + watch_days * DAY_MS)
    list_entries.put(connection, now, actor, item)
    if HLR in parties.exchanges:
        ask(connection, now, OrderKind.ON, number, HLR, actor, reason=reason)
    else:
        _tell(connection, now, parties, number, f"notice-{uuid4().hex}", parties.restored, reason)


def _confirmed(connection: Connection, now: int, parties: Parties, row: OrderRow) -> None:
    if row.kind == OrderKind.SUSPECT:
        _stop(connection, now, parties, row.number, audit.PIPELINE, row.reason, row.rule, f"order/{row.id}")
    elif row.kind == OrderKind.CLEAR:
        days = row.watch_days or parties.watch_days
        restore(connection, now, parties, row.number, audit.PIPELINE, row.reason, days)
    elif row.kind == OrderKind.OFF:
        _tell(connection, now, parties, row.number, f"order-{row.id}", parties.stopped, row.reason)
    elif row.kind == OrderKind.ON:
        _tell(connection, now, parties, row.number, f"order-{row.id}", parties.restored, row.reason)


def _stop(
    connection: Connection,
    now: int,
    parties: Parties,
    number: str,
    actor: str,
    reason: str,
    rule: str,
    evidence: str = "",
) -> None:
    if not list_entries.stands(connection, "black", number, now):
        item = ListEntry("black", number, reason[: list_entries.MAX_REASON])
        list_entries.put(connection, now, actor, item, rule, evidence)
    if HLR in parties.exchanges:
        ask(connection, now, OrderKind.OFF, number, HLR, actor, rule=rule, reason=reason, evidence=evidence)
    else:
        _tell(connection, now, parties, number, f"notice-{uuid4().hex}", parties.stopped, reason)


def _tell(connection: Connection, now: int, parties: Parties, number: str, ident: str, text: str, reason: str) -> None:
    """Hand the SMS to the timers, as a hold that is due: from there on it goes the way of every submission.

    The id makes it one SMS, whoever asks for it twice.
    """
    if not parties.notice_port:
        return
    submission = Submission(
        id=ident,
        port=parties.notice_port,
        recipients=(number,),
        content=text.replace("{reason}", reason),
        accepted_at=now,
        valid_until=now + NOTICE_VALID_MS,
    )
    hold_rows.put(connection, now, [Hold(submission=submission, rule=NOTICE_RULE, due_at=now, epoch=0)])
