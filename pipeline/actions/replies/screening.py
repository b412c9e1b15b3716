"""Whole messages of subscribers on their way through screening.

A message is kept, its wish is obeyed, and it is published as a record of kind MO. The projector settles it once its
decision is there: it is brought to its port or stopped. A stopped message stays, and an operator may bring it.

A message to a complaint code is taken as a complaint and not screened: it quotes spam, and its writer must not be taken
for the sender. One that names no number is a message like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, insert, literal, select, update

from pipeline import metrics, topics
from pipeline.actions.replies.bringing import bring
from pipeline.actions.replies.complaining import complain_to_code, complain_to_port
from pipeline.actions.replies.obeying import obey
from pipeline.actions.replies.words import Wish, Words
from pipeline.events import Event, Record, RecordKind, Verdict
from pipeline.kafka.decoding import decoded
from pipeline.store import schema
from pipeline.store.sender_port import port_of

_PREFIX = "reply/"  # of the ids of their records
_MARK = f'"{_PREFIX}'.encode()
_STOPPED = frozenset((Verdict.REVIEW, Verdict.REJECT, Verdict.BLACKLIST))
_table = schema.whole_replies


class Whole(NamedTuple):
    """A whole message; `id` is that of its first part. `text` is None if it is not text."""

    id: int
    to: str
    subscriber: str
    text: str | None
    received_at: int


class _Reason(msgspec.Struct):
    rule: str


class _Decided(msgspec.Struct):
    """The fields of `events.Decision` that are needed here."""

    id: str
    verdict: Verdict
    reasons: list[_Reason]


class Kept(NamedTuple):
    """The port of a message, None if none is registered; and what is to be published."""

    port: str | None
    published: Sequence[tuple[topics.Topic, str, Event]]


def take(connection: Connection, whole: Whole, words: Words, channel: str, now: int) -> Kept:
    """Keep a whole message and obey its wish. What is not text cannot be screened and goes no further."""
    port: str | None = connection.scalar(select(port_of(literal(whole.to))))
    wish, state = None, "screening"
    published: list[tuple[topics.Topic, str, Event]] = []
    if whole.text is None:
        state = "not_text"
    elif _complains(connection, whole, words, now):
        wish, state = Wish.COMPLAIN, "complaint"
    else:
        registered = connection.scalar(select(schema.ports.c.unsubscribe).where(schema.ports.c.code == port)) or ()
        wish = words.wish(whole.text, registered) if port is not None else None
        record = Record(
            id=f"{_PREFIX}{whole.id}",
            kind=RecordKind.MO,
            sender=whole.subscriber,
            recipient=whole.to,
            content=whole.text,
            submitted_at=whole.received_at,
            smsc=channel,
            ingested_at=now,
        )
        published.append((topics.RECORDS, whole.subscriber, record))
        if port is not None and wish is Wish.COMPLAIN:
            complain_to_port(connection, port, whole.subscriber, whole.text, whole.received_at, words.settings, now)
        elif port is not None and wish is not None:
            obey(connection, wish, port, whole.subscriber, whole.id, words, now)
    if state != "screening":
        metrics.REPLIES.labels(state).inc()
    connection.execute(
        insert(_table).values(
            id=whole.id,
            port=port,
            to=whole.to,
            subscriber=whole.subscriber,
            content=whole.text,
            wish=wish,
            state=state,
            received_at=whole.received_at,
            settled_at=None if state == "screening" else now,
        )
    )
    return Kept(port, published)


def _complains(connection: Connection, whole: Whole, words: Words, now: int) -> bool:
    source = words.settings.complaint_codes.get(whole.to)
    return (
        source is not None
        and whole.text is not None
        and complain_to_code(connection, source, whole.subscriber, whole.text, whole.received_at, words.settings, now)
    )


def project_verdicts(connection: Connection, now: int, records: Sequence[bytes]) -> None:
    """Settle the messages that these decisions are about; decisions on anything else are skipped. Idempotent."""
    for decision in decoded(topics.DECISIONS, _Decided, [record for record in records if _MARK in record]):
        number = decision.id.removeprefix(_PREFIX)
        if decision.id.startswith(_PREFIX) and number.isdecimal():
            _settle(connection, now, int(number), decision)


def _settle(connection: Connection, now: int, ident: int, decision: _Decided) -> None:
    this = _table.c.id == ident
    row = connection.execute(select(_table).where(this, _table.c.state == "screening").with_for_update()).one_or_none()
    if row is None:
        return
    state = "stopped" if decision.verdict in _STOPPED else "brought" if row.port is not None else "no_port"
    if state == "brought":
        bring(connection, row, now)
    metrics.REPLIES.labels(state).inc()
    rule = decision.reasons[0].rule if decision.reasons else None
    settled = {"state": state, "verdict": decision.verdict.value, "rule": rule, "settled_at": now}
    connection.execute(update(_table).where(this).values(settled))
