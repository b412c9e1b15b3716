"""Sessions of signed-in users: a random token in the cookie, its sha256 in the table.

A reader of the table cannot sign in with a hash. A session ends SESSION_MS after its start or IDLE_MS after the
user's last activity, whichever is first.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, or_, select, update

from pipeline.durations import HOUR_MS, MINUTE_MS
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database

SESSION_MS = 12 * HOUR_MS  # a working day
IDLE_MS = HOUR_MS
TOUCH_MS = MINUTE_MS  # resolution of recorded activity, to avoid a write for each click


def open_session(connection: Connection, name: str, now: int) -> str:
    """Start a session in the caller's transaction and delete ended sessions; returns the new token."""
    t = schema.sessions
    connection.execute(delete(t).where(or_(t.c.expires_at <= now, t.c.seen_at <= now - IDLE_MS)))
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(t).values(token=_digest(token), user=name, created_at=now, expires_at=now + SESSION_MS, seen_at=now)
    )
    return token


def user_of(db: Database, token: str, now: int, *, active: bool = True) -> User | None:
    """The user of a session; None if the session has ended or is idle too long, or if the account is disabled.

    `active` records activity of the user now. The automatic refresh of a page is not activity.
    """
    s, u = schema.sessions, schema.users
    digest = _digest(token)
    with db.read() as connection:
        row = connection.execute(
            select(u.c.name, u.c.role, u.c.scope, u.c.must_change, u.c.queues, s.c.seen_at)
            .join(s, s.c.user == u.c.name)
            .where(s.c.token == digest, s.c.expires_at > now, s.c.seen_at > now - IDLE_MS, u.c.active)
        ).first()
    if row is None:
        return None
    if active and row.seen_at <= now - TOUCH_MS:
        with db.write() as connection:
            connection.execute(update(s).where(s.c.token == digest).values(seen_at=now))
    return User(row.name, Role(row.role), row.scope, row.must_change, tuple(row.queues))


def sign_out(db: Database, token: str, now: int) -> None:
    """End a session; does nothing if the session has ended."""
    s = schema.sessions
    with db.write() as connection:
        ended = connection.execute(delete(s).where(s.c.token == _digest(token)).returning(s.c.user)).first()
        if ended is not None:
            audit.record(connection, now, ended.user, "sign out", f"user/{ended.user}")


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
