"""Separating: cases that were merged part again, because a person says that they are not one campaign.

A senior reviewer separates an open case that nobody else holds. The members go back to their cases with their numbers,
and these are open again with their own time limits. They are not merged into the campaign again, and later copies of
their texts join them. Members that joined the campaign after the merge stay in its case.

Numbers in the campaign's case are not given again: who saw the members that have gone has not seen later ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, bindparam, insert, select, tuple_, update

from pipeline.actions.review.cases import CHUNK, CLOSING, OVERDUE
from pipeline.actions.review.claims import at_hand, not_yours
from pipeline.actions.review.places import in_access
from pipeline.actions.review.urgency import urgency
from pipeline.errors import AntispamError
from pipeline.lake.privacy import mask_text
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

_cases, _members, _timers = schema.cases, schema.case_members, schema.timers
_APART = {"state": "open", "campaign": "", "merged_into": None, "merged_after": None, "apart": True}


@dataclass(frozen=True, slots=True)
class MergedCase:
    """A case whose members are in another one. `content` is masked; times are epoch ms."""

    id: str
    content: str
    submissions: int
    messages: int
    opened_at: int
    due_at: int


def merged_cases(db: Database, user: User, case: str, limit: int = 500) -> list[MergedCase]:
    """The cases that can be separated from this one, the oldest first."""
    require(user, Right.REVIEW_SECOND)
    query = select(_cases).where(_parted(case), *in_access(user)).order_by(_cases.c.opened_at, _cases.c.id)
    with db.read() as connection:
        rows = connection.execute(query.limit(limit)).mappings().all()
    fields = [name for name in MergedCase.__dataclass_fields__ if name != "content"]
    return [MergedCase(content=mask_text(row["content"]), **{name: row[name] for name in fields}) for row in rows]


def separate(db: Database, user: User, case: str, wanted: Sequence[str], now: int) -> list[str]:
    """Separate these cases from an open case; returns those that are open again.

    Left merged is one whose text has another open case. Raises AntispamError if the case is not open, is outside the
    user's scope, or in somebody's hand, and if none could be separated. Each CHUNK has a transaction of its own.
    """
    require(user, Right.REVIEW_SECOND)
    opened: list[str] = []
    ids = sorted(set(wanted))
    for i in range(0, len(ids), CHUNK):
        with db.write() as connection:
            opened += _separate(connection, user, case, ids[i : i + CHUNK], now)
    if not opened:
        raise AntispamError("case {case}: nothing to separate, or the texts have other open cases", case=case)
    return opened


def _separate(connection: Connection, user: User, case: str, ids: Sequence[str], now: int) -> list[str]:
    locked = select(_cases).where(_cases.c.id.in_([case, *ids])).order_by(_cases.c.id).with_for_update()
    rows = {row["id"]: row for row in connection.execute(locked).mappings()}
    if connection.execute(select(_cases.c.id).where(_cases.c.id == case, at_hand(user, now))).first() is None:
        raise not_yours(connection, user, case)
    apart = connection.scalars(select(_cases.c.id).where(_parted(case), _cases.c.id.in_(ids))).all()
    taken = _open_texts(connection, [rows[one] for one in apart])
    gone: list[RowMapping] = []
    for row in sorted((rows[one] for one in apart), key=lambda row: (row["opened_at"], row["id"])):
        if (row["port"], row["fingerprint"]) not in taken and _take_back(connection, case, row):
            taken.add((row["port"], row["fingerprint"]))
            gone.append(row)
    if not gone:
        return []
    _open_again(connection, case, gone, now)
    left = {name: rows[case][name] - sum(row[name] for row in gone) for name in ("submissions", "messages")}
    figure = urgency({**rows[case], **left}, now)
    connection.execute(update(_cases).where(_cases.c.id == case).values(**left, urgency=figure))
    opened = [row["id"] for row in gone]
    audit.record(connection, now, user.name, "case.separate", f"case/{case}", None, {"cases": opened, **left})
    return opened


def _parted(case: str) -> ColumnElement[bool]:
    """Whether a case was merged into this one and knows where its members are."""
    return and_(_cases.c.merged_into == case, _cases.c.state == "merged", _cases.c.merged_after.is_not(None))


def _open_texts(connection: Connection, rows: Sequence[RowMapping]) -> set[tuple[str, str]]:
    """The ports and texts of these that have an open case without a campaign, of which there may be only one."""
    keys = [(row["port"], row["fingerprint"]) for row in rows]
    columns = (_cases.c.port, _cases.c.fingerprint)
    query = select(*columns).where(tuple_(*columns).in_(keys), _cases.c.state == "open", _cases.c.campaign == "")
    return {(row.port, row.fingerprint) for row in connection.execute(query)}


def _take_back(connection: Connection, case: str, row: RowMapping) -> bool:
    """Move the members of a merged case back to it; False if it has none any more."""
    first = row["merged_after"]
    moved = connection.execute(
        update(_members)
        .where(_members.c.case == case, _members.c.number > first, _members.c.number <= first + row["last_member"])
        .values(case=row["id"], number=_members.c.number - first)
    )
    return moved.rowcount > 0


def _open_again(connection: Connection, case: str, rows: Sequence[RowMapping], now: int) -> None:
    """Open these cases with the timers they would have: their own limit, and the closing time of their port."""
    closing = select(_timers.c.due_at).where(_timers.c.kind == CLOSING, _timers.c.subject == case)
    closes = connection.scalar(closing)
    due = [
        {"kind": OVERDUE, "subject": row["id"], "due_at": row["due_at"]} for row in rows if row["escalated_at"] is None
    ]
    if closes is not None:
        due += [{"kind": CLOSING, "subject": row["id"], "due_at": closes} for row in rows]
    connection.execute(
        update(_cases).where(_cases.c.id == bindparam("parted")).values(urgency=bindparam("figure"), **_APART),
        [{"parted": row["id"], "figure": urgency(row, now)} for row in rows],
    )
    if due:
        connection.execute(insert(_timers), due)
