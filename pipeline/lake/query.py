"""`antispam query`: one SELECT over the lake, from a person without our trust.

The statement must be a single SELECT (or DESCRIBE, SHOW, SUMMARIZE, VALUES). It runs in a read-only transaction, can
read only the files of the analysts' views, and cannot change the settings that say so. Its time, memory and rows are
limited.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Literal, TextIO, get_args

import duckdb
import pyarrow as pa
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from pipeline.errors import AntispamError
from pipeline.lake.meanings import ROWS, meaning
from pipeline.lake.views import open_empty, refresh
from pipeline.settings import Settings
from pipeline.text.spreadsheet import defused

Format = Literal["table", "csv", "json"]
FORMATS: tuple[str, ...] = get_args(Format)


LIMIT = 100_000  # rows of an answer, unless the caller asks for another number
TIMEOUT = 300.0  # seconds, likewise
MEMORY = "4GB"
BATCH = 10_000
INTERRUPT_SECONDS = 0.05


def query(sql: str, settings: Settings, limit: int = LIMIT, timeout: float = TIMEOUT) -> pa.Table:
    """The first `limit` rows of one SELECT over the newest snapshot.

    Raises AntispamError with a one-line reason, also when the answer takes longer than `timeout` seconds.
    """
    connection = open_empty(settings)
    done, late = Event(), Event()

    def interrupt() -> None:
        if not done.wait(timeout):
            late.set()
        while not done.wait(INTERRUPT_SECONDS):  # an interrupt between two statements is lost
            connection.interrupt()

    limiter = Thread(target=interrupt, daemon=True)
    limiter.start()
    try:
        files = refresh(connection, settings)
        _lock(connection, files)
        statement = _single_select(connection, sql)
        connection.execute("BEGIN TRANSACTION READ ONLY")
        # WITH may hold a COPY only at the top of a statement, and DuckDB would allow a COPY into a file of the
        # lake. So the statement is first bound as a subquery.
        connection.execute(f"EXPLAIN SELECT * FROM (\n{statement}\n)")  # noqa: S608 - the user's own statement
        return _first(connection.sql(statement).to_arrow_reader(BATCH), limit)
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # the latter two while rows are fetched
        if late.is_set():
            raise AntispamError(f"query: not answered within {timeout:g} s; a condition on dt may help") from None
        raise AntispamError(f"query: {_one_line(error)}") from None
    finally:
        done.set()
        limiter.join()
        connection.close()


def _first(batches: pa.RecordBatchReader, limit: int) -> pa.Table:
    taken, rows = [], 0
    for batch in batches:
        taken.append(batch)
        rows += batch.num_rows
        if rows >= limit:
            break
    return pa.Table.from_batches(taken, batches.schema).slice(0, limit)


def describe(view: str | None) -> pa.Table:
    """The views and what a row of each is; or the columns of one view. Raises AntispamError for an unknown view."""
    if view is None:
        return pa.table({"view": list(ROWS), "row": list(ROWS.values())})
    if view not in ROWS:
        raise AntispamError(f"query: there is no view {view!r}; one of {', '.join(ROWS)}")
    with TemporaryDirectory() as empty:
        settings = Settings(data_dir=Path(empty), lake_url=None, _env_file=None)
        with open_empty(settings) as connection:
            refresh(connection, settings)
            columns = connection.execute(f"DESCRIBE {view}").fetchall()
    return pa.table(
        {
            "column": [column[0] for column in columns],
            "type": [column[1] for column in columns],
            "meaning": [meaning(view, column[0]) for column in columns],
        }
    )


def _lock(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    connection.execute("SET python_enable_replacements = false")  # SQL must not name Python's variables
    connection.execute("SET temp_directory = ''")
    connection.execute(f"SET memory_limit = '{MEMORY}'")
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    connection.execute(f"SET allowed_paths = [{listed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _single_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise AntispamError(f"query: one SELECT statement is wanted, not {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise AntispamError(f"query: only SELECT is allowed, not {statements[0].type.name}")
    return statements[0].query.strip().rstrip(";")


def _one_line(error: Exception) -> str:
    """DuckDB's message without the quoted line; a suggestion is kept."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("LINE ", "^"))]
    return " ".join(kept)


def render(rows: pa.Table, form: str, out: TextIO) -> None:
    """Write rows as a table for a terminal, as csv with a header, or as one JSON object a line.

    In csv, a text that a spreadsheet would compute gets an apostrophe in front; JSON is exact.
    Times are ISO 8601 with zone. Raises AntispamError for an unknown form.
    """
    if form not in FORMATS:
        raise AntispamError(f"unknown format {form!r}: one of {', '.join(FORMATS)}")
    names = rows.column_names
    if form == "table":
        shown = RichTable()
        for name in names:
            shown.add_column(Text(name), overflow="fold")
        for row in _rows(rows):
            shown.add_row(*(Text(_cell(value)) for value in row))
        # In a file or pipe, cells must not be cut to 80 columns.
        Console(file=out, highlight=False, width=None if out.isatty() else 10_000).print(shown)
    elif form == "csv":
        writer = csv.writer(out)  # its line ends are \r\n, so it also quotes a text that holds \r
        writer.writerow(map(defused, names))
        writer.writerows([defused(v) if isinstance(v, str) else _cell(v) for v in row] for row in _rows(rows))
    else:
        for row in _rows(rows):
            named = dict(zip(names, map(_finite, row), strict=True))
            out.write(json.dumps(named, ensure_ascii=False, default=_plain) + "\n")


def _rows(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in rows.to_batches(max_chunksize=1000):
        yield from zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns), strict=True)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value  # JSON has no NaN


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cell(value: Any) -> str:
    """One line of text, without control characters: those of a hostile message must not reach the terminal."""
    if value is None:
        return ""
    if isinstance(value, str):
        return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return _plain(value)
