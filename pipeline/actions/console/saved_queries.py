"""Saved queries of Explore and Search: an address with its filters under a name, for oneself or for all.

A query has no rows and no numbers. Whoever opens it sees what their own role and scope allow. Times are epoch ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import delete as remove
from sqlalchemy import func, insert, or_, select

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database

PAGES = ("explore", "search")
MAX_NAME = 80
MAX_ADDRESS = 2_000
MOST = 200  # queries of one user
_table = schema.saved_queries


@dataclass(frozen=True)
class SavedQuery:
    """A query: `address` is the query string of the page."""

    id: int
    page: str  # explore or search
    name: str
    address: str
    owner: str
    shared: bool
    made_at: int


def save_query(db: Database, user: User, page: str, name: str, address: str, shared: bool, now: int) -> int:
    """Save a query of a page; returns its id. The same name again replaces the user's query of the page.

    Raises AntispamError for a name or address that is empty or too long, and when the user has MOST queries.
    """
    require(user, Right.SEARCH)
    if page not in PAGES:
        raise AntispamError("queries are saved of {known}", known=", ".join(PAGES))
    name, kept = " ".join(name.split()), urlencode(parse_qsl(address, max_num_fields=50))
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise AntispamError("a name of 1 to {most} characters expected", most=MAX_NAME)
    if len(kept) > MAX_ADDRESS:
        raise AntispamError("the query is longer than {most} characters", most=MAX_ADDRESS)
    with db.write() as connection:
        same = (_table.c.owner == user.name) & (_table.c.page == page) & (_table.c.name == name)
        connection.execute(remove(_table).where(same))
        count = connection.execute(select(func.count()).where(_table.c.owner == user.name)).scalar_one()
        if count >= MOST:
            raise AntispamError("{most} queries are saved; delete one first", most=MOST)
        values = {"page": page, "name": name, "address": kept, "owner": user.name, "shared": shared, "made_at": now}
        made: int = connection.execute(insert(_table).values(**values).returning(_table.c.id)).scalar_one()
        audit.record(connection, now, user.name, "save", f"query/{made}", None, {"name": name, "shared": shared})
    return made


def saved_queries(db: Database, user: User, page: str) -> list[SavedQuery]:
    """The user's own queries of a page and those that others share, by name."""
    require(user, Right.SEARCH)
    with db.read() as connection:
        rows = connection.execute(
            select(_table)
            .where(_table.c.page == page, or_(_table.c.owner == user.name, _table.c.shared))
            .order_by(_table.c.name, _table.c.id)
        )
        return [SavedQuery(**row) for row in rows.mappings()]


def delete_query(db: Database, user: User, ident: int, now: int) -> None:
    """Delete one's own query; an administrator may delete each. Raises Forbidden for another's."""
    require(user, Right.SEARCH)
    with db.write() as connection:
        found = connection.execute(select(_table).where(_table.c.id == ident)).mappings().first()
        if found is None:
            return
        if found["owner"] != user.name:
            if user.scope:
                raise Forbidden("{person}: this query belongs to {owner}", person=user.name, owner=found["owner"])
            require(user, Right.ADMINISTER)
        connection.execute(remove(_table).where(_table.c.id == ident))
        before = {"name": found["name"], "owner": found["owner"]}
        audit.record(connection, now, user.name, "delete", f"query/{ident}", before, None)
