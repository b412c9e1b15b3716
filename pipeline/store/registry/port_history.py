"""The history of a port: actions, complaints and open cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.rules.conduct.port_lifecycle import Standing, Step
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require, require_port
from pipeline.store.database import Database
from pipeline.store.registry.counted_complaints import COUNTED
from pipeline.store.registry.ports import standing

MONTH_MS = 30 * DAY_MS
DEEDS = (*(step.value for step in Step), "tier", "warn")


@dataclass(frozen=True)
class Deed:
    """What was done to a port: one of DEEDS; `at` is epoch ms.

    `reason` is a person's, or the sentence of the rule with `values`, in the default language.
    """

    at: int
    kind: str
    actor: str
    rule: str
    evidence: str
    reason: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class PortHistory:
    """The latest 50 actions, newest first; how many complaints of the last 30 days count; number of open cases."""

    deeds: Sequence[Deed]
    complaints: int
    open_cases: int


def port_history(db: Database, user: User, code: str, now: int) -> PortHistory:
    """The history of a registered port at `now` (epoch ms). Raises Forbidden for a port outside the user's scope."""
    require(user, Right.SEE_TRAFFIC)
    a, c, k = schema.actions, schema.complaints, schema.cases
    with db.read() as connection:
        require_port(connection, user, code)
        deeds = connection.execute(
            select(a.c.at, a.c.kind, a.c.actor, a.c.rule, a.c.evidence, a.c.reason, a.c["values"])
            .where(a.c.subject == code, a.c.kind.in_(DEEDS))
            .order_by(a.c.at.desc(), a.c.id.desc())
            .limit(50)
        ).all()
        complaints = connection.execute(
            select(func.count()).select_from(c).where(c.c.port == code, c.c.complained_at > now - MONTH_MS, COUNTED)
        ).scalar_one()
        cases = connection.execute(
            select(func.count()).select_from(k).where(k.c.port == code, k.c.state == "open")
        ).scalar_one()
    return PortHistory([Deed(*row) for row in deeds], complaints, cases)


def port_standing(db: Database, user: User, code: str) -> Standing:
    """Where a port stands in its life. Raises Forbidden for a port outside the user's scope, AntispamError for none."""
    require(user, Right.SEE_TRAFFIC)
    with db.read() as connection:
        require_port(connection, user, code)
        row = connection.execute(select(schema.ports).where(schema.ports.c.code == code)).first()
    if row is None:
        raise AntispamError("unknown port {code}", code=code)
    return standing(row)
