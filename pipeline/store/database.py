"""The operational database: SQLite (WAL) by default, PostgreSQL by `ANTISPAM_DATABASE_URL`.

The same statements run on both. A transaction that writes takes SQLite's write lock at its start
(`BEGIN IMMEDIATE`), so two writers wait for each other instead of failing half-way.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipeline.errors import AntispamError, UnavailableError
from pipeline.settings import Settings

BUSY_SECONDS = 30  # that a writer waits for others before it gives up
FORGET_MS = 500  # that readers are waited for when the log is to be emptied
_SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)
TURN_SECONDS = 0.001  # between its looks whether it may


class Database:
    """Connections to the operational database; safe to share between threads, not over a fork."""

    def __init__(self, url: str, audit_secret: bytes) -> None:
        """`audit_secret` signs the audit trail. Raises AntispamError for an address that is none."""
        try:
            parsed = make_url(url)
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            self.engine: Engine = create_engine(
                parsed,
                hide_parameters=True,
                execution_options={"antispam_audit_secret": audit_secret},
                **_options(parsed.get_backend_name()),
            )
        except (ArgumentError, ModuleNotFoundError, KeyError) as error:
            raise AntispamError(f"ANTISPAM_DATABASE_URL: {error}") from None
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_settings)
            event.listen(self.engine, "begin", _sqlite_begin)

    @property
    def is_sqlite(self) -> bool:
        """True for SQLite, which has one writer at a time and no row locks."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block and rolled back by an exception.

        Raises UnavailableError when the database cannot be reached or stays locked, AntispamError when it refuses.
        """
        try:
            with (
                self._turn(),
                self.engine.connect().execution_options(antispam_write=True) as connection,
                connection.begin(),
            ):
                yield connection
        except (DBAPIError, PoolTimeoutError) as error:
            raise _plain(error) from error

    def _turn(self) -> AbstractContextManager[None]:
        """SQLite's own waiting sleeps up to 100 ms between looks, so a busy writer starves the others."""
        file = self.engine.url.database
        return _locked(f"{file}.turn") if self.is_sqlite and file and file != ":memory:" else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads all see one state, however long they take; never waits for a writer on SQLite."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        try:
            with self.engine.connect().execution_options(**options) as connection:
                yield connection
        except (DBAPIError, PoolTimeoutError) as error:
            raise _plain(error) from error

    def forget(self) -> None:
        """Leave nothing of deleted rows in SQLite's log; PostgreSQL's own vacuum sees to its files.

        While readers still need the log it stays as it is, for the next call.
        """
        if not self.is_sqlite:
            return
        raw = self.engine.raw_connection()
        try:
            with self._turn():
                cursor = raw.cursor()
                cursor.execute(f"PRAGMA busy_timeout={FORGET_MS}")  # writers wait meanwhile
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        finally:
            raw.close()

    def close(self) -> None:
        """End all connections."""
        self.engine.dispose()


def database(settings: Settings) -> Database:
    """The operational database of these settings; its folder is made, its tables are not (migrations)."""
    if settings.database_url is not None:
        return Database(settings.database_url.get_secret_value(), settings.audit_secret)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(f"sqlite:///{settings.data_dir / 'operational.db'}", settings.audit_secret)


def upsert(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's dialect, with `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when the process dies. Raises AntispamError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up = monotonic() + BUSY_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > give_up:
                    raise UnavailableError(f"operational database: others wrote for {BUSY_SECONDS} s on end") from None
                sleep(TURN_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _options(backend: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}


def _plain(error: DBAPIError | PoolTimeoutError) -> AntispamError:
    """The driver's own words; the statement's parameters may hold numbers and texts."""
    if isinstance(error, PoolTimeoutError):
        return UnavailableError("operational database: no free connection in time")
    kind = UnavailableError if _is_away(error) else AntispamError
    return kind(f"operational database: {str(error.orig).splitlines()[0] if error.orig else 'error'}")


def _is_away(error: DBAPIError) -> bool:
    """Whether the same statement may succeed later. SQLite has one class for outages and for wrong statements."""
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _SQLITE_AWAY
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _sqlite_settings(connection: Any, _: Any) -> None:
    # The driver begins no transaction of its own; _sqlite_begin does.
    connection.isolation_level = None
    cursor = connection.cursor()
    _to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # a committed verdict survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # deleted texts and numbers are overwritten, not only unlinked
    cursor.close()


def _to_wal(cursor: Any) -> None:
    """The change of a new file's mode needs it alone, and SQLite does not wait for that by itself."""
    give_up = monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if monotonic() > give_up:
                raise
            sleep(TURN_SECONDS)


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("antispam_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
