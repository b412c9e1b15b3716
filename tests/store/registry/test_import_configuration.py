"""A folder of configuration replaces what it holds, and never the state of a port."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.gate import Gate
from pipeline.actions.senders.part import DeliveryState, Part
from pipeline.decision.configuration import directory_entries
from pipeline.errors import AntispamError
from pipeline.events import PortState
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.accounts.users import add_user
from pipeline.store.database import Database
from pipeline.store.registry import import_configuration, registry
from tests.store.registry.registered import ADMIN, OTHER, POLICY, PORT, audited, followed, in_force, published


def test_a_folder_replaces_ports_and_list_files_but_no_state_and_no_single_entry(any_db: Database) -> None:
    lists = "list,entity,value,reason,expires\nblack,sender,13900139000,x,\n"
    port = msgspec.json.encode(PORT).decode()
    first = [("policy", "policy.yaml", POLICY), ("list", "lists.csv", lists), ("port", PORT.code, port)]
    epoch, _ = import_configuration.replace(any_db, ADMIN, first, 1)
    assert {change.epoch for change in published(any_db)} == {epoch}
    assert import_configuration.replace(any_db, ADMIN, first, 2) == (epoch, [])
    registry.suspend_port(any_db, ADMIN, PORT.code, "", "", 3)
    registry.add_list_entry(any_db, ADMIN, "black", "13800138000", "", None, 3)
    import_configuration.replace(any_db, ADMIN, first, 4)
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert found.state == PortState.SUSPENDED
    import_configuration.replace(
        any_db, ADMIN, [("policy", "policy.yaml", OTHER), ("port", "123", '{"code":"123"}')], 5
    )
    assert in_force(any_db).keys() == {
        ("policy", "policy.yaml"),
        ("port", "123"),
        ("port", PORT.code),
        ("list", "black/13800138000"),
    }
    assert followed(any_db) == in_force(any_db)


def test_a_folder_says_where_enterprises_are_and_scopes_go_by_it(operational_db: Database, tmp_path: Path) -> None:
    db = operational_db
    (tmp_path / "ports.jsonl").write_text('{"code": "10690001", "enterprise": "e-1"}\n{"code": "10690002"}\n')
    (tmp_path / "enterprises.jsonl").write_text('{"code": "e-1", "name": "甲", "province": "广东", "city": "深圳"}\n')
    with pytest.raises(AntispamError, match="no enterprise with province '广东'"):
        add_user(db, ADMIN, "anna", Role.REVIEWER, {"province": "广东"}, 1)
    import_configuration.replace(db, ADMIN, directory_entries(tmp_path), 1)
    for scope in ({"province": "广东"}, {"city": "深圳"}, {"enterprise": "e-1"}):
        assert add_user(db, ADMIN, f"anna.{next(iter(scope))}", Role.REVIEWER, scope, 2)
        assert [port.code for port in registry.ports(db, User("anna", Role.REVIEWER, scope))] == ["10690001"]
    (tmp_path / "enterprises.jsonl").write_text('{"code": "e-2"}\n')
    with pytest.raises(AntispamError, match=r"port 10690001: enterprise 'e-1' is not in enterprises\.jsonl"):
        list(directory_entries(tmp_path))
    (tmp_path / "enterprises.jsonl").write_text('{"code": "e-1", "town": "x"}\n')
    with pytest.raises(AntispamError, match=r"enterprises\.jsonl:1: .*town"):
        list(directory_entries(tmp_path))


def test_a_port_that_a_folder_lacks_is_suspended_and_no_folder_opens_it_again(any_db: Database) -> None:
    port = [("port", PORT.code, msgspec.json.encode(PORT).decode())]
    import_configuration.replace(any_db, ADMIN, port, 1)
    assert import_configuration.replace(any_db, ADMIN, [], 2)[1] == [], "a folder without ports says nothing of them"
    other = ("port", "123", '{"code":"123"}')
    epoch, suspended = import_configuration.replace(any_db, ADMIN, [other], 2)
    assert suspended == [PORT.code]
    gate = Gate(any_db, Clock(lambda: 0.0, lambda: 0))
    gate.look()
    part = Part(PORT.code, PORT.code, "s", 1, 1, "13800138000", b"", None)
    assert gate.refusal(part) is DeliveryState.STOPPED
    assert import_configuration.replace(any_db, ADMIN, [*port, other], 3) == (epoch, [])
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert found.state == PortState.SUSPENDED
    with any_db.read() as connection:
        opened = select(schema.ports.c.opened_at).where(schema.ports.c.code == PORT.code)
        assert connection.execute(opened).scalar_one() == 1


def test_a_start_brings_what_is_new_and_leaves_what_people_changed(any_db: Database) -> None:
    start = User("up", Role.ADMINISTRATOR)
    port = msgspec.json.encode(PORT).decode()
    first = import_configuration.add(any_db, start, [("policy", "policy.yaml", POLICY), ("port", PORT.code, port)], 1)
    assert import_configuration.add(any_db, start, [("policy", "policy.yaml", POLICY)], 2) == first
    import_configuration.add(any_db, start, [("policy", "policy.yaml", OTHER)], 3)  # the file was edited
    assert in_force(any_db)["policy", "policy.yaml"] == OTHER
    registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 4)
    renamed = msgspec.structs.replace(PORT, name="又名")
    registry.save_port(any_db, ADMIN, renamed, 4)
    import_configuration.add(any_db, start, [("policy", "policy.yaml", OTHER), ("port", PORT.code, port)], 5)
    assert in_force(any_db)["policy", "policy.yaml"] == POLICY
    assert registry.port(any_db, PORT.code) == renamed
    registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", OTHER + "\n# by hand\n", 6)
    import_configuration.add(any_db, start, [("policy", "policy.yaml", POLICY + "\n# a new release\n")], 7)
    assert in_force(any_db)["policy", "policy.yaml"] == OTHER + "\n# by hand\n"


def test_a_folder_with_one_bad_entry_changes_nothing(operational_db: Database) -> None:
    entries = [("policy", "policy.yaml", POLICY), ("port", "10690001", '{"code": "10690002"}')]
    with pytest.raises(AntispamError, match="holds port 10690002"):
        import_configuration.replace(operational_db, ADMIN, entries, 1)
    assert in_force(operational_db) == {}
    assert published(operational_db) == audited(operational_db) == []
