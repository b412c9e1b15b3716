"""Obeys a subscriber's wish: the list of those who unsubscribed, their consent, and a confirmation.

The wish is obeyed before the message is screened: no rule stands between a subscriber and the end of advertising. Who
subscribes again is taken off the list. A file of list entries that names the number still counts.

The confirmation is put among the holds, due at once: the role `timers` submits it, and it is screened like any other.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, or_, select

from pipeline.actions.replies.words import Wish, Words
from pipeline.events import Hold, Submission
from pipeline.rules.consents import Consent, ConsentKind, enterprise_scope, port_scope, shard_of
from pipeline.rules.lists import ListEntry, one_form
from pipeline.store import audit, hold_rows, schema
from pipeline.store.registry import consents, list_entries
from pipeline.text.numbers import number

_LIST = "unsubscribed"
_RULE = "reply"  # in the history of the list


def obey(connection: Connection, wish: Wish, port: str, subscriber: str, ident: int, words: Words, now: int) -> None:
    """Carry out a wish. If it changed something, the subscriber is told."""
    value = one_form(_LIST, f"{port}:{subscriber}")
    if value is None:  # the carrier's number is none that anybody could send to
        return
    evidence = f"reply/{ident}"
    if wish is Wish.UNSUBSCRIBE:
        item = ListEntry(_LIST, value, _RULE)
        changed = list_entries.put(connection, now, audit.PIPELINE, item, _RULE, evidence) is not None
        text = words.unsubscribed
    else:
        changed = list_entries.remove(connection, now, audit.PIPELINE, _LIST, value, _RULE)
        if changed and _consents_kept(connection, port):
            asked = Consent(port_scope(port), value.partition(":")[2], ConsentKind.REQUEST, evidence, now)
            consents.put(connection, now, audit.PIPELINE, [asked])
            consents.publish_shards(connection, now, [shard_of(asked.number)])
        text = words.resubscribed
    confirmation = _confirmation(connection, port, subscriber, text, ident, now) if changed else None
    if confirmation is not None:
        hold_rows.put(connection, now, [Hold(submission=confirmation, rule=_RULE, due_at=now)])


def _consents_kept(connection: Connection, port: str) -> bool:
    """Whether consents are recorded for a port or its enterprise. The first one would make all others necessary."""
    enterprise = connection.scalar(select(schema.ports.c.enterprise).where(schema.ports.c.code == port))
    scope = schema.consents.c.scope
    named = or_(scope == port_scope(port), scope == enterprise_scope(enterprise or ""))
    return bool(connection.scalar(select(exists().where(named))))


def _confirmation(
    connection: Connection, port: str, subscriber: str, text: str, ident: int, now: int
) -> Submission | None:
    recipient = number(subscriber)
    if not text or recipient is None:
        return None
    table = schema.signatures
    query = select(table.c.signature).where(table.c.port == port).order_by(table.c.place).limit(1)
    signature: str | None = connection.scalar(query)
    content = text.replace("【{signature}】", f"【{signature}】" if signature else "").replace(
        "{signature}", signature or ""
    )
    return Submission(
        id=f"confirmation/{ident}", port=port, recipients=(recipient,), content=content, accepted_at=now, confirms=True
    )
