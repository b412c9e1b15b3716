"""What waits for a link of its port: reports, and replies of subscribers.

A row is leased to a process with a link, and deleted once the port has answered that it has it. If the link or the
process ends before, the row is leased again. The port may then get it twice, never not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, or_, select, update

from pipeline import metrics
from pipeline.durations import MINUTE_MS
from pipeline.process.backoff import Backoff
from pipeline.store import schema

LEASE_MS = 10 * MINUTE_MS  # longer than a link waits for an answer: three times a minute
REFUSED = Backoff(first=10.0, longest=3600.0, factor=4, tries=8)  # pauses after an answer "not accepted"
_table = schema.link_deliveries


class Report(msgspec.Struct, frozen=True, kw_only=True, tag="report"):
    """The report on one part to one recipient.

    `id` is the id of the part in the form of its protocol (hex), `n` the place of the recipient, from 0. Times are
    YYMMDDhhmm.
    """

    id: str
    n: int
    sender: str
    recipient: str
    status: str
    submitted: str
    done: str


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag="reply"):
    """A subscriber's message to the port, or a part of it. `to` is the service code as the subscriber wrote it.

    `id` has 16 hex digits. `content` is in `coding`, 0 (ASCII) or 8 (UCS2); if `headed`, it begins with a user data
    header.
    """

    id: str
    to: str
    subscriber: str
    coding: int
    content: bytes
    headed: bool = False


_decode = msgspec.json.Decoder(Report | Reply).decode
_encode = msgspec.json.Encoder().encode


class Waiting(NamedTuple):
    """A leased row."""

    id: int
    content: Report | Reply


class Wish(NamedTuple):
    """A process has a link of this account, and takes so many rows."""

    account: str
    port: str
    protocol: str
    room: int


class Answers(NamedTuple):
    """Ids of leased rows: what the port has, what it did not accept, and what no port has answered."""

    accepted: Sequence[int] = ()
    refused: Sequence[int] = ()
    unanswered: Sequence[int] = ()


def row_of(
    content: Report | Reply, now: int, *, port: str = "", account: str = "", protocol: str = ""
) -> dict[str, Any]:
    """The row of a new delivery."""
    return {
        "port": port,
        "account": account,
        "protocol": protocol,
        "body": _encode(content),
        "created_at": now,
        "due_at": now,
    }


def lease(connection: Connection, wishes: Iterable[Wish], now: int) -> dict[Wish, list[Waiting]]:
    """Lease due rows, oldest first. `now` is epoch ms."""
    found: dict[Wish, list[Waiting]] = {}
    taken: list[int] = []
    for wish in wishes:
        query = (
            select(_table.c.id, _table.c.body)
            .where(
                or_(
                    and_(_table.c.account == wish.account, _table.c.protocol == wish.protocol),
                    and_(_table.c.account == "", _table.c.port == wish.port),
                ),
                _table.c.due_at <= now,
                or_(_table.c.lease_until.is_(None), _table.c.lease_until <= now),
                _table.c.id.not_in(taken),
            )
            .order_by(_table.c.id)
            .limit(wish.room)
            .with_for_update(skip_locked=True)
        )
        found[wish] = [Waiting(row.id, _decode(row.body)) for row in connection.execute(query)]
        taken += [one.id for one in found[wish]]
    if taken:
        held = {"lease": secrets.token_hex(8), "lease_until": now + LEASE_MS}
        connection.execute(update(_table).where(_table.c.id.in_(taken)).values(held))
    return found


def settle(connection: Connection, answers: Answers, now: int) -> None:
    """Delete what ports have; let the rest be leased again: what was not accepted, after a pause, 8 times at most."""
    if answers.accepted:
        connection.execute(delete(_table).where(_table.c.id.in_(answers.accepted)))
        metrics.LINK_REPORTS.labels("accepted").inc(len(answers.accepted))
    free = {"lease": None, "lease_until": None}
    if answers.unanswered:
        connection.execute(update(_table).where(_table.c.id.in_(answers.unanswered)).values(free))
    if answers.refused:
        tried = connection.execute(select(_table.c.id, _table.c.tries).where(_table.c.id.in_(answers.refused))).all()
        for row in tried:
            this = _table.c.id == row.id
            if REFUSED.exhausted(row.tries + 1):
                connection.execute(delete(_table).where(this))
                metrics.LINK_REPORTS.labels("given_up").inc()
            else:
                due = now + int(REFUSED.pause(row.tries + 1) * 1000)
                connection.execute(update(_table).where(this).values(tries=row.tries + 1, due_at=due, **free))
