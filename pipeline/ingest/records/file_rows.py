"""The table of record files taken from the SMSCs, with the state of each.

A file is identified by its source, name, size and time: the same name with other bytes is another file. The row is
written before the first byte is fetched, so after a crash every file in the spool is known.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, insert, select, update

from pipeline.store import schema
from pipeline.store.database import Database

# `removed`: ingested, then moved or deleted on the far side. If it is listed again, it is another file.
FETCHING, INGESTED, UNREADABLE, REMOVED = "fetching", "ingested", "unreadable", "removed"
_files = schema.record_files.c


class FileKey(NamedTuple):
    """The identity of a file; `size` in bytes, `modified` as the far side writes it."""

    source: str
    name: str
    size: int
    modified: str


class RecordFile(NamedTuple):
    """The row of a file with work left to do."""

    key: FileKey
    state: str
    digest: str | None
    cause: str


def begin(db: Database, keys: Collection[FileKey], now: int) -> None:
    """Note that these files will be fetched."""
    rows = [{**key._asdict(), "state": FETCHING, "taken_at": now} for key in keys]
    if rows:
        with db.write() as connection:
            # A removed file of the same name may have a row.
            for key in keys:
                connection.execute(delete(schema.record_files).where(*_is(key)))
            connection.execute(insert(schema.record_files), rows)


def known(db: Database, source: str) -> set[FileKey]:
    """Every file of the source that has a row, without the files removed from the far side."""
    query = select(_files.source, _files.name, _files.size, _files.modified)
    query = query.where(_files.source == source, _files.state != REMOVED)
    with db.read() as connection:
        return {FileKey(*row) for row in connection.execute(query)}


def unclosed(db: Database, source: str) -> list[RecordFile]:
    """Files with work left to do, in the order in which they were taken."""
    columns = (_files.source, _files.name, _files.size, _files.modified, _files.state, _files.digest, _files.cause)
    query = select(*columns).where(_files.source == source, _files.settled_at.is_(None))
    with db.read() as connection:
        rows = connection.execute(query.order_by(_files.taken_at, _files.modified, _files.name)).all()
    return [RecordFile(FileKey(*row[:4]), row.state, row.digest, row.cause) for row in rows]


def finish(
    db: Database, key: FileKey, now: int, digest: str | None, accepted: int, rejected: int, cause: str = ""
) -> None:
    """Note that the file has been ingested (lines accepted and rejected), or is unreadable for the given cause."""
    state = UNREADABLE if cause else INGESTED
    values = {
        "state": state,
        "finished_at": now,
        "digest": digest,
        "accepted": accepted,
        "rejected": rejected,
        "cause": cause,
    }
    with db.write() as connection:
        connection.execute(update(schema.record_files).where(*_is(key)).values(values))


def close(db: Database, key: FileKey, now: int, *, removed: bool = False) -> None:
    """Note that no work is left for the file."""
    values = {"settled_at": now, **({"state": REMOVED} if removed else {})}
    with db.write() as connection:
        connection.execute(update(schema.record_files).where(*_is(key)).values(values))


def forget(db: Database, keys: Collection[FileKey]) -> None:
    """Delete the rows of files whose fetch never completed."""
    with db.write() as connection:
        for key in keys:
            connection.execute(delete(schema.record_files).where(*_is(key)))


def prune(db: Database, source: str, listed: Collection[FileKey], before: int) -> None:
    """Delete rows closed before `before` (epoch ms) whose files are no longer listed on the far side."""
    query = select(_files.source, _files.name, _files.size, _files.modified)
    with db.read() as connection:
        rows = connection.execute(query.where(_files.source == source, _files.settled_at < before)).all()
    gone = {FileKey(*row) for row in rows}.difference(listed)
    if gone:
        forget(db, gone)


def _is(key: FileKey) -> tuple[ColumnElement[bool], ...]:
    return (
        _files.source == key.source,
        _files.name == key.name,
        _files.size == key.size,
        _files.modified == key.modified,
    )
