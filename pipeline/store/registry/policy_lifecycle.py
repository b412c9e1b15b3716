"""What people do with versions, from the draft to its archive (rules/policies/lifecycle.py).

Versions are those of the policy, or of the `kind` that is named. Only the policy has a trial. Lists need the right
`edit_lists`, templates `edit_ports`, the other kinds those of policies.

Every function that changes something checks the user's right, and that the account is for all ports. It then works in
one transaction: the state, its audit row and, if workers must know, its publication. Times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from pipeline.decision.candidate import candidate_value
from pipeline.errors import AntispamError
from pipeline.rules.policies.difference import Line
from pipeline.rules.policies.formats import FORMATS, name_of
from pipeline.rules.policies.lifecycle import TRIAL, Approval, Deed, LivingKind, State, may_approve
from pipeline.rules.policies.policy import POLICY, parse_policy
from pipeline.store import audit, outbox
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import configurations, policies, registry
from pipeline.text.numbers import masked

_POLICY = LivingKind.POLICY
_EDITORS = {LivingKind.LIST: Right.EDIT_LISTS, LivingKind.TEMPLATES: Right.EDIT_PORTS}
SHOWN = 250_000  # characters of a list file that `text` returns
COMPARED = 20_000_000  # characters of a version that `difference` compares; the command line has no bound


def rights(kind: LivingKind) -> tuple[Right, Right]:
    """The rights of authors and of approvers of a kind."""
    editor = _EDITORS.get(kind)
    return (Right.AUTHOR_POLICY, Right.APPROVE_POLICY) if editor is None else (editor, editor)


def versions(db: Database, user: User, kind: LivingKind = _POLICY) -> Sequence[Row[Any]]:
    """Rows of `schema.policies`, the version changed last first."""
    _require_reader(user, kind)
    with db.read() as connection:
        return policies.load(connection, kind)


def text(db: Database, user: User, version: str, kind: LivingKind = _POLICY) -> str:
    """The text of a version; of a list file the first SHOWN characters, numbers without their middle digits.

    Raises AntispamError for an unknown version.
    """
    _require_reader(user, kind)
    with db.read() as connection:
        if kind is not LivingKind.LIST:
            return policies.text(connection, kind, version)
        value = policies.text(connection, kind, version, SHOWN)
    return masked(value if len(value) < SHOWN else value[: value.rfind("\n") + 1])


def text_in_force(db: Database, user: User, kind: LivingKind, name: str) -> str:
    """The text in force of this name, empty if there is none; of templates what the port has. Not for list files."""
    _require_reader(user, kind)
    if kind is LivingKind.LIST:
        raise Forbidden("{person}: the numbers of a list file are not shown", person=user.name)
    with db.read() as connection:
        return configurations.text_in_force(connection, kind, name) or ""


def difference(db: Database, user: User, version: str, kind: LivingKind = _POLICY) -> list[Line]:
    """What a version would change of what is in force now, a sentence a difference.

    Without a version in force, everything of a list file is new; of other kinds, nothing is said. Raises AntispamError
    that points at the first fault of the version, and for a text over COMPARED.
    """
    _require_reader(user, kind)
    form = FORMATS[kind]
    with db.read() as connection:
        value = policies.text(connection, kind, version, COMPARED + 1)
        if len(value) > COMPARED:
            raise AntispamError(
                "too long to compare here: antispam policy diff {version} --kind {kind}", version=version, kind=kind
            )
        row = policies.find(connection, kind, version)
        name = row.name if row is not None else form.name
        before = configurations.text_in_force(connection, kind, name)
    new = form.parse(value, name)
    if before is None:
        return form.differences({}, new) if kind is LivingKind.LIST else []
    return form.differences(form.parse(before, "in force"), new)


def draft(
    db: Database, user: User, value: str, reason: str, now: int, kind: LivingKind = _POLICY, name: str = ""
) -> str:
    """Store a text as a draft, unchecked; returns its version. `name` is that of a list file.

    Raises AntispamError for a text that is known.
    """
    _require_author(user, kind)
    registry.check_reason(reason)
    most = FORMATS[kind].max_bytes  # more is never accepted
    if not value.strip() or len(value.encode()) > most or "\0" in value:
        raise AntispamError("{kind}: at most {most} bytes, none of them NUL, expected", kind=kind, most=most)
    with db.write() as connection:
        outbox.lock(connection)
        name = name_of(kind, value, name)
        configurations.check_name(kind, name)
        version = configurations.keep(connection, kind, name, value, user.name, now)
        policies.draft(connection, kind, name, version, user.name, reason, now)
        _record(connection, now, user, Deed.DRAFT, kind, version, None, {"state": State.DRAFT}, reason)
    return version


def submit(db: Database, user: User, version: str, now: int, kind: LivingKind = _POLICY) -> None:
    """Check a draft. Raises AntispamError that points at its first fault; it stays a draft then."""
    _require_author(user, kind)
    with db.write() as connection:
        outbox.lock(connection)
        policies.require(connection, kind, version, Deed.SUBMIT)
        value, name = policies.text(connection, kind, version), _name(connection, kind, version)
        FORMATS[kind].parse(value, name)
        if kind is LivingKind.TEMPLATES:
            registry.with_templates(connection, name, value)
        registry.check([(kind, name, value)])  # the workers' parser may ask for more
        _change(connection, now, user, kind, version, Deed.SUBMIT)


def shadow(db: Database, user: User, version: str, now: int) -> int:
    """Let workers evaluate a checked version of the policy, without effect; returns the epoch."""
    _require_author(user, _POLICY)
    with db.write() as connection:
        return _try(connection, now, user, version, Deed.SHADOW, 0)


def share(db: Database, user: User, version: str, percent: int, approval: Approval, now: int) -> int:
    """Let a version of the policy decide for this percentage of the senders, 0 to 100; returns the epoch.

    0 takes it back to the shadow. Raises Forbidden if the author may not approve.
    """
    _require_approver(user, _POLICY)
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
    _require_approver(user, kind)
    with db.write() as connection:
        outbox.lock(connection)
        policies.require(connection, kind, version, Deed.APPROVE)
        _require_second(connection, user, kind, version, approval)
        value, name = policies.text(connection, kind, version), _name(connection, kind, version)
        registry.check([(kind, name, value)])  # another release may have checked it
        return registry.put_in_force(connection, now, user.name, "approve", kind, name, value)


def publish(
    db: Database, user: User, value: str, approval: Approval, now: int, kind: LivingKind = _POLICY, name: str = ""
) -> int:
    """Check a text and put it in force, by one person; returns the epoch. `name` is that of a list file.

    Raises Forbidden where two must agree.
    """
    _require_approver(user, kind)
    if approval is Approval.STRICT:
        raise Forbidden(
            "{person}: two people must agree: draft, submit and approve the {kind}", person=user.name, kind=kind
        )
    return registry.publish_configuration(db, user, kind, name_of(kind, value, name), value, now)


def withdraw(db: Database, user: User, version: str, reason: str, now: int, kind: LivingKind = _POLICY) -> None:
    """Give up a version that is not in force and never was; a trial ends."""
    _require_author(user, kind)
    registry.check_reason(reason)
    with db.write() as connection:
        outbox.lock(connection)
        row = policies.find(connection, kind, version)
        epoch = None
        if row is not None and row.state in TRIAL:
            epoch = outbox.publish_config(connection, now, [policies.NO_CANDIDATE])
        _change(connection, now, user, kind, version, Deed.WITHDRAW, reason=reason, epoch=epoch)


def _require_reader(user: User, kind: LivingKind) -> None:
    if kind in _EDITORS:
        _require(user, _EDITORS[kind])
    else:
        require(user, Right.SEARCH)


def _require_author(user: User, kind: LivingKind) -> None:
    _require(user, rights(kind)[0])


def _require_approver(user: User, kind: LivingKind) -> None:
    _require(user, rights(kind)[1])


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


def _name(connection: Connection, kind: LivingKind, version: str) -> str:
    row = policies.find(connection, kind, version)
    return row.name if row is not None else ""


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
