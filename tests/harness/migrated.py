"""Operational databases for tests, copied from one that is migrated once a process.

A migration takes 0.1 s of one core, a copy 1 ms, and hundreds of tests want a database of their own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.settings import Settings
from pipeline.store.database import Database
from pipeline.store.migrate import migrate, open_database

AUDIT_SECRET = b"of the audit"  # signs the trail of the tests' databases; an empty trail fits any secret


@cache
def _template() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "operational.db"
        db = Database(f"sqlite:///{file}", AUDIT_SECRET)
        migrate(db)
        db.close()  # the last connection that closes brings the log into the file
        return file.read_bytes()


def migrated_sqlite(file: Path) -> Database:
    """A new, migrated SQLite database in this file."""
    file.write_bytes(_template())
    return Database(f"sqlite:///{file}", AUDIT_SECRET)


def migrated_database(settings: Settings) -> Database:
    """`open_database` for a test; a SQLite database that is not there yet is made from the copy."""
    if settings.database_url is None:
        file = settings.data_dir / "operational.db"
        if not file.exists():
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_template())
    return open_database(settings)
