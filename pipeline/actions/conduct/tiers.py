"""Tiers follow the conduct of ports: proposals with their evidence, for a person to decide, or applied at once.

A month is judged when it has been over for a day: by then the lake has its last messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, func, select, update

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import PortState, Tier, Verdict
from pipeline.rules.clock.months import before, bounds, month_of
from pipeline.rules.conduct.tier_conduct import CLEAN_MONTHS, Month, tier_after
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Right, User, ports_in_scope, require, require_port
from pipeline.store.database import Database, upsert
from pipeline.store.registry import ports as port_rows
from pipeline.store.registry.counted_complaints import COUNTED
from pipeline.store.registry.registry import check_reason

_table = schema.tier_proposals
CHUNK = 500  # ports of one transaction


def judge_tiers(db: Database, zone: str, how: Literal["propose", "apply"], now: int) -> int:
    """Judge the last complete month of every port that is not terminated; returns the number of new proposals.

    `zone` is that of the months. With "apply", each is accepted at once. A port gets one proposal a month.
    """
    month = before(month_of(now - DAY_MS, zone))
    with db.read() as connection:
        conduct = _conduct(connection, month, zone)
        ports, judged = schema.ports, select(_table.c.port).where(_table.c.month == month)
        rows = connection.execute(
            select(ports.c.code, ports.c.tier, ports.c.opened_at).where(
                ports.c.state != PortState.TERMINATED, ports.c.code.not_in(judged)
            )
        ).all()
    found = []
    for row in rows:
        months = conduct.get(row.code) or _nothing(month)
        tier = tier_after(Tier(row.tier), months, month_of(row.opened_at, zone))
        if tier is not None:
            found.append((row.code, Tier(row.tier), tier, months))
    for i in range(0, len(found), CHUNK):
        with db.write() as connection:
            for code, tier, after, months in found[i : i + CHUNK]:
                _propose(connection, now, code, month, tier, after, months, at_once=how == "apply")
    return len(found)


def proposals(db: Database, user: User, state: str = "open", limit: int = 200) -> Sequence[Row[Any]]:
    """Rows of `schema.tier_proposals` in the user's scope, the newest first; `state` "" means all."""
    require(user, Right.SEE_TRAFFIC)
    statement = select(_table).order_by(_table.c.proposed_at.desc(), _table.c.port).limit(limit)
    if state:
        statement = statement.where(_table.c.state == state)
    within = ports_in_scope(user)
    if within is not None:
        statement = statement.where(_table.c.port.in_(within))
    with db.read() as connection:
        return connection.execute(statement).all()


def decide_tier(db: Database, user: User, port: str, month: str, accept: bool, note: str, now: int) -> bool:
    """Accept or reject a proposal, audited. Returns False, and changes no tier, if the port has another tier by now.

    Raises AntispamError if no such proposal is open.
    """
    require(user, Right.EDIT_PORTS)
    check_reason(note)
    with db.write() as connection:
        require_port(connection, user, port)
        outbox.lock(connection)
        row = connection.execute(
            select(_table).where(_table.c.port == port, _table.c.month == month, _table.c.state == "open")
        ).first()
        if row is None:
            raise AntispamError("this proposal was decided already")
        return _decide(connection, now, user.name, row, accept, note)


def _propose(
    connection: Connection, now: int, code: str, month: str, tier: Tier, after: Tier, months: Sequence[Month],
    *, at_once: bool,
) -> None:  # fmt: skip
    values = {
        "port": code,
        "month": month,
        "before": tier.value,
        "after": after.value,
        "evidence": msgspec.to_builtins(months),
        "state": "open",
        "proposed_at": now,
    }
    added = upsert(connection, _table).values(values).on_conflict_do_nothing().returning(_table)
    row = connection.execute(added).first()
    if row is not None and at_once:
        _decide(connection, now, audit.PIPELINE, row, True, "")


def _decide(connection: Connection, now: int, actor: str, row: Row[Any], accept: bool, note: str) -> bool:
    changed = accept and port_rows.set_tier(
        connection, now, actor, row.port, Tier(row.before), Tier(row.after), note or f"conduct of {row.month}"
    )
    state = "rejected" if not accept else "accepted" if changed else "overtaken"
    connection.execute(
        update(_table)
        .where(_table.c.port == row.port, _table.c.month == row.month)
        .values(state=state, decided_by=actor, decided_at=now, note=note)
    )
    after = {"tier": row.after, "month": row.month, "state": state}
    audit.record(connection, now, actor, "decide_tier", f"port/{row.port}", {"tier": row.before}, after, note)
    return changed or not accept


def _nothing(month: str) -> list[Month]:
    return [Month(each, 0, 0, 0) for each in _months(month)]


def _months(month: str) -> list[str]:
    months = [month]
    while len(months) < CLEAN_MONTHS:
        months.append(before(months[-1]))
    return months


def _conduct(connection: Connection, month: str, zone: str) -> Mapping[str, list[Month]]:
    """The last CLEAN_MONTHS months of each port that has anything in them, the newest first."""
    counts: defaultdict[str, dict[str, list[int]]] = defaultdict(lambda: {m: [0, 0, 0] for m in _months(month)})
    for each in _months(month):
        first, last = bounds(each, zone)
        for place, statement in enumerate(_counted(each, first, last)):
            for port, number in connection.execute(statement):
                counts[port][each][min(place, 2)] += number
    return {port: [Month(each, *numbers) for each, numbers in found.items()] for port, found in counts.items()}


def _counted(month: str, first: int, last: int) -> Sequence[Any]:
    """SELECTs of (port, number): complaints, messages, refused cases and suspensions of one month."""
    complaints, sent, cases, deeds = schema.complaints, schema.port_months, schema.cases, schema.actions
    return (
        select(complaints.c.port, func.count())
        .where(complaints.c.complained_at >= first, complaints.c.complained_at < last, COUNTED)
        .group_by(complaints.c.port),
        select(sent.c.port, sent.c.messages).where(sent.c.month == month),
        select(cases.c.port, func.count())
        .where(
            cases.c.verdict.in_((Verdict.REJECT, Verdict.BLACKLIST)),
            cases.c.state == "effective",
            cases.c.decided_by != audit.PIPELINE,  # rejected by its deadline, not by a reviewer
            cases.c.decided_at >= first,
            cases.c.decided_at < last,
        )
        .group_by(cases.c.port),
        select(deeds.c.subject, func.count())
        .where(deeds.c.kind == "suspend", deeds.c.at >= first, deeds.c.at < last)
        .group_by(deeds.c.subject),
    )
