"""Snoozes that people make and lift: checked for right, scope, rule and end."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache

from sqlalchemy import Connection, Row, and_, exists, or_, select

from pipeline.errors import AntispamError
from pipeline.rules.policies.lifecycle import LivingKind
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.snoozes import MAX_DAYS, MAX_MS, Snooze, SnoozeKind, check_rule, spelled
from pipeline.store import outbox, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require, require_port
from pipeline.store.database import Database
from pipeline.store.registry import configurations, policies, snooze_entries

MAX_REASON = 500
MAX_IN_FORCE = 1_000  # workers keep all of them in memory
_table = schema.snoozes
_policy = lru_cache(4)(parse_policy)


def snooze(
    db: Database, user: User, rule: str, kind: SnoozeKind, value: str, reason: str, until: int, now: int
) -> int | None:
    """Snooze a rule of the policy in force or on trial, or change the end of its snooze.

    Returns the epoch, None if nothing changed.
    `until` and `now` are epoch ms. Raises AntispamError for a built-in or unknown rule, a rule that does not count
    anyway, an unknown port or enterprise, a missing reason, and an end in the past or more than MAX_DAYS ahead.
    """
    require(user, Right.SNOOZE_RULES)
    check_rule(rule)
    if not reason.strip() or len(reason) > MAX_REASON or "\0" in reason:
        raise AntispamError("a reason of 1 to {most} characters, none of them NUL, expected", most=MAX_REASON)
    if not now < until <= now + MAX_MS:
        raise AntispamError("a snooze ends in the future, at most {most} days ahead", most=MAX_DAYS)
    wanted = Snooze(rule=rule, kind=kind, value=spelled(kind, value), reason=reason.strip(), until=until)
    with db.write() as connection:
        outbox.lock(connection)
        _require_scope(connection, user, kind, wanted.value)
        _check_known(connection, kind, wanted.value)
        _check_in_policy(connection, rule)
        if snooze_entries.in_force(connection, now) >= MAX_IN_FORCE:
            raise AntispamError("{most} snoozes are in force; lift one first", most=MAX_IN_FORCE)
        return snooze_entries.put(connection, now, user.name, wanted)


def unsnooze(db: Database, user: User, rule: str, kind: SnoozeKind, value: str, reason: str, now: int) -> int | None:
    """End a snooze at once; returns the epoch, None if there is no such snooze."""
    require(user, Right.SNOOZE_RULES)
    if len(reason) > MAX_REASON or "\0" in reason:
        raise AntispamError("a reason of at most {most} characters, none of them NUL, expected", most=MAX_REASON)
    lifted = Snooze(rule=rule, kind=kind, value=spelled(kind, value), reason=reason, until=now)
    with db.write() as connection:
        outbox.lock(connection)
        _require_scope(connection, user, kind, lifted.value)
        return snooze_entries.remove(connection, now, user.name, lifted)


def ports_of(db: Database, user: User, kind: SnoozeKind, value: str) -> tuple[str, ...] | None:
    """The ports that a snooze is for, of those in the user's scope; None: it is for no ports."""
    require(user, Right.SNOOZE_RULES)
    ports = schema.ports
    if kind is SnoozeKind.PORT:
        of = ports.c.code == value
    elif kind is SnoozeKind.ENTERPRISE:
        of = ports.c.enterprise == value
    else:
        return None
    within = ports_in_scope(user)
    statement = select(ports.c.code).where(of).order_by(ports.c.code)
    with db.read() as connection:
        return tuple(connection.scalars(statement if within is None else statement.where(ports.c.code.in_(within))))


def snoozes(db: Database, user: User, now: int) -> Sequence[Row[tuple[object, ...]]]:
    """Rows of `schema.snoozes` in force at `now`, the next to end first; those of the user's ports and enterprises."""
    require(user, Right.SEE_TRAFFIC)
    statement = select(_table).where(_table.c.until > now).order_by(_table.c.until, _table.c.rule, _table.c.value)
    within = ports_in_scope(user)
    if within is not None:
        ports = schema.ports
        own = select(ports.c.enterprise).where(ports.c.code.in_(within))
        statement = statement.where(
            or_(
                and_(_table.c.kind == SnoozeKind.PORT.value, _table.c.value.in_(within)),
                and_(_table.c.kind == SnoozeKind.ENTERPRISE.value, _table.c.value.in_(own)),
            )
        )
    with db.read() as connection:
        return connection.execute(statement).all()


def _check_known(connection: Connection, kind: SnoozeKind, value: str) -> None:
    columns = {SnoozeKind.PORT: schema.ports.c.code, SnoozeKind.ENTERPRISE: schema.enterprises.c.id}
    column = columns.get(kind)
    if column is not None and connection.execute(select(column).where(column == value)).first() is None:
        raise AntispamError("{kind} {value} is not registered", kind=kind, value=value)


def _check_in_policy(connection: Connection, rule: str) -> None:
    """Raises AntispamError for a rule that counts neither in the policy in force nor in the one on trial."""
    texts = []
    for name in configurations.names_in_force(connection, "policy"):
        version = configurations.in_force(connection, "policy", name)
        texts.append(configurations.value_of(connection, "policy", name, version or "") or "")
    trial = policies.on_trial(connection)
    if trial is not None:
        texts.append(policies.text(connection, LivingKind.POLICY, trial.version))
    modes: dict[str, list[str]] = {}
    for text in texts:
        for each in _policy(text).rules:
            modes.setdefault(each.id, []).append(each.mode)
    if rule not in modes:
        near = get_close_matches(rule, modes, 1)
        told = f"; {near[0]}?" if near else ""
        if trial is None:
            raise AntispamError("the policy in force has no rule {rule!r}{near}", rule=rule, near=told)
        raise AntispamError("the policies in force and on trial have no rule {rule!r}{near}", rule=rule, near=told)
    if "enforce" not in modes[rule]:
        raise AntispamError("rule {rule} does not count anyway: its mode is {mode}", rule=rule, mode=modes[rule][0])


def _require_scope(connection: Connection, user: User, kind: SnoozeKind, value: str) -> None:
    """Raises Forbidden for a snooze that concerns ports outside the user's scope."""
    within = ports_in_scope(user)
    if within is None:
        return
    if kind is SnoozeKind.PORT:
        require_port(connection, user, value)
    elif kind is SnoozeKind.ENTERPRISE:
        ports = schema.ports
        own = ports.c.enterprise == value
        outside = connection.scalar(select(exists().where(own, ports.c.code.not_in(within))))
        if outside or not connection.scalar(select(exists().where(own))):
            raise Forbidden(
                "{person}: enterprise {value} is outside the scope of this account", person=user.name, value=value
            )
    else:
        raise Forbidden(
            "{person}: a {kind} is of all ports, beyond the scope of this account", person=user.name, kind=kind
        )
