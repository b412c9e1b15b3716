"""Changes of configuration: checked first, then written with audit and publication, or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.rules.clock.calendar import shipped_calendar
from pipeline.rules.enterprises import EnterpriseEntry
from pipeline.rules.ports import PortEntry
from pipeline.rules.versions import version_of
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import configurations, enterprises, import_configuration, registry
from tests.store.registry.registered import ADMIN, OTHER, POLICY, PORT, VIEWER, audited, followed, in_force, published


def test_the_calendar_in_force_is_the_published_or_the_shipped_one(any_db: Database) -> None:
    mine = "zone: UTC\nyears: {2031: {source: law, holidays: {a: 2031-01-01}}}\n"
    registry.publish_configuration(any_db, ADMIN, "calendar", "calendar.yaml", mine, 1)
    with any_db.read() as connection:
        assert configurations.calendar(connection).years == {2031}
    registry.withdraw(any_db, ADMIN, "calendar", "calendar.yaml", 2)
    with any_db.read() as connection:
        assert configurations.calendar(connection) is shipped_calendar()


def test_versions_and_rollback(any_db: Database) -> None:
    assert registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", POLICY, 1) == 2  # 1: the audit row
    second = registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", OTHER, 2)
    assert registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", OTHER, 3) == second
    third = registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 4)
    assert third > second
    assert in_force(any_db) == {("policy", "policy.yaml"): POLICY}
    assert followed(any_db) == in_force(any_db)
    assert [(v, c) for v, _, _, c in registry.versions(any_db, "policy", "policy.yaml")] == [
        (version_of(OTHER), False),
        (version_of(POLICY), True),
    ]
    registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 5, version_of(OTHER))
    assert in_force(any_db) == {("policy", "policy.yaml"): OTHER}
    with pytest.raises(AntispamError, match="unknown version"):
        registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 6, "nonesuch")
    with pytest.raises(AntispamError, match="no version was in force"):
        registry.rollback(any_db, ADMIN, "dictionary", "dictionary.csv", 6)
    assert [r.action for r in audited(any_db)] == ["publish", "publish", "rollback", "rollback"]


@pytest.mark.parametrize(
    ("kind", "name", "value", "fault"),
    [
        ("policy", "policy.yaml", "rules: [{id: a, when: nonesuch > 1}]", "policy.yaml"),
        ("dictionary", "dictionary.csv", "nonsense", "dictionary"),
        ("calendar", "calendar.yaml", "zone: Nowhere", "calendar.yaml:1:7"),
        ("model", "active", "/nonexistent", "model"),
        ("list", "lists.csv", "a,b\n", "header"),
        ("list", "black/1", "list,entity,value,reason,expires\n", "without /"),
        ("port", "10690001", "{}", "unknown kind"),
    ],
)
def test_a_bad_value_is_refused_with_the_parsers_words(
    operational_db: Database, kind: str, name: str, value: str, fault: str
) -> None:
    with pytest.raises(AntispamError, match=fault):
        registry.publish_configuration(operational_db, ADMIN, kind, name, value, 1)
    assert published(operational_db) == audited(operational_db) == []


def test_only_those_with_the_right_change_anything(operational_db: Database) -> None:
    db = operational_db
    registry.save_port(db, ADMIN, PORT, 1)
    attempts: list[Any] = [
        lambda: registry.save_port(db, VIEWER, PORT, 2),
        lambda: registry.suspend_port(db, VIEWER, PORT.code, "", "", 2),
        lambda: registry.resume_port(db, VIEWER, PORT.code, "", "", 2),
        lambda: registry.terminate(db, VIEWER, PORT.code, "", "", 2),
        lambda: registry.add_list_entry(db, VIEWER, "black", "1", "", None, 2),
        lambda: registry.remove_list_entry(db, VIEWER, "black", "1", "", 2),
        lambda: registry.publish_configuration(db, VIEWER, "policy", "policy.yaml", POLICY, 2),
        lambda: registry.rollback(db, VIEWER, "policy", "policy.yaml", 2),
        lambda: registry.publish_configuration(
            db, User("author", Role.POLICY_AUTHOR), "policy", "policy.yaml", POLICY, 2
        ),
        lambda: import_configuration.replace(db, VIEWER, [], 2),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt()
    assert len(audited(db)) == 1


def test_a_scope_bounds_ports_and_lists(operational_db: Database) -> None:
    db = operational_db
    registry.save_port(db, ADMIN, PORT, 1)
    other = PortEntry(code="10690002", enterprise="ent-2")
    registry.save_port(db, ADMIN, other, 1)
    with db.write() as connection:
        two = EnterpriseEntry(code="ent-2", name="Two", province="浙江", city="杭州")
        enterprises.put(connection, 1, "admin", [two])
    local = User("local", Role.OPERATOR, {"province": "浙江"})
    assert registry.ports(db, local) == [other]
    assert registry.suspend_port(db, local, "10690002", "", "", 2)
    with pytest.raises(Forbidden):
        registry.suspend_port(db, local, PORT.code, "", "", 2)
    with pytest.raises(Forbidden):
        registry.save_port(db, local, msgspec.structs.replace(other, enterprise="ent-1"), 2)
    with pytest.raises(Forbidden):
        registry.add_list_entry(db, local, "black", "13800138000", "", None, 2)
    assert registry.add_list_entry(db, local, "unsubscribed", "10690002:13800138000", "", None, 2)
