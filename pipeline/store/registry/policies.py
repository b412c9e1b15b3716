"""Rows of `schema.policies`: the state of each version of a kind. They work inside the caller's transaction.

These functions neither check rights nor audit nor publish.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from pipeline.decision.candidate import candidate_value
from pipeline.errors import AntispamError
from pipeline.rules.policies.lifecycle import TRIAL, Deed, LivingKind, State, after
from pipeline.rules.policies.policy import POLICY
from pipeline.store import schema

CANDIDATE = "candidate"  # kind of the entry on the config topic
NO_CANDIDATE = (CANDIDATE, POLICY, None, None)  # the change that ends a trial

_policies = schema.policies


def find(connection: Connection, kind: LivingKind, version: str) -> Row[Any] | None:
    """The row of a version, or None for an unknown version."""
    return connection.execute(select(_policies).where(_is(kind, version))).first()


def load(connection: Connection, kind: LivingKind) -> Sequence[Row[Any]]:
    """Every version of a kind, the one changed last first."""
    order = _policies.c.changed_at.desc(), _policies.c.version
    return connection.execute(select(_policies).where(_policies.c.kind == kind).order_by(*order)).all()


def on_trial(connection: Connection) -> Row[Any] | None:
    """The version of the policy in shadow or on a share, or None; the other kinds have no trial."""
    return connection.execute(select(_policies).where(_policies.c.state.in_(TRIAL))).first()


def candidate(connection: Connection) -> list[tuple[str, str, str]]:
    """The entry (kind, name, value) of the config topic for the version on trial; none without one."""
    row = on_trial(connection)
    return (
        []
        if row is None
        else [(CANDIDATE, POLICY, candidate_value(text(connection, LivingKind.POLICY, row.version), row.share))]
    )


def text(connection: Connection, kind: LivingKind, version: str, most: int | None = None) -> str:
    """The text of a version, or its first `most` characters. Raises AntispamError for an unknown version."""
    table = schema.configurations
    of_row = (table.c.kind == _policies.c.kind) & (table.c.name == _policies.c.name)
    where = _is(kind, version) & of_row & (table.c.version == _policies.c.version)
    value = table.c.value if most is None else func.substr(table.c.value, 1, most)
    found: str | None = connection.scalar(select(value).where(where))
    if found is None:
        raise AntispamError("unknown version {version}", version=version[:64])
    return found


def draft(
    connection: Connection, kind: LivingKind, name: str, version: str, author: str, reason: str, now: int
) -> None:
    """Note a draft. Raises AntispamError if this text is known already, unless it was withdrawn."""
    row = find(connection, kind, version)
    if row is not None and row.state != State.WITHDRAWN:
        raise AntispamError(
            "{kind} {version} is known already as {name}: {state}, written by {author}",
            kind=kind,
            version=version,
            name=row.name,
            state=row.state,
            author=row.author,
        )
    state = after(State(row.state) if row is not None else None, Deed.DRAFT)
    values = {
        "name": name,
        "state": state,
        "share": 0,
        "author": author,
        "reason": reason,
        "drafted_at": now,
        "approver": None,
        "approved_at": None,
        "changed_by": author,
        "changed_at": now,
        "epoch": None,
    }
    _write(connection, kind, version, row is not None, values)


def note(
    connection: Connection,
    kind: LivingKind,
    version: str,
    deed: Deed,
    by: str,
    now: int,
    *,
    share: int = 0,
    epoch: int | None = None,
    approves: bool = False,
) -> None:
    """Bring a known version to the state after this deed. `approves`: the person lets it decide traffic.

    Raises AntispamError for an unknown version, and for a deed that its state does not allow.
    """
    state = require(connection, kind, version, deed)
    values: dict[str, Any] = {"state": state, "share": share, "changed_by": by, "changed_at": now, "epoch": epoch}
    _write(connection, kind, version, True, values | ({"approver": by, "approved_at": now} if approves else {}))


def require(connection: Connection, kind: LivingKind, version: str, deed: Deed) -> State:
    """The state of a known version after this deed. Raises AntispamError if it is unknown or does not allow it."""
    row = find(connection, kind, version)
    if row is None:
        raise AntispamError("unknown version {version}", version=version[:64])
    try:
        return after(State(row.state), deed)
    except AntispamError as error:
        raise AntispamError("{kind} {version}: {error}", kind=kind, version=version, error=error) from None


def take_force(
    connection: Connection, kind: LivingKind, name: str, version: str, by: str, epoch: int, now: int
) -> None:
    """Note that this version is in force, and that the one before of this name is not any more."""
    known = find(connection, kind, version)
    if known is not None and known.name != name:
        raise AntispamError("{kind} {name}: the same text is {other} already", kind=kind, name=name, other=known.name)
    leave_force(connection, kind, name, by, epoch, now)
    known = find(connection, kind, version)
    values: dict[str, Any] = {
        "name": name,
        "state": after(State(known.state) if known is not None else None, Deed.PUBLISH),
        "share": 0,
        "approver": by,
        "approved_at": now,
        "changed_by": by,
        "changed_at": now,
        "epoch": epoch,
    }
    if known is None:
        values |= {"author": by, "drafted_at": now}
    _write(connection, kind, version, known is not None, values)


def leave_force(connection: Connection, kind: LivingKind, name: str, by: str, epoch: int, now: int) -> None:
    """Note that the version of this name in force, if there is one, is not in force any more."""
    in_force = (_policies.c.kind == kind) & (_policies.c.name == name) & (_policies.c.state == State.IN_FORCE)
    before = connection.execute(select(_policies.c.version).where(in_force)).scalar()
    if before is not None:
        note(connection, kind, before, Deed.REPLACE, by, now, epoch=epoch)


def _is(kind: LivingKind, version: str) -> ColumnElement[bool]:
    return (_policies.c.kind == kind) & (_policies.c.version == version)


def _write(connection: Connection, kind: LivingKind, version: str, known: bool, values: dict[str, Any]) -> None:
    if known:
        connection.execute(update(_policies).where(_is(kind, version)).values(values))
    else:
        connection.execute(insert(_policies).values(kind=kind, version=version, **values))
