"""Bringing the operational database to the tables this version works with.

Every process calls `migrate` when it opens the database. Several may start at once: the first takes
the lock (SQLite's write lock, an advisory lock on PostgreSQL), the others find nothing left to do.
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
_LOCK = 0x616E7469  # of PostgreSQL's advisory locks: "anti"


def migrate(db: Database) -> None:
    """Bring the tables to this version; all of it or, when something fails, nothing.

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
    """`migrate` within a transaction that is already open."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise AntispamError(f"operational database: {error}; was it migrated by a newer version?") from error


def revision(connection: Connection) -> str | None:
    """The migration the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest migration of this version."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise AntispamError("the installation has lost its migrations")
    return newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
