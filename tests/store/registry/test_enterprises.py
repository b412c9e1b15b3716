"""Enterprises: a reseller is suspended with its customers; chains without circles."""

from __future__ import annotations

import pytest

from pipeline.errors import AntispamError
from pipeline.rules.enterprises import EnterpriseEntry
from pipeline.rules.ports import PortEntry
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import enterprises, registry
from tests.store.registry.registered import ADMIN, followed, in_force


def _three_levels(db: Database) -> None:
    """A reseller, its customer, the customer of that, each with a port; and a stranger."""
    with db.write() as connection:
        chain = [("reseller", ""), ("shop", "reseller"), ("branch", "shop"), ("stranger", "")]
        companies = [EnterpriseEntry(code=code, parent=parent) for code, parent in reversed(chain)]
        enterprises.put(connection, 1, "admin", companies)
    for n, (code, _) in enumerate(chain):
        registry.save_port(db, ADMIN, PortEntry(code=f"1069000{n}", enterprise=code), 1)


def test_a_reseller_is_suspended_and_resumed_with_its_customers(any_db: Database) -> None:
    _three_levels(any_db)
    registry.suspend_port(any_db, ADMIN, "10690001", "complaints", "", 2)
    assert registry.suspend_enterprise(any_db, ADMIN, "reseller", "contract ended", 3) == ["10690000", "10690002"]
    assert registry.suspend_enterprise(any_db, ADMIN, "reseller", "contract ended", 4) == []
    assert {entry.code: entry.state.value for entry in registry.ports(any_db, ADMIN)} == {
        **dict.fromkeys(("10690000", "10690001", "10690002"), "suspended"),
        "10690003": "open",
    }
    assert followed(any_db) == in_force(any_db)
    # The port with complaints stays suspended; a second suspension works like the first.
    assert registry.resume_enterprise(any_db, ADMIN, "shop", "", 5) == []
    assert registry.resume_enterprise(any_db, ADMIN, "reseller", "", 5) == ["10690000", "10690002"]
    assert registry.suspend_enterprise(any_db, ADMIN, "shop", "", 6) == ["10690002"]
    assert registry.resume_enterprise(any_db, ADMIN, "shop", "", 7) == ["10690002"]


def test_an_unknown_reseller_and_a_circle_of_resellers_are_refused(operational_db: Database) -> None:
    _three_levels(operational_db)
    for entry, message in (
        (
            EnterpriseEntry(code="stranger", parent="nobody"),
            "stranger: parent 'nobody' is not an enterprise",
        ),
        (EnterpriseEntry(code="reseller", parent="branch"), "its own reseller: .* → reseller"),
    ):
        with pytest.raises(AntispamError, match=message), operational_db.write() as connection:
            enterprises.put(connection, 2, "admin", [entry])
    with pytest.raises(AntispamError, match="unknown enterprise 'nobody'"):
        registry.suspend_enterprise(operational_db, ADMIN, "nobody", "", 2)
    with operational_db.read() as connection:
        assert enterprises.parents(connection)["reseller"] == ""


def test_a_scope_bounds_the_suspension_of_an_enterprise(operational_db: Database) -> None:
    _three_levels(operational_db)
    own = User("own", Role.OPERATOR, {"enterprise": "shop"})
    with pytest.raises(Forbidden):  # the branch is an enterprise of its own
        registry.suspend_enterprise(operational_db, own, "shop", "", 2)
    branch = User("branch", Role.OPERATOR, {"enterprise": "branch"})
    assert registry.suspend_enterprise(operational_db, branch, "branch", "", 3) == ["10690002"]
