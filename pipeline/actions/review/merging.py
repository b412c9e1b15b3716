"""Merging: the open cases of one port become one when it turns out that they are of one campaign.

A campaign is known some seconds after its first texts, so these have opened cases of their own. The projector follows
the topic `campaigns`, as the workers do, and recognises the texts of open cases by the sketches of a campaign
(`campaigns/known.py`). No state of its own is needed: after a restart it knows the campaigns again and looks again.

The oldest case takes all members in. It keeps the earliest time limits, the highest priority, an escalation, and a
reviewer's lease. Members that came from other cases get numbers after its own, so a reviewer who saw the case before
has not seen them, and a release is refused like one of a case that has grown. The other cases stay as rows without
members, in state `merged`, so that who looks for one is told where its members are, and so that they can part again
(separating.py). A case that a person has separated is not merged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, func, or_, select, update

from pipeline.actions.review.cases import CHUNK, OVERDUE
from pipeline.actions.review.urgency import urgency
from pipeline.campaigns.known import FindsCampaigns
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.text.normal import normalise_batch

_AT_ONCE = CHUNK  # cases in one transaction, which keeps other writers waiting
_cases, _members, _timers = schema.cases, schema.case_members, schema.timers


def merge_campaigns(db: Database, now: int, campaigns: FindsCampaigns, since: int) -> int:
    """Merge the cases, opened from `since` (ms) on, whose texts are of known campaigns; returns how many went in.

    Each port and campaign has transactions of its own. Interrupted, it is simply called again.
    """
    query = select(_cases.c.id, _cases.c.port, _cases.c.content).order_by(_cases.c.opened_at, _cases.c.id)
    with db.read() as connection:
        rows = connection.execute(
            query.where(_cases.c.state == "open", _cases.c.campaign == "", ~_cases.c.apart, _cases.c.opened_at >= since)
        ).all()
    alike: dict[tuple[str, str], list[str]] = {}
    for i in range(0, len(rows), _AT_ONCE):
        some = rows[i : i + _AT_ONCE]
        for row, campaign in zip(
            some, campaigns.find(normalise_batch([row.content for row in some]), now), strict=True
        ):
            if campaign is not None:
                alike.setdefault((row.port, campaign.id), []).append(row.id)
    merged = 0
    for (port, campaign_id), ids in sorted(alike.items()):
        for i in range(0, len(ids), _AT_ONCE):
            with db.write() as connection:
                merged += merge(connection, now, port, campaign_id, ids[i : i + _AT_ONCE])
    return merged


def merge(connection: Connection, now: int, port: str, campaign: str, ids: Sequence[str]) -> int:
    """Merge those of these cases that are open, and the port's open case of the campaign; returns how many went in."""
    of_campaign = and_(_cases.c.port == port, _cases.c.campaign == campaign)
    rows = (
        connection.execute(
            select(_cases)
            .where(_cases.c.state == "open", or_(_cases.c.id.in_(ids), of_campaign))
            .order_by(_cases.c.id)
            .with_for_update()
        )
        .mappings()
        .all()
    )
    if not rows:
        return 0
    into, *others = sorted(rows, key=lambda row: (row["opened_at"], row["id"]))
    if others:
        take_in(connection, now, into, others)
    connection.execute(update(_cases).where(_cases.c.id == into["id"]).values(campaign=campaign))
    return len(others)


def take_in(connection: Connection, now: int, into: RowMapping, others: Sequence[RowMapping]) -> None:
    """Move the members of other open cases into a case; all rows are locked. Adds an audit row."""
    last = into["last_member"]
    places = []
    for other in others:
        connection.execute(
            update(_members)
            .where(_members.c.case == other["id"])
            .values(case=into["id"], number=_members.c.number + last)
        )
        places.append({"taken": other["id"], "after": last})
        last += other["last_member"]
    ids = [other["id"] for other in others]
    gone = {"state": "merged", "merged_into": into["id"], "claimed_by": None, "lease_until": None}
    connection.execute(
        update(_cases).where(_cases.c.id == bindparam("taken")).values(**gone, merged_after=bindparam("after")), places
    )
    figures = _together(into, others, now)
    connection.execute(update(_cases).where(_cases.c.id == into["id"]).values(**figures, last_member=last))
    _keep_timers(connection, into["id"], ids, escalated=figures["escalated_at"] is not None)
    after = {"cases": ids, "submissions": figures["submissions"], "messages": figures["messages"]}
    audit.record(connection, now, audit.PIPELINE, "case.merge", f"case/{into['id']}", None, after)


def _together(into: RowMapping, others: Sequence[RowMapping], now: int) -> dict[str, Any]:
    """The figures of the case that has taken the others in.

    It is assigned to the first person to whom one of them was, unless it is escalated. The lease is the first one that
    has not run out. Of a case that is escalated now, only the lease of an escalated one counts: its holder may decide
    escalated cases.
    """
    rows = (into, *others)
    escalated = [row["escalated_at"] for row in rows if row["escalated_at"] is not None]
    holders = [row for row in rows if row["claimed_by"] is not None and row["lease_until"] > now]
    holder = next((row for row in holders if not escalated or row["escalated_at"] is not None), None)
    figures = {
        "submissions": sum(row["submissions"] for row in rows),
        "messages": sum(row["messages"] for row in rows),
        "priority": max(row["priority"] for row in rows),
        "due_at": min(row["due_at"] for row in rows),
    }
    assigned = next((row["assigned_to"] for row in rows if row["assigned_to"] is not None), None)
    return figures | {
        "assigned_to": None if escalated else assigned,
        "urgency": urgency({**into, **figures}, now),
        "escalated_at": min(escalated, default=None),
        "claimed_by": holder and holder["claimed_by"],
        "lease_until": holder and holder["lease_until"],
    }


def _keep_timers(connection: Connection, into: str, others: Sequence[str], *, escalated: bool) -> None:
    """The case's timers get the earliest times of all; an escalated case has none for its escalation."""
    of_all = _timers.c.subject.in_([into, *others])
    query = select(_timers.c.kind, func.min(_timers.c.due_at).label("due_at")).where(of_all).group_by(_timers.c.kind)
    earliest = connection.execute(query).all()
    connection.execute(delete(_timers).where(_timers.c.subject.in_(others)))
    for kind, due_at in earliest:
        timer = (_timers.c.kind == kind, _timers.c.subject == into)
        if kind == OVERDUE and escalated:
            connection.execute(delete(_timers).where(*timer))
        else:
            connection.execute(update(_timers).where(*timer).values(due_at=due_at))
