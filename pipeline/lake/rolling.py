"""The stored roll-ups: opened or made anew, brought up to their tables, and merged.

A roll-up is a function of its table, so it can always be made anew. This happens when it is missing (the lake of an
older version) or when its definition has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from pipeline.lake import delta
from pipeline.lake.rollups import ROLLUPS, Rollup

DEFINITION = "definition"  # application id whose version is the version of the roll-up's definition


def open_rollup(lake: delta.Place, rollup: Rollup) -> DeltaTable:
    """The roll-up's newest snapshot, made anew from its table if it is missing or of another definition."""
    with delta.locked(lake, "rollups"):
        made = delta.find_table(lake, rollup)
        if made is not None and made.transaction_version(DEFINITION) == rollup.version:
            return made
        return _make(lake, rollup)


def roll_up(lake: delta.Place) -> None:
    """Make every roll-up anew: for a lake that was not filled by a sink."""
    with delta.locked(lake, "rollups"):
        for rollup in ROLLUPS:
            _make(lake, rollup)


def _make(lake: delta.Place, rollup: Rollup) -> DeltaTable:
    made = delta.find_table(lake, rollup) or delta.open_table(lake, rollup)
    raw = delta.find_table(lake, rollup.of)
    days = [] if raw is None else [rollup.rows(day) for day in _days(raw, rollup)]
    last = {} if raw is None else _positions(raw)
    transactions = [Transaction(app_id, version) for app_id, version in last.items()]
    write_deltalake(
        made,
        rollup.merged(pa.concat_tables([rollup.schema.empty_table(), *days])),
        mode="overwrite",
        schema_mode="overwrite",
        writer_properties=delta.WRITER,
        commit_properties=CommitProperties(app_transactions=[Transaction(DEFINITION, rollup.version), *transactions]),
    )
    made.update_incremental()
    return made


def catch_up(made: DeltaTable, raw: DeltaTable, rollup: Rollup, log_id: str, partition: int) -> None:
    """Count the rows of one partition that the table holds and the roll-up does not.

    A sink of an older version may have written them. Raises what `delta.append` raises.
    """
    app_id = f"{log_id}/{partition}"
    has, holds = made.transaction_version(app_id), raw.transaction_version(app_id)
    if holds is None or (has is not None and has >= holds):
        return
    column = pc.field
    missing = (column("log_id") == log_id) & (column("partition") == partition) & (column("offset") <= holds)
    if has is not None:
        missing &= column("offset") > has
    sums = [rollup.rows(day) for day in _days(raw, rollup, missing)]
    rows = rollup.merged(pa.concat_tables([rollup.schema.empty_table(), *sums]))
    delta.append(made, rows, {app_id: has}, {app_id: holds})


def merge(made: DeltaTable, rollup: Rollup) -> tuple[int, int]:
    """Merge rows with the same keys in days of several files; returns files merged away and files written.

    A day that another writer adds to meanwhile is left for the next time.
    """
    made.update_incremental()
    files = pa.table(made.get_add_actions(flatten=True))
    merged = written = 0
    for day, count in _count_by_day(files):
        if count == 1:
            continue
        rows = made.to_pyarrow_dataset().to_table(filter=pc.field("dt") == day)
        try:
            write_deltalake(
                made,
                rollup.merged(rows.cast(rollup.schema)),
                mode="overwrite",
                predicate=f"dt = '{day.isoformat()}'",
                writer_properties=delta.WRITER,
            )
        except CommitFailedError:
            made.update_incremental()
            continue
        made.update_incremental()
        merged += count
        written += 1
    return merged, written


def _count_by_day(files: pa.Table) -> list[tuple[Any, int]]:
    counts: Any = files.group_by("partition.dt").aggregate([("path", "count")])
    return list(zip(counts["partition.dt"].to_pylist(), counts["path_count"].to_pylist(), strict=True))


def _days(raw: DeltaTable, rollup: Rollup, condition: Any = None) -> Iterator[pa.Table]:
    """The rows of a table, a day at a time, with the columns of its newest schema."""
    dataset = raw.to_pyarrow_dataset(schema=rollup.of.schema)
    for day, _ in _count_by_day(pa.table(raw.get_add_actions(flatten=True))):
        of_day = pc.field("dt") == day
        yield dataset.to_table(filter=of_day if condition is None else of_day & condition)


def _positions(raw: DeltaTable) -> dict[str, int]:
    """The last offset that the table holds of each partition of its rows, by application id."""
    if not raw.file_uris():
        return {}
    rows = raw.to_pyarrow_dataset().to_table(columns=["log_id", "partition"])
    pairs = rows.group_by(["log_id", "partition"]).aggregate([])
    app_ids = (f"{row['log_id']}/{row['partition']}" for row in pairs.to_pylist())
    versions = {app_id: raw.transaction_version(app_id) for app_id in app_ids}
    return {app_id: version for app_id, version in versions.items() if version is not None}
