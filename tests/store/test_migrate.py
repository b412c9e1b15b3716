"""The migrated database is the schema the code works with, on both databases, however many start at once."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path
from threading import Barrier, Thread
from types import ModuleType

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text

from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.store import audit, outbox, schema
from pipeline.store.database import Database
from pipeline.store.migrate import head, migrate, revision, upgrade
from pipeline.store.migrations import versions
from tests.harness.migrated import AUDIT_SECRET
from tests.harness.processes.forked import Forked


@pytest.mark.long
def test_migrations_lead_to_the_schema(any_db: Database) -> None:
    with any_db.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.metadata) == []
        assert connection.execute(select(schema.epochs.c.last)).scalar_one() == 0


def test_a_second_migration_changes_nothing(any_db: Database) -> None:
    with any_db.write() as connection:
        audit.record(connection, 1, "tester", "probe", "probe/1")
    migrate(any_db)
    with any_db.read() as connection:
        assert revision(connection) == head()
        assert audit.first_broken(connection) is None


def test_a_database_of_a_newer_version_is_refused(any_db: Database) -> None:
    with any_db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(AntispamError, match="newer version"):
        migrate(any_db)


def test_threads_may_migrate_at_once(any_db: Database) -> None:
    with any_db.write() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        schema.metadata.drop_all(connection)
    together, failures = Barrier(4), list[BaseException]()

    def run() -> None:
        db = Database(any_db.engine.url.render_as_string(hide_password=False), AUDIT_SECRET)
        together.wait()
        try:
            migrate(db)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)
        db.close()

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with any_db.read() as connection:
        assert connection.execute(select(schema.epochs.c.id)).scalars().all() == [1]


@pytest.mark.long
def test_processes_may_migrate_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    code = (
        "from pipeline.store.database import Database; from pipeline.store.migrate import migrate; "
        f"migrate(Database({url!r}, b'key'))"
    )
    children = [Forked(code=code, stderr=subprocess.PIPE) for _ in range(4)]
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors.decode()
    db = Database(url, b"key")
    with db.read() as connection:
        assert set(schema.metadata.tables) <= set(inspect(connection).get_table_names())
    db.close()


def test_list_entries_get_the_one_form_of_their_number(any_db: Database) -> None:
    rows = [
        ("+8613800138000", None),
        ("8613800138001", 9),
        ("13800138001", 5),
        ("0086 13800138002", 5),
        ("13800138002", None),
        ("somebody", None),
        ("13800138003", None),
    ]
    with any_db.write() as connection:
        for value, expires in rows:
            row = {"list": "blocked", "value": value, "entity": "recipient", "added_by": "ops", "added_at": 1}
            connection.execute(insert(schema.list_entries).values(row | {"expires_at": expires}))
        with Operations.context(MigrationContext.configure(connection)):
            migration("one_form_of_a_number").upgrade()
            migration("one_form_of_a_number").upgrade()  # nothing is left to do
    kept = {"13800138000": None, "13800138001": 9, "13800138002": None, "13800138003": None, "somebody": None}
    with any_db.read() as connection:
        table = schema.list_entries
        assert {r.value: r.expires_at for r in connection.execute(select(table))} == kept
        ((_, publication),) = outbox.unpublished(connection, 10)
    changes = [msgspec.json.decode(message.value or b"", type=ConfigChange) for message in publication.messages]
    assert {change.name.partition("/")[2] for change in changes if change.value is None} == {
        "+8613800138000",
        "8613800138001",
        "0086 13800138002",
    }
    assert {change.name for change in changes if change.value} == {"blocked/13800138000", "blocked/13800138001"}


def test_policies_of_before_get_their_life(any_db: Database) -> None:
    with any_db.write() as connection:
        for version, at in (("one", 1), ("two", 2), ("three", 3)):
            row = {"kind": "policy", "name": "policy.yaml", "version": version, "value": "", "author": "ops"}
            connection.execute(insert(schema.configurations).values(row | {"created_at": at}))
        for kind, name in (("list", "lists.csv"), ("dictionary", "dictionary.csv")):
            row = {"kind": kind, "name": name, "version": "four", "value": "", "author": "ops"}
            connection.execute(insert(schema.configurations).values(row | {"created_at": 4}))
        force = {"kind": "policy", "name": "policy.yaml", "version": "two", "since_epoch": 7, "since": 9}
        connection.execute(insert(schema.in_force).values(force))
        schema.policies.drop(connection)
        with Operations.context(MigrationContext.configure(connection)):
            migration("the_life_of_a_policy").upgrade()
            migration("the_life_of_other_kinds").upgrade()
            migration("the_life_of_lists_and_templates").upgrade()
    with any_db.read() as connection:
        order = schema.policies.c.drafted_at, schema.policies.c.kind
        rows = connection.execute(select(schema.policies).order_by(*order)).all()
        assert not compare_metadata(MigrationContext.configure(connection), schema.metadata)
    assert [(r.kind, r.name, r.version, r.state, r.changed_at, r.epoch) for r in rows] == [
        ("policy", "policy.yaml", "one", "archived", 1, None),
        ("policy", "policy.yaml", "two", "in_force", 9, 7),
        ("policy", "policy.yaml", "three", "archived", 3, None),
        ("dictionary", "dictionary.csv", "four", "archived", 4, None),
        ("list", "lists.csv", "four", "archived", 4, None),
    ]
    assert {(r.author, r.approver, r.share, r.reason) for r in rows} == {("ops", "ops", 0, "")}


def test_members_of_before_keep_their_order_and_cases_of_campaigns_their_campaign(any_db: Database) -> None:
    case = {"port": "1069", "state": "effective", "rule": "r", "content": "", "opened_at": 1, "due_at": 1}
    member = {"port": "1069", "round": 0, "messages": 1, "body": b"", "recipients": [], "channel": "", "added_at": 1}
    contents = {"a": "c0123456789abcdef", "b": "0123456789abcdef", "c": "c" * 16}
    before = (
        "DROP INDEX uq_cases_open_campaign",
        "DROP INDEX uq_cases_open",
        "DROP INDEX ix_cases_campaign",
        "ALTER TABLE cases DROP COLUMN campaign",
        "ALTER TABLE cases DROP COLUMN merged_into",
        "CREATE UNIQUE INDEX uq_cases_open ON cases (port, fingerprint) WHERE state = 'open'",
        "DROP INDEX uq_case_members_number",
        "DROP INDEX ix_case_members_asks",
        "DROP INDEX ix_case_members_exact",
        "ALTER TABLE case_members DROP COLUMN number",
        *(f'CREATE INDEX ix_case_members_{name} ON case_members ("case")' for name in ("case", "asks", "exact")),
    )
    with any_db.write() as connection:
        for ident, content in contents.items():
            connection.execute(insert(schema.cases).values(case | {"id": ident, "fingerprint": content}))
        for number, ident in enumerate("bab", 1):
            row = member | {"case": ident, "number": number, "submission": f"s{number}"}
            connection.execute(insert(schema.case_members).values(row))
        for statement in before:
            connection.execute(text(statement))
        with Operations.context(MigrationContext.configure(connection)):
            migration("numbers_of_members").upgrade()
            migration("cases_of_campaigns").upgrade()
    with any_db.read() as connection:
        cases = {row.id: row.campaign for row in connection.execute(select(schema.cases))}
        members = connection.execute(select(schema.case_members)).all()
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    assert cases == {"a": "c0123456789abcdef", "b": "", "c": ""}
    assert all(row.number == row.seq for row in members)
    assert len(members) == 3


def test_cases_of_before_get_a_closing_time(any_db: Database) -> None:
    case = {"port": "1069", "rule": "r", "content": "", "opened_at": 1, "due_at": 1}
    states = {"old": "open", "undoable": "decided", "done": "effective", "new": "open"}
    with any_db.write() as connection:
        for ident, state in states.items():
            connection.execute(insert(schema.cases).values(case | {"id": ident, "fingerprint": ident, "state": state}))
        connection.execute(insert(schema.timers).values(kind="review-closed", subject="new", due_at=99))
        connection.execute(insert(schema.timers).values(kind="case-overdue", subject="old", due_at=98))
        with Operations.context(MigrationContext.configure(connection)):
            migration("closing_times").upgrade()
        rows = connection.execute(select(schema.timers)).all()
    found = {row.subject: row.due_at for row in rows if row.kind == "review-closed"}
    assert found == {"old": 0, "undoable": 0, "new": 99}


def test_a_migration_imports_nothing_that_may_change_later() -> None:
    for path in Path(versions.__file__ or "").parent.glob("[0-9]*.py"):
        found = re.findall(r"^\s*(?:from|import)\s+pipeline\b.*", path.read_text("utf-8"), re.MULTILINE)
        assert not found, path.name


def migration(name: str) -> ModuleType:
    (path,) = Path(versions.__file__ or "").parent.glob(f"*_{name}.py")
    return import_module(f"{versions.__name__}.{path.stem}")


def test_a_failing_migration_leaves_nothing(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'half.db'}", b"key")
    with db.write() as connection:
        connection.execute(text("CREATE TABLE users (name TEXT)"))  # in the way of ours
    with pytest.raises(AntispamError), db.write() as connection:
        upgrade(connection)
    with db.read() as connection:
        assert inspect(connection).get_table_names() == ["users"]
    db.close()
