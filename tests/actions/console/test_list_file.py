"""Lists from a csv: each bad line is named, the good ones are added together."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.console.list_file import MAX_BYTES, add_all, read_list_file, undo_all
from pipeline.errors import AntispamError
from pipeline.rules.lists import ENTITIES
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry

NOW = 1_790_000_000_000
OPERATOR = User("ops", Role.OPERATOR)
HEADER = "list,entity,value,reason,expires\n"


def test_good_lines_are_added_and_can_be_taken_back(operational_db: Database) -> None:
    read = read_list_file(
        f"\ufeff{HEADER}black,sender,13800138000,投诉,\nallow,sender,10690001,,2030-01-01T00:00:00+08:00\n".encode()
    )
    assert read.faults == []
    done = add_all(operational_db, OPERATOR, read.entries, NOW)
    assert len(done) == 2
    assert add_all(operational_db, OPERATOR, read.entries, NOW) == []
    assert [row.value for row in registry.list_entries(operational_db, OPERATOR, "black")] == ["13800138000"]
    assert undo_all(operational_db, OPERATOR, done, NOW) == 2
    assert registry.list_entries(operational_db, OPERATOR, "black") == []


def test_undo_of_an_import_leaves_what_stood_before_and_what_came_after(operational_db: Database) -> None:
    def listed() -> dict[object, object]:
        return {row.value: row.reason for row in registry.list_entries(operational_db, OPERATOR, "black")}

    for value in ("1001", "1002"):
        registry.add_list_entry(operational_db, OPERATOR, "black", value, "before", None, NOW)
    lines = ("1001,before", "1002,new", "1003,new", "1004,new")
    file = HEADER + "".join(f"black,sender,{line},\n" for line in lines)
    done = add_all(operational_db, OPERATOR, read_list_file(file.encode()).entries, NOW)
    registry.add_list_entry(operational_db, OPERATOR, "black", "1004", "after", None, NOW)
    assert undo_all(operational_db, OPERATOR, done, NOW) == 2
    assert listed() == {"1001": "before", "1002": "before", "1004": "after"}


def test_bad_lines_are_named() -> None:
    lines = (
        "black,sender,1069,a,",
        "red,sender,1,,",
        "black,recipient,1,,",
        "black,sender,1",
        "black,sender,1068,,tomorrow",
    )
    read = read_list_file((HEADER + "\n".join(lines)).encode())
    assert len(read.entries) == 1
    assert [str(fault).partition(":")[0] for fault in read.faults] == ["line 3", "line 4", "line 5", "line 6"]


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\xff\xfe", b"x" * (MAX_BYTES + 1), b"list\x00"])
def test_a_file_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(AntispamError):
        read_list_file(data)


@given(st.binary(max_size=300))
def test_no_file_does_more_than_be_refused(tail: bytes) -> None:
    with suppress(AntispamError):
        for item in read_list_file(HEADER.encode() + tail).entries:
            assert item.list in ENTITIES


def test_rights_and_scope(operational_db: Database) -> None:
    entries = read_list_file(f"{HEADER}black,sender,1069,a,\n".encode()).entries
    for user in (User("rui", Role.ANALYST), User("ops", Role.OPERATOR, {"city": "深圳"})):
        with pytest.raises(Forbidden):
            add_all(operational_db, user, entries, NOW)
