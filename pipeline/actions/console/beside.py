"""What stands beside the text of a case: its port with what it did before, and the policy's text of its rule."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from pipeline.actions.review.cases import timetables
from pipeline.actions.review.places import in_access
from pipeline.actions.watch.report import policy_in_force
from pipeline.durations import DAY_MS
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry.counted_complaints import COUNTED

LAST = 5  # verdicts and complaints of a port that are listed
COMPLAINT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Given:
    """A verdict of a person on a case of the port; `at` is epoch ms."""

    at: int
    verdict: str
    rule: str


@dataclass(frozen=True, slots=True)
class Complained:
    """A complaint about the port; `at` is epoch ms, `source` the channel that brought it."""

    at: int
    source: str


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A registered port; `enterprise` is the name of its owner.

    `verdicts` and `complaints` are the last LAST, the newest first. `complained` counts the complaints of the last
    COMPLAINT_DAYS. Its cases are due by the review hours of `zone`.
    """

    name: str
    enterprise: str
    enterprise_code: str
    tier: str
    state: str
    signatures: tuple[str, ...]
    verdicts: tuple[Given, ...]
    complaints: tuple[Complained, ...]
    complained: int
    zone: str


def port_facts(db: Database, user: User, ports: Collection[str], now: int) -> dict[str, PortFacts]:
    """The facts of those of these ports that are registered and have a case which the user may review."""
    require(user, Right.REVIEW)
    p, e, k = schema.ports, schema.enterprises, schema.cases
    query = (
        select(p.c.code, p.c.name, p.c.tier, p.c.state, p.c.enterprise, e.c.name.label("owner"))
        .join(e, e.c.id == p.c.enterprise, isouter=True)
        .where(p.c.code.in_(select(k.c.port).where(k.c.port.in_(ports), *in_access(user))))
    )
    with db.read() as connection:
        rows = connection.execute(query).all()
        hours = timetables(connection, {row.code for row in rows})
        signatures = _signatures(connection, [row.code for row in rows])
        return {
            row.code: PortFacts(
                name=row.name,
                enterprise=row.owner or "",
                enterprise_code=row.enterprise or "",
                tier=row.tier,
                state=row.state,
                signatures=tuple(signatures.get(row.code, ())),
                verdicts=_verdicts(connection, user, row.code),
                complaints=_complaints(connection, row.code),
                complained=_complained(connection, row.code, now),
                zone=str(hours[row.code].calendar.zone),
            )
            for row in rows
        }


def rule_texts(db: Database, user: User, rules: Collection[str]) -> dict[str, str]:
    """The condition of each of these rules in the policy in force. Rules that are not in it are left out."""
    require(user, Right.REVIEW)
    with db.read() as connection:
        policy = policy_in_force(connection)
    return {rule.id: rule.when for rule in policy.rules if rule.id in rules} if policy else {}


def _signatures(connection: Connection, ports: Collection[str]) -> dict[str, list[str]]:
    t = schema.signatures
    found: dict[str, list[str]] = {}
    for row in connection.execute(select(t.c.port, t.c.signature).where(t.c.port.in_(ports)).order_by(t.c.place)):
        found.setdefault(row.port, []).append(row.signature)
    return found


def _verdicts(connection: Connection, user: User, port: str) -> tuple[Given, ...]:
    t = schema.cases
    query = select(t.c.decided_at, t.c.verdict, t.c.rule).where(
        t.c.port == port,
        t.c.decided_at.is_not(None),
        t.c.verdict.is_not(None),
        t.c.decided_by != audit.PIPELINE,
        *in_access(user),
    )
    return tuple(Given(*row) for row in connection.execute(query.order_by(t.c.decided_at.desc(), t.c.id).limit(LAST)))


def _complaints(connection: Connection, port: str) -> tuple[Complained, ...]:
    t = schema.complaints
    query = select(t.c.complained_at, t.c.source).where(t.c.port == port, COUNTED)
    rows = connection.execute(query.order_by(t.c.complained_at.desc(), t.c.id).limit(LAST))
    return tuple(Complained(*row) for row in rows)


def _complained(connection: Connection, port: str, now: int) -> int:
    t = schema.complaints
    query = select(func.count()).where(t.c.port == port, t.c.complained_at > now - COMPLAINT_DAYS * DAY_MS, COUNTED)
    return connection.scalar(query) or 0
