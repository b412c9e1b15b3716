"""Authorisation: roles, their rights, and the scope of a user.

Every service that a person can reach takes the user and calls `require` itself. Pages only hide refused actions.
docs/console.md prints the matrix of roles and rights, and a test compares it with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Select, select, true

from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.sender_port import port_of


class Forbidden(AntispamError):  # noqa: N818 - the name of HTTP 403
    """The user's role or scope does not allow this."""


class Role(StrEnum):
    """The role of a user. Each user has one role."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    SENIOR_REVIEWER = "senior_reviewer"
    POLICY_AUTHOR = "policy_author"
    POLICY_APPROVER = "policy_approver"
    OPERATOR = "operator"
    ANALYST = "analyst"
    ADMINISTRATOR = "administrator"


class Right(StrEnum):
    """A right that roles grant."""

    SEE_TRAFFIC = "see_traffic"  # counts, ports, alerts: no text
    SEARCH = "search"  # masked messages and decisions
    SEE_FULL_TEXT = "see_full_text"  # of one message or one trace a time, and the user gives a reason
    REVIEW = "review"  # see the content of cases and decide them
    REVIEW_SECOND = "review_second"  # decide escalated cases
    EDIT_LISTS = "edit_lists"
    EDIT_PORTS = "edit_ports"
    SUSPEND_PORTS = "suspend_ports"  # suspend and resume
    AUTHOR_POLICY = "author_policy"  # write, check, try in shadow and withdraw versions of the policy
    APPROVE_POLICY = "approve_policy"  # put a policy, dictionary or model in force, or a policy on a share
    SNOOZE_RULES = "snooze_rules"  # for one port, enterprise, signature or link, for a time
    ACKNOWLEDGE_ALERTS = "acknowledge_alerts"
    CONTROL_CHANNELS = "control_channels"  # switch, slow down and reorder channels, and trace their frames
    ADMINISTER = "administer"  # users


_SEE = {Right.SEE_TRAFFIC, Right.SEARCH}
RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.SEE_TRAFFIC}),
    Role.REVIEWER: frozenset({*_SEE, Right.REVIEW}),
    Role.SENIOR_REVIEWER: frozenset(
        {*_SEE, Right.REVIEW, Right.REVIEW_SECOND, Right.SEE_FULL_TEXT, Right.EDIT_LISTS, Right.SNOOZE_RULES}
    ),
    Role.POLICY_AUTHOR: frozenset({*_SEE, Right.AUTHOR_POLICY}),
    Role.POLICY_APPROVER: frozenset({*_SEE, Right.APPROVE_POLICY, Right.SNOOZE_RULES}),
    Role.OPERATOR: frozenset(
        {
            *_SEE,
            Right.EDIT_LISTS,
            Right.EDIT_PORTS,
            Right.SUSPEND_PORTS,
            Right.SNOOZE_RULES,
            Right.ACKNOWLEDGE_ALERTS,
            Right.CONTROL_CHANNELS,
        }
    ),
    Role.ANALYST: frozenset(_SEE),
    # A small company may have only one person. The audit trail records the administrator like everyone else.
    Role.ADMINISTRATOR: frozenset(Right),
}

_FOR_ALL = frozenset({Right.ADMINISTER, Right.CONTROL_CHANNELS})  # they concern all ports
SCOPES = ("province", "city", "enterprise")


@dataclass(frozen=True)
class User:
    """A person, or a program that acts for a person. `scope` is {} for all ports, or maps one of SCOPES to its value.

    `queues` are those of the policy in which the user reviews; empty for all cases.
    `must_change` is true until the user has changed the one-time password; until then nothing is allowed.
    """

    name: str
    role: Role
    scope: Mapping[str, str] = field(default_factory=dict)
    must_change: bool = False
    queues: tuple[str, ...] = ()


def allowed(user: User, right: Right) -> bool:
    """Whether the user has this right. With a scope nobody has those that concern all ports: accounts, channels."""
    limited = right in _FOR_ALL and bool(user.scope)
    return not user.must_change and right in RIGHTS[user.role] and not limited


def require(user: User, right: Right) -> None:
    """Raises Forbidden unless the user has this right."""
    if user.must_change:
        raise Forbidden("{person}: the one-time password must be changed first", person=user.name)
    if user.scope and right in _FOR_ALL:
        raise Forbidden(
            "{person}: {right} holds for all ports, beyond the scope of this account", person=user.name, right=right
        )
    if not allowed(user, right):
        raise Forbidden(
            "{person}: the role {role} does not allow {right}", person=user.name, role=user.role, right=right
        )


def ports_in_scope(user: User) -> Select[str] | None:
    """A SELECT of the port codes that the user may see, for `port IN (…)`; None for all ports.

    A user with a scope sees no unregistered port, because its enterprise is unknown.
    Raises Forbidden for an invalid scope: a misspelt scope must not show all ports.
    """
    if not user.scope:
        return None
    if len(user.scope) != 1 or not set(user.scope) <= set(SCOPES):
        raise Forbidden("{person}: the scope must be one of {known}", person=user.name, known=", ".join(SCOPES))
    ((kind, value),) = user.scope.items()
    ports, enterprises = schema.ports, schema.enterprises
    if kind == "enterprise":
        return select(ports.c.code).where(ports.c.enterprise == value)
    return (
        select(ports.c.code)
        .join(enterprises, enterprises.c.id == ports.c.enterprise)
        .where(enterprises.c[kind] == value)
    )


def sender_in_scope(user: User, sender: ColumnElement[str]) -> ColumnElement[bool]:
    """An SQL condition: the sender (a code, perhaps with an extension) belongs to a port in the user's scope."""
    within = ports_in_scope(user)
    if within is None:
        return true()
    return port_of(sender).in_(within)


def require_port(connection: Connection, user: User, code: str) -> None:
    """Raises Forbidden unless this registered port is in the user's scope."""
    within = ports_in_scope(user)
    if within is None:
        return
    if connection.execute(within.where(schema.ports.c.code == code)).first() is None:
        raise Forbidden("{person}: port {code} is outside the scope of this account", person=user.name, code=code)
