"""What people do with versions, from the draft to its archive (rules/policies/lifecycle.py).

Versions are those of the policy, or of the `kind` that is named. Only the policy has a trial.

Every function checks the user's right, and that the account is for all ports. It then works in one transaction: the
state, its audit row and, if workers must know, its publication. Times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from pipeline.decision.candidate import candidate_value
from pipeline.errors import AntispamError
from pipeline.rules.policies.formats import FORMATS
from pipeline.rules.policies.lifecycle import TRIAL, Approval, Deed, LivingKind, State, may_approve
from pipeline.rules.policies.policy import POLICY, parse_policy
from pipeline.store import audit, outbox
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import configurations, policies, registry

_POLICY = LivingKind.POLICY


def versions(db: Database, user: User, kind: LivingKind = _POLICY) -> Sequence[Row[Any]]:
    """Rows of `schema.policies`, the version changed last first."""
    require(user, Right.SEARCH)
    with db.read() as connection:
        return policies.load(connection, kind)


def text(db: Database, user: User, version: str, kind: LivingKind = _POLICY) -> str:
    """The text of a version. Raises AntispamError for an unknown version."""
    require(user, Right.SEARCH)
    with db.read() as connection:
        return policies.text(connection, kind, version)


def draft(db: Database, user: User, value: str, reason: str, now: int, kind: LivingKind = _POLICY) -> str:
    """Store a text as a draft, unchecked; returns its version. Raises AntispamError for a text that is known."""
    _require(user, Right.AUTHOR_POLICY)
    registry.check_reason(reason)
    most = FORMATS[kind].max_bytes  # more is never accepted
    if not value.strip() or len(value.encode()) > most or "\0" in value:
        raise AntispamError("{kind}: at most {most} bytes, none of them NUL, expected", kind=kind, most=most)
    with db.write() as connection:
        outbox.lock(connection)
        version = configurations.keep(connection, kind, FORMATS[kind].name, value, user.name, now)
        policies.draft(connection, kind, version, user.name, reason, now)
        _record(connection, now, user, Deed.DRAFT, kind, version, None, {"state": State.DRAFT}, reason)
    return version


def submit(db: Database, user: User, version: str, now: int, kind: LivingKind = _POLICY) -> None:
    """Check a draft. Raises AntispamError that points at its first fault; it stays a draft then."""
    _require(user, Right.AUTHOR_POLICY)
    with db.write() as connection:
        outbox.lock(connection)
        policies.require(connection, kind, version, Deed.SUBMIT)
        value, form = policies.text(connection, kind, version), FORMATS[kind]
        form.parse(value, form.name)
        registry.check([(kind, form.name, value)])  # the workers' parser may ask for more
        _change(connection, now, user, kind, version, Deed.SUBMIT)


def shadow(db: Database, user: User, version: str, now: int) -> int:
    """Let workers evaluate a checked version of the policy, without effect; returns the epoch."""
    _require(user, Right.AUTHOR_POLICY)
    with db.write() as connection:
        return _try(connection, now, user, version, Deed.SHADOW, 0)


def share(db: Database, user: User, version: str, percent: int, approval: Approval, now: int) -> int:
    """Let a version of the policy decide for this percentage of the senders, 0 to 100; returns the epoch.

    0 takes it back to the shadow. Raises Forbidden if the author may not approve.
    """
    _require(user, Right.APPROVE_POLICY)
    if not 0 <= percent <= 100:
        raise AntispamError("share {percent}: 0 to 100 percent expected", percent=percent)
    with db.write() as connection:
        if not percent:
            return _try(connection, now, user, version, Deed.SHADOW, 0)
        policies.require(connection, _POLICY, version, Deed.SHARE)
        _require_second(connection, user, _POLICY, version, approval)
        return _try(connection, now, user, version, Deed.SHARE, percent)


def approve(db: Database, user: User, version: str, approval: Approval, now: int, kind: LivingKind = _POLICY) -> int:
    """Put a checked version in force; returns the epoch. Raises Forbidden if the author may not approve."""
    _require(user, Right.APPROVE_POLICY)
    with db.write() as connection:
        outbox.lock(connection)
        policies.require(connection, kind, version, Deed.APPROVE)
        _require_second(connection, user, kind, version, approval)
        value, name = policies.text(connection, kind, version), FORMATS[kind].name
        registry.check([(kind, name, value)])  # another release may have checked it
        return registry.put_in_force(connection, now, user.name, "approve", kind, name, value)


def publish(db: Database, user: User, value: str, approval: Approval, now: int, kind: LivingKind = _POLICY) -> int:
    """Check a text and put it in force, by one person; returns the epoch. Raises Forbidden where two must agree."""
    _require(user, Right.APPROVE_POLICY)
    if approval is Approval.STRICT:
        raise Forbidden(
            "{person}: two people must agree: draft, submit and approve the {kind}", person=user.name, kind=kind
        )
    return registry.publish_configuration(db, user, kind, FORMATS[kind].name, value, now)


def withdraw(db: Database, user: User, version: str, reason: str, now: int, kind: LivingKind = _POLICY) -> None:
    """Give up a version that is not in force and never was; a trial ends."""
    _require(user, Right.AUTHOR_POLICY)
    registry.check_reason(reason)
    with db.write() as connection:
        outbox.lock(connection)
        row = policies.find(connection, kind, version)
        epoch = None
        if row is not None and row.state in TRIAL:
            epoch = outbox.publish_config(connection, now, [policies.NO_CANDIDATE])
        _change(connection, now, user, kind, version, Deed.WITHDRAW, reason=reason, epoch=epoch)


def _require(user: User, right: Right) -> None:
    require(user, right)
    if user.scope:
        raise Forbidden("{person}: a version holds for all ports, beyond the scope of this account", person=user.name)


def _require_second(connection: Connection, user: User, kind: LivingKind, version: str, approval: Approval) -> None:
    row = policies.find(connection, kind, version)
    if row is not None and not may_approve(approval, row.author, user.name):
        raise Forbidden(
            "{person} wrote {kind} {version}: another person must approve it, or ANTISPAM_POLICY_APPROVAL=one",
            person=user.name,
            kind=kind,
            version=version,
        )


def _try(connection: Connection, now: int, user: User, version: str, deed: Deed, percent: int) -> int:
    outbox.lock(connection)
    policies.require(connection, _POLICY, version, deed)
    trial = policies.on_trial(connection)
    if trial is not None and trial.version != version:
        raise AntispamError(
            "policy {version} is on trial; withdraw it, or put it in force, first", version=trial.version
        )
    value = policies.text(connection, _POLICY, version)
    parse_policy(value)  # another release may have checked it
    epoch = outbox.publish_config(
        connection, now, [(policies.CANDIDATE, POLICY, candidate_value(value, percent), None)]
    )
    _change(connection, now, user, _POLICY, version, deed, share=percent, epoch=epoch)
    return epoch


def _change(
    connection: Connection,
    now: int,
    user: User,
    kind: LivingKind,
    version: str,
    deed: Deed,
    *,
    share: int = 0,
    epoch: int | None = None,
    reason: str = "",
) -> None:
    """Note the deed and audit it."""
    before = _shown(policies.find(connection, kind, version))
    approves = deed is Deed.SHARE
    policies.note(connection, kind, version, deed, user.name, now, share=share, epoch=epoch, approves=approves)
    later = _shown(policies.find(connection, kind, version))
    _record(connection, now, user, deed, kind, version, before, later, reason)


def _record(
    connection: Connection,
    now: int,
    user: User,
    deed: Deed,
    kind: LivingKind,
    version: str,
    before: Any,
    later: Any,
    reason: str,
) -> None:
    audit.record(connection, now, user.name, deed, f"{kind}/{version}", before, later, reason)


def _shown(row: Row[Any] | None) -> dict[str, Any] | None:
    return None if row is None else {"state": row.state, "share": row.share}
