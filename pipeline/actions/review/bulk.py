"""Bulk decisions: one verdict on cases selected in the list, counted before it is given, some at a time.

Each case gets a verdict of its own, with its audit row and its time for undo, as if it had been decided by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from pipeline.actions.review.claims import Said, at_hand, give_back, settle, undo, valid_verdict
from pipeline.errors import AntispamError
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database

MOST = 200  # cases of one selection
_cases = schema.cases


@dataclass(frozen=True, slots=True)
class Selection:
    """What a verdict on selected cases decides now; `left` of the selected cases it does not."""

    cases: int
    messages: int
    ports: int
    left: int


def weigh(db: Database, user: User, selected: Sequence[str], now: int) -> Selection:
    """Count what a verdict would decide. Raises AntispamError for more than MOST cases."""
    require(user, Right.REVIEW)
    _bounded(selected)
    messages = func.coalesce(func.sum(_cases.c.messages), 0)
    query = select(func.count(), messages, func.count(_cases.c.port.distinct()))
    with db.read() as connection:
        found = connection.execute(query.where(_cases.c.id.in_(selected), at_hand(user, now))).one()
    return Selection(found[0], found[1], found[2], len(set(selected)) - found[0])


def decide_some(
    db: Database, user: User, selected: Mapping[str, int], verdict: str, note: str, now: int, refusal: str = ""
) -> dict[str, AntispamError]:
    """Decide selected cases; each has the `last_member` that the list showed. Returns the reason of each left open.

    Raises AntispamError for an invalid verdict or note and for more than MOST cases, and then decides none.
    """
    require(user, Right.REVIEW)
    _bounded(selected)
    valid_verdict(verdict, note, refusal)
    mine = at_hand(user, now)
    left: dict[str, AntispamError] = {}
    for case, seen in selected.items():
        try:
            with db.write() as connection:
                settle(connection, user, case, mine, Said(verdict, note, refusal), now, (case, seen))
        except AntispamError as error:
            left[case] = error
    return left


def undo_some(db: Database, user: User, decided: Sequence[str], now: int) -> dict[str, AntispamError]:
    """Take back verdicts that are not yet effective; returns the reason of each that stays."""
    require(user, Right.REVIEW)
    _bounded(decided)
    left: dict[str, AntispamError] = {}
    for case in decided:
        try:
            undo(db, user, case, now)
        except Forbidden:
            raise
        except AntispamError as error:
            left[case] = error
    give_back(db, user, [case for case in decided if case not in left], now)
    return left


def _bounded(selected: Sequence[str] | Mapping[str, int]) -> None:
    if len(selected) > MOST:
        raise AntispamError("at most {most} cases at once, not {number}", most=MOST, number=len(selected))
