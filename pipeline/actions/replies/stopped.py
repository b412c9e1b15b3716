"""Stopped messages of subscribers: a person looks them up, and brings one to its port after all.

The list has no text. A message is a record with the id `reply/<id>`: the console's Search has its decision, and shows
its full text to whoever may see it.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import select, update

from pipeline.actions.replies.bringing import bring
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, ports_in_scope, require, require_port
from pipeline.store.database import Database
from pipeline.text.numbers import masked

MOST = 1_000
MAX_REASON = 500  # characters
_table = schema.whole_replies


class Stopped(msgspec.Struct, frozen=True):
    """A stopped message; `subscriber` is masked, `port` None if none is registered, `received_at` epoch ms."""

    id: int
    port: str | None
    subscriber: str
    rule: str | None
    received_at: int


def stopped(db: Database, user: User) -> list[Stopped]:
    """The stopped messages to ports in the user's scope, newest first, `MOST` at most."""
    require(user, Right.SEARCH)
    query = select(_table).where(_table.c.state == "stopped").order_by(_table.c.id.desc()).limit(MOST)
    within = ports_in_scope(user)
    if within is not None:
        query = query.where(_table.c.port.in_(within))
    with db.read() as connection:
        return [
            Stopped(row.id, row.port, masked(row.subscriber), row.rule, row.received_at)
            for row in connection.execute(query)
        ]


def bring_stopped(db: Database, user: User, ident: int, reason: str, now: int) -> None:
    """Bring a stopped message to its port. Raises AntispamError if it is not stopped or has no port."""
    require(user, Right.REVIEW)
    if not 0 < len(reason.strip()) <= MAX_REASON:
        raise AntispamError("a reason of 1 to {most} characters is wanted", most=MAX_REASON)
    with db.write() as connection:
        this = _table.c.id == ident, _table.c.state == "stopped", _table.c.port.is_not(None)
        row = connection.execute(select(_table).where(*this).with_for_update()).one_or_none()
        if row is None:
            raise AntispamError("reply {ident}: no stopped message to a port", ident=ident)
        require_port(connection, user, row.port)
        bring(connection, row, now)
        connection.execute(update(_table).where(*this).values(state="brought", settled_at=now))
        before, after = {"state": "stopped", "rule": row.rule}, {"state": "brought", "port": row.port}
        audit.record(connection, now, user.name, "bring", f"reply/{ident}", before, after, reason.strip())
