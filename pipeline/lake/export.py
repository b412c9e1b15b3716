"""`antispam export`: a copy of the analysts' views for BI tools, as Parquet files or as one DuckDB file.

A copy has what the views have: hashed numbers and masked texts. It is made under another name and renamed, so a reader
finds the copy before or the new one, whole.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from pipeline.errors import AntispamError
from pipeline.lake.meanings import ROWS, meaning
from pipeline.lake.views import open_empty, refresh
from pipeline.settings import Settings

DUCKDB = ".duckdb"


def export(
    settings: Settings, target: Path, views: Sequence[str] = (), since: date | None = None, until: date | None = None
) -> dict[str, int]:
    """Copy views (all by default) to `target`: a DuckDB file if it ends in .duckdb, else a folder of Parquet files.

    Of views with days, only those from `since` to `until` (both included). Returns the rows of each view. Raises
    AntispamError for an unknown view and for a place that cannot be written.
    """
    unknown = [view for view in views if view not in ROWS]
    if unknown:
        raise AntispamError(f"export: there is no view {unknown[0]!r}; one of {', '.join(ROWS)}")
    chosen = list(dict.fromkeys(views)) or list(ROWS)
    try:
        with open_empty(settings) as connection:
            refresh(connection, settings)
            if target.suffix == DUCKDB:
                return _to_database(connection, target, chosen, since, until)
            return _to_folder(connection, target, chosen, since, until)
    except (duckdb.Error, OSError) as error:
        raise AntispamError(f"export: {str(error).splitlines()[0]}") from None


def _to_folder(
    connection: duckdb.DuckDBPyConnection, folder: Path, views: list[str], since: date | None, until: date | None
) -> dict[str, int]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    counts = {}
    for view in views:
        made = folder / f".{view}.parquet.new"
        rows = _rows(connection, view, since, until)
        [[counts[view]]] = connection.execute(
            f"COPY ({rows}) TO '{_quoted(made)}' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchall()
        _settle(made, folder / f"{view}.parquet")
    return counts


def _to_database(
    connection: duckdb.DuckDBPyConnection, file: Path, views: list[str], since: date | None, until: date | None
) -> dict[str, int]:
    made = file.with_name(f".{file.name}.new")
    made.unlink(missing_ok=True)
    connection.execute(f"ATTACH '{_quoted(made)}' AS copied")
    counts = {}
    for view in views:
        rows = _rows(connection, view, since, until)
        [[counts[view]]] = connection.execute(f"CREATE TABLE copied.{view} AS {rows}").fetchall()
        connection.execute(f"COMMENT ON TABLE copied.{view} IS '{_quoted(ROWS[view])}'")
        for column in _columns(connection, view):
            told = _quoted(meaning(view, column))
            connection.execute(f"COMMENT ON COLUMN copied.{view}.\"{column}\" IS '{told}'")
    connection.execute("DETACH copied")
    _settle(made, file)
    return counts


def _rows(connection: duckdb.DuckDBPyConnection, view: str, since: date | None, until: date | None) -> str:
    day = next((name for name in ("dt", "day") if name in _columns(connection, view)), None)
    bounds = [(">=", since), ("<=", until)] if day else []
    conditions = "".join(f" AND {day} {sign} DATE '{bound.isoformat()}'" for sign, bound in bounds if bound)
    return f"SELECT * FROM {view} WHERE true{conditions}"  # noqa: S608 - of our own words


def _columns(connection: duckdb.DuckDBPyConnection, view: str) -> list[str]:
    return [column[0] for column in connection.execute(f"DESCRIBE {view}").fetchall()]


def _settle(made: Path, place: Path) -> None:
    with made.open("rb") as file:
        os.fsync(file.fileno())
    made.replace(place)


def _quoted(text: str | Path) -> str:
    return str(text).replace("'", "''")
