"""Saved queries: one's own and shared ones, and no others."""

from __future__ import annotations

import pytest

from pipeline.actions.console.saved_queries import MOST, delete_query, save_query, saved_queries
from pipeline.errors import AntispamError
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database

NOW = 1_795_308_000_000
ANNA, BEN = User("anna", Role.ANALYST), User("ben", Role.ANALYST, {"enterprise": "e-south"})
CHIEF = User("chief", Role.ADMINISTRATOR)


def names(db: Database, user: User) -> list[str]:
    return [query.name for query in saved_queries(db, user, "explore")]


def test_ones_own_and_shared_queries_are_shown(any_db: Database) -> None:
    save_query(any_db, ANNA, "explore", " loans  by port ", "?by=port&category=loan", False, NOW)
    save_query(any_db, ANNA, "explore", "risen", "by=content&order=rise", True, NOW)
    assert names(any_db, ANNA) == ["loans by port", "risen"]
    assert names(any_db, BEN) == ["risen"]
    assert saved_queries(any_db, BEN, "explore")[0].address == "by=content&order=rise"


def test_the_same_name_replaces_ones_own_query_only(any_db: Database) -> None:
    save_query(any_db, ANNA, "explore", "q", "by=port", True, NOW)
    save_query(any_db, BEN, "explore", "q", "by=rule", False, NOW)
    save_query(any_db, ANNA, "explore", "q", "by=kind", True, NOW)
    assert sorted(query.address for query in saved_queries(any_db, BEN, "explore")) == ["by=kind", "by=rule"]


def test_a_query_is_deleted_by_its_owner_or_an_administrator(any_db: Database) -> None:
    ident = save_query(any_db, ANNA, "explore", "q", "by=port", True, NOW)
    with pytest.raises(Forbidden):
        delete_query(any_db, BEN, ident, NOW)
    assert names(any_db, BEN) == ["q"]
    delete_query(any_db, CHIEF, ident, NOW)
    delete_query(any_db, CHIEF, ident, NOW)
    assert names(any_db, ANNA) == []


@pytest.mark.parametrize(
    ("name", "address"), [("", "by=port"), ("n" * 81, ""), ("a\x00b", ""), ("q", "x=" + "y" * 2000)]
)
def test_what_is_empty_or_too_long_is_refused(operational_db: Database, name: str, address: str) -> None:
    with pytest.raises(AntispamError, match="characters"):
        save_query(operational_db, ANNA, "explore", name, address, False, NOW)


def test_a_user_keeps_a_bounded_number(operational_db: Database) -> None:
    for n in range(MOST):
        save_query(operational_db, ANNA, "explore", f"q{n}", "by=port", False, NOW)
    save_query(operational_db, ANNA, "explore", "q0", "by=kind", False, NOW)
    with pytest.raises(AntispamError, match="delete one first"):
        save_query(operational_db, ANNA, "explore", "one more", "by=port", False, NOW)


def test_queries_belong_to_their_page(any_db: Database) -> None:
    save_query(any_db, ANNA, "explore", "q", "by=port", True, NOW)
    save_query(any_db, ANNA, "search", "q", "rule=x", True, NOW)
    assert [query.address for query in saved_queries(any_db, BEN, "search")] == ["rule=x"]
    assert [query.address for query in saved_queries(any_db, BEN, "explore")] == ["by=port"]
    with pytest.raises(AntispamError, match="explore, search"):
        save_query(any_db, ANNA, "users", "q", "x=y", True, NOW)
