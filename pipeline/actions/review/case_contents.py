"""What the members of a case say and whom they reach, for the reviewer's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, RowMapping, distinct, func, select, true

from pipeline.actions.review.differences import Slot, most_different, slots
from pipeline.durations import MINUTE_MS
from pipeline.store import schema

SAMPLES = 3  # texts shown beside the first
COMPARED = 20  # first texts of each kind that samples and slots are taken from
MOST_RECIPIENTS = 10_000  # messages of a case whose recipients are counted
NEWEST = 2000  # members that the growth is taken from
GROWTH_MS = 5 * MINUTE_MS
_members = schema.case_members


class _Content(msgspec.Struct):
    content: str


_decode = msgspec.json.Decoder(_Content).decode


@dataclass(frozen=True, slots=True)
class Contents:
    """The texts of a case and its figures.

    `samples` are texts of other members, the most different first. `slots` say where the texts differ, with values of
    the first text and up to COMPARED others. `variants` is the number of different texts. `recipients` is the number of
    different recipients, None for more than MOST_RECIPIENTS messages. `growth` is the number of messages that joined in
    the last five minutes, among the NEWEST members.
    """

    samples: tuple[str, ...] = ()
    slots: tuple[Slot, ...] = ()
    variants: int = 1
    recipients: int | None = None
    growth: int = 0


def contents(connection: Connection, case: RowMapping, now: int) -> Contents:
    """The texts and figures of a case."""
    ident, first = case["id"], case["content"]
    kinds, others = _texts(connection, ident)
    # With few kinds each of them is shown, because a release counts them as seen (claims.decide).
    shown = most_different(first, [text for text in kinds if text != first], SAMPLES)
    left = [text for text in others if text not in (first, *kinds)]
    shown += most_different(first, left, SAMPLES - len(shown))
    compared = dict.fromkeys([first, *shown, *kinds, *others])
    recent = (_members.c.case == ident, _members.c.number > case["last_member"] - NEWEST)
    variants = select(func.count(distinct(_members.c.exact))).where(_members.c.case == ident)
    growth = select(func.coalesce(func.sum(_members.c.messages), 0)).where(
        *recent, _members.c.added_at > now - GROWTH_MS
    )
    return Contents(
        samples=tuple(shown),
        slots=tuple(slots(list(compared)[: COMPARED + 1])),
        variants=connection.scalar(variants) or 0,
        recipients=_recipients(connection, ident) if case["messages"] <= MOST_RECIPIENTS else None,
        growth=connection.scalar(growth) or 0,
    )


def _texts(connection: Connection, case: str) -> list[list[str]]:
    """The first texts of members with different `asks`, then with different `exact`: at most COMPARED of each."""
    first = func.min(_members.c.number)
    numbers: list[Sequence[int]] = []
    for kind in (_members.c.asks, _members.c.exact):
        query = select(first).where(_members.c.case == case).group_by(kind).order_by(first).limit(COMPARED)
        numbers.append(connection.scalars(query).all())
    wanted = {number for some in numbers for number in some}
    bodies = select(_members.c.number, _members.c.body).where(_members.c.case == case, _members.c.number.in_(wanted))
    texts = {row.number: _decode(row.body).content for row in connection.execute(bodies)}
    return [list(dict.fromkeys(texts[number] for number in some)) for some in numbers]


def _recipients(connection: Connection, case: str) -> int:
    each = func.json_each if connection.dialect.name == "sqlite" else func.json_array_elements_text
    recipient = each(_members.c.recipients).table_valued("value")
    query = select(func.count(distinct(recipient.c.value))).select_from(_members.join(recipient, true()))
    return connection.scalar(query.where(_members.c.case == case)) or 0
