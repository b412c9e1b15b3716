"""List entries: found by any spelling of a number, listed once for one piece of evidence."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.decision.configuration import ConfigEntries
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.rules.expiry import NEVER
from pipeline.store import audit
from pipeline.store.database import Database
from pipeline.store.registry import list_entries, registry
from tests.harness.examples import examples
from tests.store.registry.registered import ADMIN, audited, followed, in_force, published


def test_list_entries_come_and_go(any_db: Database) -> None:
    assert registry.add_list_entry(any_db, ADMIN, "black", " 13800138000 ", 'said "no", twice\n', 9_000, 1)
    assert not registry.add_list_entry(any_db, ADMIN, "black", "13800138000", 'said "no", twice\n', 9_000, 2)
    assert registry.add_list_entry(any_db, ADMIN, "black", "13800138000", "for good", None, 3)
    (row,) = registry.list_entries(any_db, ADMIN, "black", "138")
    assert (row.value, row.reason, row.expires_at, row.added_by) == ("13800138000", "for good", None, "admin")
    worker = ConfigEntries()
    assert worker.apply(published(any_db)) == []
    listed = worker.config.lists.find("black", "13800138000")
    assert listed is not None
    assert listed.expires == NEVER
    assert registry.remove_list_entry(any_db, ADMIN, "black", "13800138000", "mistake", 4)
    assert not registry.remove_list_entry(any_db, ADMIN, "black", "13800138000", "mistake", 5)
    assert followed(any_db) == in_force(any_db) == {}
    assert [r.action for r in audited(any_db)] == ["list", "list", "unlist"]
    assert "13800138000" not in str(audited(any_db))


def test_evidence_lists_once_even_after_somebody_took_it_off(any_db: Database) -> None:
    item = list_entries.entry("black", "13800138000", "probing", None)

    def put() -> bool:
        with any_db.write() as connection:
            return list_entries.put(connection, 1, audit.PIPELINE, item, "probe", "d-1") is not None

    assert put()
    assert not put()
    registry.remove_list_entry(any_db, ADMIN, "black", "13800138000", "mistake", 2)
    assert not put()
    assert in_force(any_db) == {}


def test_an_entry_is_found_and_removed_by_any_spelling_of_its_number(any_db: Database) -> None:
    assert registry.add_list_entry(any_db, ADMIN, "blocked", "+86 138-0013-8000", "asked", None, 1)
    assert not registry.add_list_entry(any_db, ADMIN, "blocked", "13800138000", "asked", None, 2)
    assert registry.add_list_entry(any_db, ADMIN, "unsubscribed", "8610690001：0086 13800138000", "TD", None, 3)
    for search in ("1380", "008613800138000", "138 0013 8000"):
        (row,) = registry.list_entries(any_db, ADMIN, "blocked", search)
        assert row.value == "13800138000"
    worker = ConfigEntries()
    assert worker.apply(published(any_db)) == []
    assert worker.config.lists.find("unsubscribed", "10690001:13800138000")
    assert worker.config.lists.find("blocked", "13800138000")
    assert registry.remove_list_entry(any_db, ADMIN, "blocked", "8613800138000", "mistake", 4)
    assert registry.remove_list_entry(any_db, ADMIN, "unsubscribed", "10690001:+8613800138000", "mistake", 5)
    assert followed(any_db) == in_force(any_db) == {}


def test_a_list_file_with_a_value_that_is_no_number_is_refused_and_an_old_one_holds_the_others(
    operational_db: Database,
) -> None:
    value = "list,entity,value,reason,expires\nblocked,recipient,+8613800138000,,\nblocked,recipient,none,,\n"
    with pytest.raises(AntispamError, match=r"lists.csv:3: column value: bad value 'none'"):
        registry.publish_configuration(operational_db, ADMIN, "list", "lists.csv", value, 1)
    worker = ConfigEntries()
    assert worker.apply([ConfigChange(epoch=1, kind="list", name="lists.csv", value=value)]) == []
    assert worker.config.lists.find("blocked", "13800138000")


@pytest.mark.parametrize(
    ("name", "value", "expires", "fault"),
    [
        ("grey", "1", None, "unknown list"),
        ("black", "", None, "one number expected"),
        ("black", "1" * 51, None, "one number expected"),
        ("black", "1380013\n8000", None, "one number expected"),
        ("blocked", "138001380000", None, "one number expected"),
        ("unsubscribed", "13800138000", None, "port:number expected"),
        ("unsubscribed", "10690001:138", None, "port:number expected"),
        ("black", "10086", -1, "expires_at"),
    ],
)
def test_a_bad_list_entry_is_refused(
    operational_db: Database, name: str, value: str, expires: int | None, fault: str
) -> None:
    with pytest.raises(AntispamError, match=fault):
        registry.add_list_entry(operational_db, ADMIN, name, value, "", expires, 1)
    assert published(operational_db) == audited(operational_db) == []


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reason=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60),
    expires=st.none() | st.integers(0, 253_402_300_799_999),
)
def test_what_the_parser_reads_of_an_entry_is_the_entry(reason: str, expires: int | None) -> None:
    item = list_entries.entry("allow", "13800138000", reason, expires)
    assert (item.reason, item.expires) == (reason, NEVER if expires is None else expires)
