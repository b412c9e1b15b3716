"""The lake's Delta tables on disk: where they lie, how they are made, and the one way to append.

The commit of an append holds the rows and the last offset of every partition they come from (a Delta application
transaction). `append` writes only if its snapshot still has the offsets that the writer expects. delta-rs refuses a
commit when another commit has moved the same application id since that snapshot (measured: "Concurrent transaction
failed"). Check and commit together fence a stale writer, across processes and hosts, without a lock.
"""

from __future__ import annotations

import fcntl
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from pipeline.errors import UnavailableError

Place: TypeAlias = Path | str  # the folder of the lake, or its address in an object store

READER_GRACE_HOURS = 1  # files that left the newest snapshot stay this long for running queries

_CONFIGURATION = {
    "delta.logRetentionDuration": f"interval {READER_GRACE_HOURS} hours",
    "delta.deletedFileRetentionDuration": f"interval {READER_GRACE_HOURS} hours",
    "delta.checkpointInterval": "100",
}
# Delta's log copies the least and greatest value of each column; for full texts that would be a leak.
_FULL_CONFIGURATION = {**_CONFIGURATION, "delta.dataSkippingNumIndexedCols": "0"}
# DuckDB leaves out row groups by their least and greatest values: those of an hour that is not asked for, for example.
# A flush is a row group or less, and compaction keeps the order.
# A dictionary of values that are nearly all different (hashes, ids) makes a file larger: a small limit ends it soon.
WRITER = WriterProperties(compression="ZSTD", max_row_group_size=20_000, dictionary_page_size_limit=64 * 2**10)


class Stored(Hashable, Protocol):
    """What is stored as one Delta table: a table of events, or a roll-up."""

    @property
    def name(self) -> str:
        """Its name, also of its folder and view."""

    @property
    def schema(self) -> pa.Schema:
        """Its Arrow schema, with the partition column `dt`."""

    @property
    def full(self) -> bool:
        """Whether it lies behind mode 0700."""


class Fenced(Exception):  # noqa: N818 - the field's term
    """Another writer has moved a partition on. This writer must throw away its rows of that partition."""


def path_of(lake: Place, table: Stored) -> Place:
    """The folder of a table: analysts' tables in the lake, full texts under `full`."""
    within = f"full/{table.name}" if table.full else table.name
    return lake / within if isinstance(lake, Path) else f"{lake}/{within}"


def find_table(lake: Place, table: Stored) -> DeltaTable | None:
    """The newest snapshot of a table; None if the table does not exist yet.

    Raises UnavailableError if the object store does not answer.
    """
    path = path_of(lake, table)
    try:
        return DeltaTable(path) if DeltaTable.is_deltatable(str(path)) else None
    except (DeltaError, OSError) as error:
        if isinstance(lake, Path):
            raise
        raise UnavailableError(f"the lake's table {table.name} cannot be read: {error}") from error


def open_table(lake: Place, table: Stored) -> DeltaTable:
    """The table, created if missing, with missing fields added. Only the owner can read the folder `full`."""
    path = path_of(lake, table)
    if isinstance(path, Path):
        if table.full:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.chmod(0o700)
        path.mkdir(parents=True, exist_ok=True)
    with locked(lake, "tables"):
        found = DeltaTable.create(
            path,
            schema=table.schema,
            mode="ignore",
            partition_by=["dt"],
            configuration=_FULL_CONFIGURATION if table.full else _CONFIGURATION,
        )
        if found.schema() != Schema.from_arrow(table.schema):
            # Fields are merged, not replaced: one may be missing at any depth of a list of structs.
            write_deltalake(found, table.schema.empty_table(), mode="append", schema_mode="merge")
            found.update_incremental()
    return found


def append(table: DeltaTable, rows: pa.Table, expected: Mapping[str, int | None], last: Mapping[str, int]) -> None:
    """Add the rows and move each application id in `last` on from its `expected` version, or do neither.

    `table` is updated to the new snapshot. Raises Fenced if another writer has committed first. Raises DeltaError or
    OSError if writing failed; then both rows and versions are in the table, or neither.
    """
    table.update_incremental()
    _check(table, expected, last)
    transactions = [Transaction(app_id, version) for app_id, version in last.items()]
    try:
        write_deltalake(
            table,
            rows,
            mode="append",
            writer_properties=WRITER,
            commit_properties=CommitProperties(app_transactions=transactions),
        )
    except CommitFailedError:
        table.update_incremental()
        _check(table, expected, last)
        raise  # no other writer committed: the commit failed for another reason


def _check(table: DeltaTable, expected: Mapping[str, int | None], last: Iterable[str]) -> None:
    for app_id in last:
        if table.transaction_version(app_id) != expected[app_id]:
            raise Fenced(f"another writer has moved {app_id} of {table.table_uri.rsplit('/', 1)[-1]}")


@contextmanager
def locked(lake: Place, what: str, wait: bool = True) -> Iterator[None]:
    """Hold the lake's lock of this name against the other processes of this host.

    In an object store there is none: there, Delta refuses the later of two commits that change the same.
    Raises UnavailableError at once if `wait` is false and another process holds it.
    """
    if not isinstance(lake, Path):
        yield
        return
    lake.mkdir(parents=True, exist_ok=True)
    with (lake / f".{what}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise UnavailableError(f"another process is at work on the lake's {what}") from None
        yield
