"""The operational database: SQLite (WAL) by default, PostgreSQL by `ANTISPAM_DATABASE_URL`.

The same statements run on both. A write transaction takes SQLite's write lock at its start (`BEGIN IMMEDIATE`), so
the second of two writers waits instead of failing half-way.
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

BUSY_SECONDS = 30  # how long a writer waits for other writers before it fails
FORGET_MS = 500  # how long `forget` waits for readers before it leaves the WAL as it is
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
TURN_SECONDS = 0.001  # between two attempts to take the lock file


class Database:
    """Connections to the operational database. Threads may share it; forked processes may not."""

    def __init__(self, url: str, audit_secret: bytes) -> None:
        """`audit_secret` signs the audit trail. Raises AntispamError for an invalid URL."""
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
            raise AntispamError("ANTISPAM_DATABASE_URL: {error}", error=error) from None
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_settings)
            event.listen(self.engine, "begin", _sqlite_begin)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite, which has one writer at a time and no row locks."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction; the end of the block commits it, an exception rolls it back.

        Raises UnavailableError if the database is unreachable or stays locked, AntispamError for a refused statement.
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
        """A lock file before SQLite's lock: SQLite retries only every 100 ms, so one busy writer starves the others."""
        file = self.engine.url.database
        return _locked(f"{file}.turn") if self.is_sqlite and file and file != ":memory:" else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads all see one snapshot; on SQLite it never waits for a writer."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        try:
            with self.engine.connect().execution_options(**options) as connection:
                yield connection
        except (DBAPIError, PoolTimeoutError) as error:
            raise _plain(error) from error

    def forget(self) -> None:
        """Empty SQLite's WAL, so that no deleted row remains in it; PostgreSQL's vacuum cleans its own files.

        If readers still need the WAL, it stays as it is until the next call.
        """
        if not self.is_sqlite:
            return
        raw = self.engine.raw_connection()
        try:
            with self._turn():
                cursor = raw.cursor()
                cursor.execute(f"PRAGMA busy_timeout={FORGET_MS}")  # short, because writers wait for it
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        finally:
            raw.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def database(settings: Settings) -> Database:
    """The operational database of these settings. Creates its folder, but no tables (see `migrate`)."""
    if settings.database_url is not None:
        return Database(settings.database_url.get_secret_value(), settings.audit_secret)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(f"sqlite:///{settings.data_dir / 'operational.db'}", settings.audit_secret)


def upsert(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's dialect, with `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold a lock file; the kernel releases it if the process dies. Raises UnavailableError after BUSY_SECONDS."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up = monotonic() + BUSY_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > give_up:
                    raise UnavailableError(
                        "operational database: others wrote for {seconds} s on end", seconds=BUSY_SECONDS
                    ) from None
                sleep(TURN_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _options(backend: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}


def _plain(error: DBAPIError | PoolTimeoutError) -> AntispamError:
    """An error with the driver's message only: the statement's parameters may contain numbers and texts."""
    if isinstance(error, PoolTimeoutError):
        return UnavailableError("operational database: no free connection in time")
    kind = UnavailableError if _is_away(error) else AntispamError
    return kind(f"operational database: {str(error.orig).splitlines()[0] if error.orig else 'error'}")


def _is_away(error: DBAPIError) -> bool:
    """Whether a retry may succeed. SQLite uses one error class for outages and for wrong statements."""
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _SQLITE_AWAY
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _sqlite_settings(connection: Any, _: Any) -> None:
    # The driver must not begin transactions: _sqlite_begin does.
    connection.isolation_level = None
    cursor = connection.cursor()
    _to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # a committed verdict survives a power failure
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # deleted texts and numbers are overwritten, not only unlinked
    cursor.close()


def _to_wal(cursor: Any) -> None:
    """Set WAL mode with retries: it needs a new file exclusively, and SQLite does not wait for that."""
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
