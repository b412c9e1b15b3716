"""Enterprises: a reseller is suspended with its customers; chains without circles."""

from __future__ import annotations

import pytest

from pipeline.errors import AntispamError
from pipeline.rules.enterprises import EnterpriseEntry
from pipeline.rules.ports import PortEntry
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import enterprises, import_configuration, registry
from pipeline.store.registry.port_history import port_history
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


def states(db: Database) -> dict[str, str]:
    return {entry.code: entry.state.value for entry in registry.ports(db, ADMIN)}


@pytest.mark.long
def test_a_port_registered_while_its_reseller_is_suspended_begins_suspended(any_db: Database) -> None:
    _three_levels(any_db)
    registry.suspend_enterprise(any_db, ADMIN, "reseller", "contract ended", 2)
    registry.save_port(any_db, ADMIN, PortEntry(code="10690004", enterprise="branch"), 3)
    line = '{"code": "10690005", "enterprise": "shop"}'
    import_configuration.add(any_db, ADMIN, [("port", "10690005", line)], 3)
    registry.save_port(any_db, ADMIN, PortEntry(code="10690003", enterprise="shop"), 3)  # it comes from a stranger
    registry.save_port(any_db, ADMIN, PortEntry(code="10690006", enterprise="stranger"), 3)
    new = ("10690003", "10690004", "10690005")
    assert {code: state for code, state in states(any_db).items() if state == "open"} == {"10690006": "open"}
    assert followed(any_db) == in_force(any_db)
    (deed,) = port_history(any_db, ADMIN, "10690004", 4).deeds
    assert (deed.kind, deed.evidence) == ("suspend", "enterprise/reseller@3")
    assert set(registry.resume_enterprise(any_db, ADMIN, "reseller", "", 4)) >= set(new)
    assert set(states(any_db).values()) == {"open"}
    registry.save_port(any_db, ADMIN, PortEntry(code="10690007", enterprise="branch"), 5)
    assert states(any_db)["10690007"] == "open"


def test_a_port_that_two_enterprises_stop_is_resumed_with_the_last(any_db: Database) -> None:
    _three_levels(any_db)
    registry.suspend_enterprise(any_db, ADMIN, "reseller", "", 2)
    registry.suspend_enterprise(any_db, ADMIN, "branch", "", 3)
    assert registry.resume_enterprise(any_db, ADMIN, "reseller", "", 4) == ["10690000", "10690001"]
    assert registry.resume_enterprise(any_db, ADMIN, "branch", "", 5) == ["10690002"]


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
