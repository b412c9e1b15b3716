"""The migrated database is the schema the code works with, on both databases, however many start at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.migrate import head, migrate, revision, upgrade


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


@pytest.mark.parametrize("verb", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
def test_the_audit_cannot_be_changed(any_db: Database, verb: str) -> None:
    with any_db.write() as connection:
        audit.record(connection, 1, "tester", "probe", "probe/1")
    with pytest.raises(AntispamError, match="append-only"), any_db.write() as connection:
        connection.execute(text(verb))
    with any_db.read() as connection:
        assert connection.execute(select(schema.audit.c.actor)).scalars().all() == ["tester"]


def test_postgresql_refuses_to_truncate_the_audit(postgres_db: Database) -> None:
    with pytest.raises(AntispamError, match="append-only"), postgres_db.write() as connection:
        connection.execute(text("TRUNCATE audit"))


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
        db = Database(any_db.engine.url.render_as_string(hide_password=False))
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


def test_processes_may_migrate_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    code = (
        "from pipeline.store.database import Database; from pipeline.store.migrate import migrate; "
        f"migrate(Database({url!r}))"
    )
    children = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    for child in children:
        _, errors = child.communicate(timeout=60)
        assert child.returncode == 0, errors.decode()
    db = Database(url)
    with db.read() as connection:
        assert set(schema.metadata.tables) <= set(inspect(connection).get_table_names())
    db.close()


def test_a_failing_migration_leaves_nothing(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'half.db'}")
    with db.write() as connection:
        connection.execute(text("CREATE TABLE users (name TEXT)"))  # in the way of ours
    with pytest.raises(AntispamError), db.write() as connection:
        upgrade(connection)
    with db.read() as connection:
        assert inspect(connection).get_table_names() == ["users"]
    db.close()
