"""A working day in simulated time, from 08:00 to 18:00, adds up: to the message, the case, the order, the appeal.

`ANTISPAM_TEST_DAY_MESSAGES` sets the scale (20,000 messages).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from sqlalchemy import func, select

from pipeline.events import PortState, Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import audit, schema
from pipeline.store.database import Database
from tests.journeys.working_day import WorkingDay

pytestmark = pytest.mark.slow
REFUSED = (Verdict.REJECT, Verdict.BLACKLIST)
Key = tuple[str, str]  # sender field and id of a submission


def test_a_day_adds_up_to_the_message_the_case_and_the_order(any_db: Database, tmp_path: Path) -> None:
    began = process_time()
    day = WorkingDay(any_db, tmp_path, int(os.environ.get("ANTISPAM_TEST_DAY_MESSAGES", "20000")))
    day.run()
    told = {"CPU seconds": round(process_time() - began)}
    told |= messages(day) | cases(day) | orders(day) | conduct(day)
    for name, figure in told.items():
        print(f"{name:45} {figure}")
    assert all(told[each] for each in ALL_HAPPENED), told


ALL_HAPPENED = (
    "messages released",
    "messages refused",
    "messages held for a time",
    "messages in open cases",
    "messages refused: review-closed",
    "cases decided by people",
    "cases refused at closing time",
    "cases escalated",
    "cases open",
    "verdicts taken back",
    "orders confirmed",
    "ports suspended",
    "ports resumed",
    "tiers moved",
    "appeals granted",
    "appeals denied",
    "complaints stored",
)


def messages(day: WorkingDay) -> dict[str, Any]:
    """Every accepted message left once, was refused, or waits, and none of them twice."""
    s, c, m, h = schema.submissions.c, schema.cases.c, schema.case_members.c, schema.holds.c
    refused: defaultdict[Key, set[str]] = defaultdict(set)
    waiting: defaultdict[Key, set[str]] = defaultdict(set)
    held: defaultdict[Key, set[str]] = defaultdict(set)
    by_rule: Counter[str] = Counter()
    seen: set[Key] = set()
    with day.db.read() as connection:
        query = select(s.port, s.id, s.recipients, s.verdict, s.exceptions, s.reasons)
        for row in connection.execute(query):
            key = (row.port, row.id)
            seen.add(key)
            if row.verdict in REFUSED:
                refused[key] = set(row.recipients)
                by_rule[row.reasons[0]["rule"]] += len(refused[key])
                continue
            for each in row.exceptions or ():
                refused[key].add(each["recipient"])
                by_rule["a recipient's own"] += 1
        of_open = select(m.port, m.submission, m.recipients).join(schema.cases, c.id == m.case)
        for port, ident, recipients in connection.execute(of_open.where(c.state.in_(("open", "decided")))):
            waiting[port, ident] |= set(recipients)
        rows = schema.submissions
        of_holds = select(h.port, h.submission, s.recipients).join(rows, (s.port == h.port) & (s.id == h.submission))
        for port, ident, recipients in connection.execute(of_holds):
            held[port, ident] |= set(recipients)
    assert seen == set(day.accepted)
    states = (day.released, refused, waiting, held)
    for key, accepted in day.accepted.items():
        found = [state.get(key, set()) for state in states]
        assert sum(map(len, found)) == len(set().union(*found)) == accepted, (key, [len(each) for each in found])
    assert not day.repeated
    left, stopped, asked, wait = (sum(map(len, state.values())) for state in states)
    accepted = sum(day.accepted.values())
    assert accepted == left + stopped + asked + wait
    assert stopped == sum(by_rule.values())
    told = {f"messages refused: {rule}": n for rule, n in by_rule.most_common()}
    return {
        "submissions accepted": len(day.accepted),
        "messages accepted": accepted,
        "messages released": left,
        "messages refused": stopped,
        "messages in open cases": asked,
        "messages held for a time": wait,
    } | told


def cases(day: WorkingDay) -> dict[str, Any]:
    """Every case was decided by a person, refused in time, or is open; nobody's verdict was lost or changed."""
    c, timers = schema.cases.c, schema.timers.c
    with day.db.read() as connection:
        rows = connection.execute(select(c.id, c.state, c.verdict, c.decided_by, c.note, c.escalated_at)).all()
        first = set(connection.scalars(select(c.id).where(c.first_by.is_not(None))))
        timed = set(connection.scalars(select(timers.subject)))
    people = {row.id: row.verdict for row in rows if row.decided_by not in (None, audit.PIPELINE)}
    closed = [row for row in rows if row.decided_by == audit.PIPELINE]
    opened = {row.id for row in rows if row.state == "open"}
    assert {row.state for row in rows} <= {"open", "decided", "effective"}
    assert len(rows) == len(people) + len(closed) + len(opened)
    assert {row.note for row in closed} == {BuiltInRule.REVIEW_CLOSED.value}
    # A first opinion of two waits with its case, or was overtaken by closing time.
    assert {case: verdict for case, verdict in day.said.items() if case in people} == people
    assert set(day.said) - set(people) <= first
    assert opened <= timed, "each open case has its time limit"
    return {
        "cases": len(rows),
        "cases decided by people": len(people),
        "cases refused at closing time": len(closed),
        "cases open": len(opened),
        "cases escalated": sum(row.escalated_at is not None for row in rows),
        "cases with a first opinion": len(first),
        "verdicts taken back": day.undone,
        "releases refused because the case had grown": day.grown,
    }


def orders(day: WorkingDay) -> dict[str, Any]:
    """Every order is confirmed, refused or on its way; the far sides have seen each once, and their answers stand."""
    o = schema.number_orders.c
    with day.db.read() as connection:
        states: Counter[str] = Counter(dict(connection.execute(select(o.state, func.count()).group_by(o.state)).all()))
    assert set(states) <= {"confirmed", "refused", "open", "sent"}
    taken = len(day.boss.orders) + len(day.hlr.orders)
    assert set((day.boss.sent + day.hlr.sent).values()) == {1}
    fresh = len(day.boss.take()) + len(day.hlr.take())  # lie there since the last visit
    assert states["confirmed"] + states["refused"] + states["sent"] == taken + fresh
    return {"orders": sum(states.values())} | {f"orders {state}": n for state, n in states.most_common()}


def conduct(day: WorkingDay) -> dict[str, Any]:
    """States and tiers of ports are what their deeds, appeals and proposals say; complaints count once."""
    p, a, deeds, t = schema.ports.c, schema.appeals.c, schema.actions.c, schema.tier_proposals.c
    lists, complaints = schema.list_entries.c, schema.complaints.c
    with day.db.read() as connection:
        ports = {row.code: row for row in connection.execute(select(p.code, p.state, p.tier))}
        done: dict[str, Counter[str]] = defaultdict(Counter)
        last: dict[str, str] = {}
        for kind, port in connection.execute(select(deeds.kind, deeds.subject).order_by(deeds.id)):
            done[kind][port] += 1
            if kind in ("suspend", "resume"):
                last[port] = kind
        filed = connection.execute(select(a.id, a.port, a.about, a.state, a.against, a.decided_by)).all()
        proposed = Counter(connection.scalars(select(t.state)))
        stored = connection.scalar(select(func.count()).select_from(schema.complaints))
        blocked = connection.scalar(select(func.count()).where(lists.list == "unsubscribed"))
        not_blocked = connection.scalar(select(func.count()).where(complaints.blocked_at.is_(None)))
    suspended = {port for port, row in ports.items() if row.state == PortState.SUSPENDED}
    assert suspended == {port for port, kind in last.items() if kind == "suspend"}
    assert {(row.port, str(row.id)) for row in filed} == day.filed
    assert not [row for row in filed if row.decided_by == row.against]
    granted = Counter(row.port for row in filed if row.state == "granted" and row.about.startswith("suspension/"))
    assert granted == done["resume"]
    assert {port: ports[port].tier for port in day.tiers} == day.tiers
    assert (stored, blocked, not_blocked) == (len(day.complaints), len(day.complaints), 0)
    states = Counter(row.state for row in filed)
    assert len(filed) == states["granted"] + states["denied"] + states["open"]
    return {
        "complaints stored": stored,
        "complainers' numbers blocked": blocked,
        "ports suspended": sum(done["suspend"].values()),
        "ports resumed": sum(done["resume"].values()),
        "ports still suspended": len(suspended),
        "owners warned": sum(done["warn"].values()),
        "tiers moved": proposed["accepted"],
        "tiers that a person kept": proposed["rejected"],
        "appeals": len(filed),
    } | {f"appeals {state}": n for state, n in states.most_common()}
