"""Keeping the lake small and lawful: few files, no old files, no old days.

A commit every few seconds makes thousands of small files a day, and a query opens each. Compaction
rewrites them in two steps, so that a day's data is not rewritten again and again: small ones into
middling ones every few minutes, those into large ones every hour. Readers hold a list of files:
files that left the newest snapshot are deleted only after READER_GRACE_HOURS.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from pipeline.errors import AntispamError
from pipeline.lake.delta import READER_GRACE_HOURS, WRITER, Stored, find_table, locked
from pipeline.lake.rolling import merge
from pipeline.lake.rollups import ROLLUPS, Rollup
from pipeline.lake.tables import CONFIGURATION, FULL, SHARED
from pipeline.settings import Settings

MIDDLING_BYTES = 8 * 2**20
LARGE_BYTES = 128 * 2**20
TRIES = 5
KEPT: tuple[Stored, ...] = (*SHARED, *FULL, *ROLLUPS)


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction did: files merged away, files written, old files deleted from disk."""

    merged: int
    written: int
    deleted: int


def compact(settings: Settings, target_bytes: int = LARGE_BYTES, grace_hours: int = READER_GRACE_HOURS) -> Compaction:
    """Merge files smaller than `target_bytes` day by day; delete files unused for `grace_hours`.

    Writers and readers go on meanwhile. Raises AntispamError when another process is at it, or the
    lake cannot be written.
    """
    merged = written = deleted = 0
    with locked(settings.lake_place, "upkeep", wait=False):
        for table in KEPT:
            found = find_table(settings.lake_place, table)
            if found is None:
                continue
            try:
                if isinstance(table, Rollup) and target_bytes >= LARGE_BYTES:
                    files, days = merge(found, table)
                    merged += files
                    written += days
                done = found.optimize.compact(target_size=target_bytes, writer_properties=WRITER)
                merged += done["numFilesRemoved"]
                written += done["numFilesAdded"]
                if target_bytes >= LARGE_BYTES:  # listing every folder is for the hourly run only
                    deleted += _vacuum(found, grace_hours)
            except (DeltaError, OSError) as error:
                raise AntispamError(f"cannot compact the lake's table {table.name}: {error}") from error
    return Compaction(merged, written, deleted)


def expire(settings: Settings, now: datetime.datetime, grace_hours: int = READER_GRACE_HOURS) -> int:
    """Delete whole days (UTC) older than `retention_days` from every table, full text included.

    Of the configuration, changes that are still in force stay: the days that stay were decided with them.

    Returns how many rows went. They leave the tables at once; their bytes leave the disk when no
    query that began before can still read them, `grace_hours` later, with the next call of this or
    of `compact`; `grace_hours=0` deletes them now, and may break such a query.
    """
    oldest = now.astimezone(datetime.UTC).date() - datetime.timedelta(days=settings.retention_days)
    rows = 0
    with locked(settings.lake_place, "upkeep"):
        for table in KEPT:
            for attempt in range(1, TRIES + 1):
                found = find_table(settings.lake_place, table)
                if found is None:
                    break
                try:
                    gone = _delete(found, table, oldest)
                    if gone:
                        _forget(found)
                    rows += 0 if isinstance(table, Rollup) else gone
                    _vacuum(found, grace_hours)
                    break
                except CommitFailedError as error:  # a writer was faster
                    if attempt == TRIES:
                        raise AntispamError(f"cannot expire days of {table.name}: {error}") from error
    return rows


def _delete(found: DeltaTable, table: Stored, oldest: datetime.date) -> int:
    """Delete the rows before this day; returns their number."""
    before = f"dt < '{oldest.isoformat()}'"
    if table is not CONFIGURATION:
        return int(found.delete(before)["num_deleted_rows"])
    from pyarrow import compute, dataset  # slow to import, and needed once an hour

    rows = found.to_pyarrow_dataset().to_table(filter=dataset.field("dt") < oldest)
    rows = rows.sort_by([("epoch", "ascending"), ("offset", "ascending")])
    if not rows.num_rows:
        return 0
    names = zip(rows["kind"].to_pylist(), rows["name"].to_pylist(), strict=True)
    newest = rows.take(sorted({name: n for n, name in enumerate(names)}.values()))
    in_force = newest.filter(compute.or_(compute.is_valid(newest["value"]), compute.is_valid(newest["file"])))
    if in_force.num_rows < rows.num_rows:
        write_deltalake(found, in_force, mode="overwrite", predicate=before, writer_properties=WRITER)
    return int(rows.num_rows - in_force.num_rows)


def _forget(table: DeltaTable) -> None:
    """Delete the log's old entries: they name the least and greatest values of files that are gone.

    Delta does so by itself every 100 commits, which a quiet table may take months to reach.
    """
    table.update_incremental()
    table.create_checkpoint()
    table.cleanup_metadata()


def _vacuum(table: DeltaTable, grace_hours: int) -> int:
    return len(
        table.vacuum(
            retention_hours=grace_hours,
            dry_run=False,
            enforce_retention_duration=False,
            # Also what a killed writer left uncommitted; young files are a live writer's.
            full=grace_hours > 0,
        )
    )
