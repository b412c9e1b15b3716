"""Backup and restore of the operational database: one format for both databases.

A backup is a gzipped JSON Lines file: a header, then the rows of every table, parents before children. All rows are
read in one snapshot transaction, so a backup is consistent while the pipeline runs. A backup of SQLite can be
restored into PostgreSQL. The file contains full texts and numbers; only its owner can read it. It does not contain
the keys (privacy.key, audit.key): a person with the file and the keys can undo the masking or forge the trail.
"""

from __future__ import annotations

import base64
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from sqlalchemy import Connection, LargeBinary, Table, func, inspect, select, text

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.database import Database
from pipeline.store.migrate import head, revision, upgrade

FORMAT = "antispam-backup-1"
_BATCH = 500
_encode = msgspec.json.Encoder().encode


class _Header(msgspec.Struct):
    format: str
    revision: str
    rows: dict[str, int]


class _Row(msgspec.Struct, array_like=True):
    table: str
    values: list[Any]


def backup(db: Database, path: Path) -> int:
    """Write a complete backup or none; returns the number of rows. Raises AntispamError and OSError."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    total = 0
    try:
        with db.read() as connection, _private(part) as raw:
            at = revision(connection)
            if at != head():
                raise AntispamError(f"the database is at migration {at}, this version at {head()}")
            tables = schema.metadata.sorted_tables
            counts = {str(t.name): connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, filename="") as out:
                out.write(_encode(_Header(FORMAT, at, counts)) + b"\n")
                for table in tables:
                    for row in connection.execution_options(yield_per=_BATCH).execute(
                        select(table).order_by(*table.primary_key)
                    ):
                        out.write(_encode(_Row(str(table.name), [_plain(value) for value in row])) + b"\n")
                        total += 1
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return total


def restore(db: Database, path: Path, actor: str, now: int, *, replace: bool) -> int:
    """Load a backup into a migrated database, all of it or nothing; returns the number of rows.

    The audit trail records the restore, so `audit.differing` ignores the published heads of discarded rows. Afterwards
    the relay publishes the whole configuration again as a new epoch. No other process may use the database during the
    restore. Raises AntispamError for a file that is not a backup, is damaged or comes from another version, for an
    audit trail that does not verify, and for a database with rows unless `replace`.
    """
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as source, db.write() as connection:
            header = _header(source, path)
            if header.revision != head():
                raise AntispamError(
                    f"{path}: made at migration {header.revision}, this version is at {head()}; "
                    "restore it with the version that made it, then upgrade"
                )
            _empty(connection, replace)
            counts = _load(connection, source, path)
            if counts != header.rows:
                raise AntispamError(f"{path}: rows are missing; the file is damaged")
            broken = audit.first_broken(connection)
            if broken is not None:
                raise AntispamError(
                    f"{path}: the audit trail is broken at row {broken}, or signed with another ANTISPAM_AUDIT_KEY; "
                    "nothing was restored"
                )
            # The topics are newer than the restored rows: without a position the relay publishes everything again.
            connection.execute(schema.positions.delete().where(schema.positions.c.consumer == "relay"))
            _number_on(connection)
            audit.record(connection, now, actor, audit.RESTORE, "database", after={"rows": sum(counts.values())})
            return sum(counts.values())
    except (EOFError, gzip.BadGzipFile, zlib.error, msgspec.MsgspecError) as error:
        raise AntispamError(f"{path}: not a backup, or damaged: {error}") from error


def _header(source: gzip.GzipFile, path: Path) -> _Header:
    header = msgspec.json.decode(source.readline(1 << 20), type=_Header)
    if header.format != FORMAT:
        raise AntispamError(f"{path}: format {header.format[:40]!r}, {FORMAT} expected")
    return header


def _empty(connection: Connection, replace: bool) -> None:
    """Drop and create the tables, because triggers forbid deleting audit rows."""
    # An empty database has one row in `epochs` and one in Alembic's table.
    held = [
        table.name
        for table in schema.metadata.sorted_tables
        if table.name != "epochs" and connection.execute(select(table).limit(1)).first() is not None
    ]
    if held and not replace:
        named = ", ".join(sorted(held)[:4])
        raise AntispamError(f"the database is not empty ({named}, …); --replace discards what it holds")
    schema.metadata.drop_all(connection)
    connection.execute(text("DROP TABLE alembic_version"))
    upgrade(connection)
    connection.execute(schema.epochs.delete())


def _load(connection: Connection, source: gzip.GzipFile, path: Path) -> dict[str, int]:
    counts = dict.fromkeys((table.name for table in schema.metadata.sorted_tables), 0)
    for table, rows in _batches(source, path):
        names = [column.name for column in table.columns]
        binary = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
        if any(len(row) != len(names) for row in rows):
            raise AntispamError(f"{path}: a row of {table.name} has the wrong number of columns")
        connection.execute(
            table.insert(),
            [
                {
                    name: base64.b64decode(value) if name in binary and value is not None else value
                    for name, value in zip(names, row, strict=True)
                }
                for row in rows
            ],
        )
        counts[table.name] += len(rows)
    return counts


def _batches(source: gzip.GzipFile, path: Path) -> Iterator[tuple[Table, list[list[Any]]]]:
    decode = msgspec.json.Decoder(_Row).decode
    name, rows = "", list[list[Any]]()
    for line in source:
        row = decode(line)
        if row.table not in schema.metadata.tables:
            raise AntispamError(f"{path}: unknown table {row.table[:40]!r}")
        if rows and (row.table != name or len(rows) == _BATCH):
            yield schema.metadata.tables[name], rows
            rows = []
        name = row.table
        rows.append(row.values)
    if rows:
        yield schema.metadata.tables[name], rows


def _number_on(connection: Connection) -> None:
    """Move PostgreSQL's sequences past the restored ids; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in schema.metadata.sorted_tables:
        for column in inspect(connection).get_columns(table.name):
            if "nextval" in (column.get("default") or ""):
                connection.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column['name']}'), "  # noqa: S608 - names of our schema
                        f'(SELECT coalesce(max("{column["name"]}"), 0) + 1 FROM "{table.name}"), false)'
                    )
                )


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
