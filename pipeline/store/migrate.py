"""Migrates the operational database to the schema of this version.

Every process calls `migrate` when it opens the database. If several start at once, the first takes the lock
(SQLite's write lock, an advisory lock on PostgreSQL), and the others find no migration left to run.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.store.database import Database, database

_SCRIPTS = Path(__file__).with_name("migrations")
_LOCK = 0x616E7469  # key of PostgreSQL's advisory lock: "anti" in ASCII


def migrate(db: Database) -> None:
    """Run all missing migrations in one transaction.

    Raises AntispamError for a database that a newer version has migrated.
    """
    with db.read() as connection:
        if revision(connection) == head():
            return
    with db.write() as connection:
        upgrade(connection)


def open_database(settings: Settings) -> Database:
    """The operational database of these settings, migrated. Raises AntispamError."""
    db = database(settings)
    migrate(db)
    return db


def upgrade(connection: Connection) -> None:
    """Run all missing migrations in the caller's transaction. Raises AntispamError like `migrate`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise AntispamError(f"operational database: {error}; was it migrated by a newer version?") from error


def revision(connection: Connection) -> str | None:
    """The revision of the database, or None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision of this version."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise AntispamError("the installation contains no migrations")
    return newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
