"""The state of each rule of the policy in force: its rate against its history, its use, its precision, its alarm."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import duckdb
from sqlalchemy import Connection, func, select

from pipeline.actions.watch.hits import History, Hits, history
from pipeline.actions.watch.rates import Course, Judged, judge
from pipeline.actions.watch.unused import Unused, unused
from pipeline.durations import HOUR_MS
from pipeline.errors import AntispamError
from pipeline.events import Verdict
from pipeline.rules.policies.policy import Policy, Rule, parse_policy
from pipeline.shares import Share, share
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database

VERSIONS = 200  # of the policy that are read, the newest, to see since when a rule exists
_ID = re.compile(r"""\bid:\s*["']?([^\s"',}]+)""")
_policy = lru_cache(4)(parse_policy)


@dataclass(frozen=True, slots=True)
class Watched:
    """One rule. `hour` compares the last complete hour with the same hour of earlier days; `hits` are of the period.

    `precision` is None without a verdict on cases that the rule opened. `alarm` is when its alarm began (epoch ms).
    """

    rule: str
    mode: str
    hour: Judged
    hits: Hits
    precision: Share | None
    alarm: int | None

    @property
    def never_hit(self) -> bool:
        """Whether it matched nothing in the period."""
        return not self.hits.hits

    @property
    def never_counted(self) -> bool:
        """Whether it matched, and each match was without effect: in shadow mode or suppressed."""
        return self.hits.hits > 0 and not self.hits.counted


@dataclass(frozen=True)
class Report:
    """All rules in the order of the policy; `until` is the end of the last complete hour (epoch ms).

    `days` is the length of the history that there is.
    """

    until: int
    days: int
    rules: tuple[Watched, ...]
    unused: Unused


def report(db: Database, lake: duckdb.DuckDBPyConnection, user: User, now: int) -> Report:
    """The report for a user without a scope: rates are of all ports. Raises AntispamError without a policy in force."""
    require(user, Right.SEE_TRAFFIC)
    if user.scope:
        raise Forbidden(
            "{person}: the rates of rules are of all ports, beyond the scope of this account", person=user.name
        )
    with db.read() as connection:
        policy = policy_in_force(connection)
        if policy is None:
            raise AntispamError("no policy is in force")
        since, alarms, judged = known_since(connection), alarms_on(connection), _precisions(connection)
    told = history(lake, now)
    rules = [
        Watched(
            rule.id,
            rule.mode,
            judge_rule(told, rule, since.get(rule.id, 0), alarmed=rule.id in alarms),
            told.totals.get(rule.id, Hits()),
            judged.get(rule.id),
            alarms.get(rule.id),
        )
        for rule in policy.rules
        if rule.mode != "off"
    ]
    return Report(told.until, told.days, tuple(rules), unused(policy))


def judge_rule(told: History, rule: Rule, since: int, *, alarmed: bool) -> Judged:
    """The last complete hour of a rule that exists `since` (epoch ms); hours before it are not its history."""
    hour = told.until // HOUR_MS - 1
    begun = -(-since // HOUR_MS)
    earlier = [each for day, each in enumerate(told.earlier(rule.id, rule.on, hour), 1) if hour - 24 * day >= begun]
    return judge(told.hour(rule.id, rule.on, hour), earlier, alarmed=alarmed)


def policy_in_force(connection: Connection) -> Policy | None:
    """The policy in force, or None."""
    stored, force = schema.configurations, schema.in_force
    same = (stored.c.name == force.c.name) & (stored.c.version == force.c.version)
    statement = select(stored.c.value).where(stored.c.kind == "policy").join(force, (force.c.kind == "policy") & same)
    text = connection.scalar(statement.limit(1))
    return None if text is None else _policy(text)


def policy_stands(db: Database) -> bool:
    """Whether a policy is in force, so that there is something to report."""
    with db.read() as connection:
        return policy_in_force(connection) is not None


def known_since(connection: Connection) -> Mapping[str, int]:
    """Since when each rule decides: the approval of the first version of the policy that has it (epoch ms).

    Drafts and versions in shadow are not approved; their rules match nothing that is counted here.
    """
    stored, policies = schema.configurations, schema.policies
    versions = (
        select(stored.c.value, policies.c.approved_at)
        .join(policies, (policies.c.kind == stored.c.kind) & (policies.c.version == stored.c.version))
        .where(stored.c.kind == "policy", policies.c.approved_at.is_not(None))
        .order_by(policies.c.approved_at.desc())
        .limit(VERSIONS)
    )
    since: dict[str, int] = {}
    for value, approved_at in connection.execute(versions):
        since |= dict.fromkeys(_ids(value), approved_at)
    return since


def alarms_on(connection: Connection) -> Mapping[str, int]:
    """When the alarm of each rule began that has one (epoch ms)."""
    alarms = schema.rule_alarms
    rows = connection.execute(select(alarms.c.rule, alarms.c.since).where(alarms.c.ended_at.is_(None)))
    return {row.rule: row.since for row in rows}


def _precisions(connection: Connection) -> Mapping[str, Share]:
    """By rule: how many of the cases that it opened were refused, of those that a person has decided."""
    cases = schema.cases
    rows = connection.execute(
        select(cases.c.rule, cases.c.verdict, func.count())
        .where(cases.c.verdict.is_not(None), cases.c.decided_by != audit.PIPELINE)
        .group_by(cases.c.rule, cases.c.verdict)
    ).all()
    found = {}
    for rule in {row.rule for row in rows}:
        counts = {verdict: count for each, verdict, count in rows if each == rule}
        judged = sum(counts.values())
        found[rule] = share(judged - counts.get(Verdict.RELEASE.value, 0), judged)
    return found


@lru_cache(VERSIONS)
def _ids(policy: str) -> Sequence[str]:
    return tuple(dict.fromkeys(_ID.findall(policy)))


def is_unusual(judged: Judged) -> bool:
    """Whether the rate deserves an alarm."""
    return judged.course in (Course.MORE, Course.LESS)
