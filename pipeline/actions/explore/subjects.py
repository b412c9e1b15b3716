"""What is known of a campaign, a number or an enterprise beyond the sums of messages."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from sqlalchemy import select

from pipeline.actions.explore.filters import moment
from pipeline.durations import DAY_MS
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Right, User, ports_in_scope, require
from pipeline.store.database import Database


@dataclass(frozen=True)
class ToldCampaign:
    """A campaign as last published."""

    messages: int
    ports: int
    senders: int
    most_in_5m: int
    first_seen: int
    last_seen: int


def told_campaign(lake: duckdb.DuckDBPyConnection, user: User, campaign: str) -> ToldCampaign | None:
    """A campaign as last published; None for an unknown one. Raises Forbidden for a user with a scope."""
    _require_all(user)
    row = lake.execute(
        """SELECT messages, ports, senders, max(growth) OVER (), epoch_ms(first_seen), epoch_ms(last_seen)
           FROM told_campaigns WHERE campaign = $campaign ORDER BY "at" DESC LIMIT 1""",
        {"campaign": campaign},
    ).fetchone()
    return None if row is None else ToldCampaign(*row)


def complaints_of(lake: duckdb.DuckDBPyConnection, user: User, number: str, since: int, until: int) -> int:
    """The number of complaints of a number (hash) in a period. Raises Forbidden for a user with a scope."""
    _require_all(user)
    [count] = lake.execute(
        """SELECT count(*) FROM complaints WHERE dt BETWEEN $first AND $last AND recipient = $number
           AND complained_at >= $since AND complained_at < $until""",
        {
            "number": number,
            "first": moment(since - DAY_MS).date(),
            "last": moment(until + DAY_MS).date(),
            "since": moment(since),
            "until": moment(until),
        },
    ).fetchone() or (0,)
    return int(count)


def enterprise_names(db: Database, user: User) -> dict[str, str]:
    """Names of the enterprises whose ports the user may see."""
    require(user, Right.SEARCH)
    within, t = ports_in_scope(user), schema.enterprises
    statement = select(t.c.id, t.c.name).order_by(t.c.name)
    if within is not None:
        statement = statement.where(
            t.c.id.in_(select(schema.ports.c.enterprise).where(schema.ports.c.code.in_(within)))
        )
    with db.read() as connection:
        return {row.id: row.name for row in connection.execute(statement)}


def _require_all(user: User) -> None:
    require(user, Right.SEARCH)
    if user.scope:
        raise Forbidden("{person}: this is of all ports, and this account sees a part of them", person=user.name)
