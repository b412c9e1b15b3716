"""The record files taken from the SMSCs, and how far each has come.

A file is its source, name, size and time: the same name with other bytes is another file. Its row is
written before its first byte is fetched, so whatever lies in the spool after a crash is known.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, insert, select, update

from pipeline.store import schema
from pipeline.store.database import Database

# `removed`: ingested, and moved or deleted on the far side: should it be listed again, it is another file.
FETCHING, INGESTED, UNREADABLE, REMOVED = "fetching", "ingested", "unreadable", "removed"
_files = schema.record_files.c


class FileKey(NamedTuple):
    """What names a file; `size` in bytes, `modified` in the far side's words."""

    source: str
    name: str
    size: int
    modified: str


class RecordFile(NamedTuple):
    """A row with something left to do."""

    key: FileKey
    state: str
    digest: str | None
    cause: str


def begin(db: Database, keys: Collection[FileKey], now: int) -> None:
    """Note that these files are about to be fetched."""
    rows = [{**key._asdict(), "state": FETCHING, "taken_at": now} for key in keys]
    if rows:
        with db.write() as connection:
            for key in keys:  # a removed one of the same name
                connection.execute(delete(schema.record_files).where(*_is(key)))
            connection.execute(insert(schema.record_files), rows)


def known(db: Database, source: str) -> set[FileKey]:
    """Every file of the source that has a row, but for those removed from the far side."""
    query = select(_files.source, _files.name, _files.size, _files.modified)
    query = query.where(_files.source == source, _files.state != REMOVED)
    with db.read() as connection:
        return {FileKey(*row) for row in connection.execute(query)}


def unclosed(db: Database, source: str) -> list[RecordFile]:
    """Files with something left to do, in the order they were taken."""
    columns = (_files.source, _files.name, _files.size, _files.modified, _files.state, _files.digest, _files.cause)
    query = select(*columns).where(_files.source == source, _files.settled_at.is_(None))
    with db.read() as connection:
        rows = connection.execute(query.order_by(_files.taken_at, _files.modified, _files.name)).all()
    return [RecordFile(FileKey(*row[:4]), row.state, row.digest, row.cause) for row in rows]


def finish(
    db: Database, key: FileKey, now: int, digest: str | None, accepted: int, rejected: int, cause: str = ""
) -> None:
    """The file has been ingested (lines accepted and rejected), or is unreadable for a cause."""
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
    """Note that nothing is left to do for the file."""
    values = {"settled_at": now, **({"state": REMOVED} if removed else {})}
    with db.write() as connection:
        connection.execute(update(schema.record_files).where(*_is(key)).values(values))


def forget(db: Database, keys: Collection[FileKey]) -> None:
    """Drop the rows of files that were never fetched whole."""
    with db.write() as connection:
        for key in keys:
            connection.execute(delete(schema.record_files).where(*_is(key)))


def prune(db: Database, source: str, listed: Collection[FileKey], before: int) -> None:
    """Drop what was closed before that time (epoch ms) and is no longer listed on the far side."""
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
