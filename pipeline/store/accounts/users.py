"""Local accounts: argon2id, waits after failures (throttle.py), one-time passwords.

An attempt to sign in is counted before its password is verified, so a hundred parallel guesses are a hundred
attempts. Unknown, waiting and disabled accounts get the same answer. The response time does not reveal whether a
name exists.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts import throttle
from pipeline.store.accounts.roles import SCOPES, Right, Role, User, require
from pipeline.store.accounts.sessions import open_session
from pipeline.store.database import Database

SHORTEST, LONGEST = 12, 200  # characters of a password

REFUSED = "name or password is wrong, the account is disabled, or too many tries have failed"
SAME = "the new password must differ from the old one"
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
# Actors of automatic changes. A user with such a name could pass for them in the audit trail.
_RESERVED = frozenset({audit.PIPELINE, "policy", "cli", "system"})
_hasher = PasswordHasher()


def _hash_of_no_password(hasher: PasswordHasher) -> str:
    """What is verified for unknown names, as long as a real hash is. Hashing one would cost each start 0.3 s."""
    salt, digest = "A" * 22, "A" * 43
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"


_NOBODY = _hash_of_no_password(_hasher)
# Each verification takes 64 MB and a core for some 50 ms, so the number at a time is limited.
_verifying = BoundedSemaphore(2)


@dataclass(frozen=True)
class Account:
    """A user in the administrator's list; times are epoch ms."""

    name: str
    role: Role
    scope: Mapping[str, str]
    queues: tuple[str, ...]  # in which a reviewer works; empty for all
    active: bool
    must_change: bool
    waits_until: int | None  # end of the longest wait on this name at any address
    created_at: int

    def state(self, now: int) -> str:
        """active, disabled, waiting (after failures), or new (the one-time password is not changed yet)."""
        if not self.active:
            return "disabled"
        if (self.waits_until or 0) > now:
            return "waiting"
        return "new" if self.must_change else "active"


def first_administrator(db: Database, now: int) -> str | None:
    """Create `admin` if there are no users; returns its one-time password, or None if users exist."""
    with db.write() as connection:
        if connection.execute(select(func.count()).select_from(schema.users)).scalar_one():
            return None
        return _add(connection, audit.PIPELINE, "admin", Role.ADMINISTRATOR, {}, now)


def add_user(db: Database, user: User, name: str, role: Role, scope: Mapping[str, str], now: int) -> str:
    """Create an account; returns its one-time password, which is stored only as a hash.

    Raises AntispamError for an invalid or taken name, and for a scope that is invalid or matches no enterprise.
    """
    require(user, Right.ADMINISTER)
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise AntispamError(
            "user name {name!r}: 2 to 32 of a-z 0-9 . _ -, beginning with a letter, not reserved", name=name
        )
    if len(scope) > 1 or not set(scope) <= set(SCOPES) or not all(scope.values()):
        raise AntispamError("scope: one of {known} with its value, or none for all", known=", ".join(SCOPES))
    if scope and role is Role.ADMINISTRATOR:
        raise AntispamError("an administrator has no scope; choose another role for a limited account")
    with db.write() as connection:
        for kind, value in scope.items():
            column = schema.enterprises.c["id" if kind == "enterprise" else kind]
            if connection.execute(select(column).where(column == value).limit(1)).first() is None:
                raise AntispamError(
                    "scope: no enterprise with {kind} {value!r}; the account would see nothing", kind=kind, value=value
                )
        taken = select(schema.users.c.name).where(schema.users.c.name == name)
        if connection.execute(taken).first():
            raise AntispamError("user {name!r} exists", name=name)
        return _add(connection, user.name, name, role, scope, now)


def list_users(db: Database, user: User, now: int) -> list[Account]:
    """All accounts, ordered by name."""
    require(user, Right.ADMINISTER)
    t = schema.users
    with db.read() as connection:
        rows = connection.execute(select(t).order_by(t.c.name)).all()
        waits = throttle.waits(connection, now)
    return [
        Account(
            r.name, Role(r.role), r.scope, tuple(r.queues), r.active, r.must_change, waits.get(r.name), r.created_at
        )
        for r in rows
    ]


def set_active(db: Database, user: User, name: str, active: bool, now: int) -> None:
    """Disable an account and end its sessions, or enable the account again.

    Raises AntispamError if users disable their own account or the last active administrator.
    """
    require(user, Right.ADMINISTER)
    if name == user.name:
        raise AntispamError("you cannot disable the account you are signed in with")
    with db.write() as connection:
        row = _row(connection, name)
        if row.active == active:
            return
        if not active and row.role == Role.ADMINISTRATOR and _administrators(connection) == 1:
            raise AntispamError("{name} is the last administrator", name=name)
        connection.execute(update(schema.users).where(schema.users.c.name == name).values(active=active))
        if not active:
            connection.execute(delete(schema.sessions).where(schema.sessions.c.user == name))
        audit.record(
            connection,
            now,
            user.name,
            "enable" if active else "disable",
            f"user/{name}",
            {"active": row.active},
            {"active": active},
        )


def reset_password(db: Database, user: User, name: str, now: int) -> str:
    """Set and return a new one-time password for an account; ends its sessions and its waits."""
    require(user, Right.ADMINISTER)
    password = secrets.token_urlsafe(12)
    hashed = _hasher.hash(password)
    with db.write() as connection:
        _row(connection, name)
        connection.execute(
            update(schema.users).where(schema.users.c.name == name).values(password=hashed, must_change=True)
        )
        throttle.lift(connection, name)
        connection.execute(delete(schema.sessions).where(schema.sessions.c.user == name))
        audit.record(connection, now, user.name, "reset password", f"user/{name}")
    return password


def let_in(db: Database, user: User, name: str, now: int) -> None:
    """End the waits of an account after failures; password and sessions stay."""
    require(user, Right.ADMINISTER)
    with db.write() as connection:
        _row(connection, name)
        throttle.lift(connection, name)
        audit.record(connection, now, user.name, "let in", f"user/{name}")


def sign_in(db: Database, name: str, password: str, now: int, address: str = "local") -> str:
    """Returns the token of a new session. Raises AntispamError with the same text for every cause.

    `address` is the source of the attempt: failures at one address do not lock out another.
    """
    name = name.strip().lower()
    name = name if _NAME.fullmatch(name) else "?"  # invalid names count together
    hashed = _attempt(db, name, password, address, now)
    if hashed is None:
        raise AntispamError(REFUSED)
    users = schema.users
    with db.write() as connection:
        values = {"password": _hasher.hash(password) if _hasher.check_needs_rehash(hashed) else hashed}
        # No session if the password was changed or the account disabled during verification.
        mine = (users.c.name == name) & (users.c.password == hashed) & users.c.active
        if connection.execute(update(users).where(mine).values(**values)).rowcount != 1:
            raise AntispamError(REFUSED)
        throttle.right(connection, name, address, now)
        audit.record(connection, now, name, "sign in", f"user/{name}")
        return open_session(connection, name, now)


def change_password(db: Database, user: User, old: str | None, new: str, now: int) -> str:
    """Change a user's own password and end all their sessions; returns the token of a new session.

    `old` is None for the user of a one-time password, whose session proves it. Wrong old passwords are counted
    separately from attempts to sign in. Raises AntispamError for a wrong or missing old password, and for a new
    password that is too short, too long, equal to the old password, or contains the user's name.
    """
    if not SHORTEST <= len(new) <= LONGEST:
        raise AntispamError("a password has {shortest} to {longest} characters", shortest=SHORTEST, longest=LONGEST)
    if new == old:
        raise AntispamError(SAME)
    if user.name in new.lower():
        raise AntispamError("a password must not contain the user's name")
    hashed = _one_time(db, user.name) if old is None else _attempt(db, user.name, old, throttle.CHANGING, now)
    if hashed is None:
        raise AntispamError("the old password is wrong, or too many tries have failed")
    if old is None and _verify(hashed, new):
        raise AntispamError(SAME)
    fresh = _hasher.hash(new)
    users = schema.users
    with db.write() as connection:
        mine = (users.c.name == user.name) & (users.c.password == hashed) & users.c.active
        values = {"password": fresh, "must_change": False}
        if connection.execute(update(users).where(mine).values(**values)).rowcount != 1:
            raise AntispamError("the account was changed meanwhile")
        throttle.right(connection, user.name, throttle.CHANGING, now)
        connection.execute(delete(schema.sessions).where(schema.sessions.c.user == user.name))
        audit.record(connection, now, user.name, "change password", f"user/{user.name}")
        return open_session(connection, user.name, now)


def _add(connection: Connection, actor: str, name: str, role: Role, scope: Mapping[str, str], now: int) -> str:
    password = secrets.token_urlsafe(12)
    connection.execute(
        insert(schema.users).values(
            name=name,
            password=_hasher.hash(password),
            role=role.value,
            scope=dict(scope),
            active=True,
            must_change=True,
            created_at=now,
        )
    )
    audit.record(connection, now, actor, "add", f"user/{name}", after={"role": role.value, "scope": dict(scope)})
    return password


def _one_time(db: Database, name: str) -> str | None:
    """The stored hash if the user's password is a one-time password."""
    users = schema.users
    with db.read() as connection:
        mine = (users.c.name == name) & users.c.active & users.c.must_change
        found: str | None = connection.scalar(select(users.c.password).where(mine))
        return found


def _attempt(db: Database, name: str, password: str, address: str, now: int) -> str | None:
    """Count and verify one attempt; returns the stored hash if the password is right, else None."""
    users = schema.users
    with db.write() as connection:
        if not throttle.admit(connection, name, address, now):
            return None
        found = connection.scalar(select(users.c.password).where(users.c.name == name, users.c.active))
    right = _verify(found or _NOBODY, password)
    return found if right else None


def _verify(hashed: str, password: str) -> bool:
    with _verifying:
        try:
            return _hasher.verify(hashed, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False


def _row(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(schema.users).where(schema.users.c.name == name)).first()
    if row is None:
        raise AntispamError("no user {name!r}", name=name)
    return row


def _administrators(connection: Connection) -> int:
    users = schema.users
    active = users.c.active & (users.c.role == Role.ADMINISTRATOR.value)
    return int(connection.execute(select(func.count()).select_from(users).where(active)).scalar_one())
