"""The analysts' views: SQL over one snapshot of the lake.

DuckDB reads the Parquet files that Delta's log names: no extension, nothing to install, no lock
between readers and the sink. A snapshot is a list of files, good for READER_GRACE_HOURS; `refresh`
takes a new one. A view has its typed columns even when its table is empty or not yet made.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.events import Verdict
from pipeline.lake.delta import Place, Stored, find_table
from pipeline.lake.meanings import ROWS, comments, known
from pipeline.lake.rollups import ROLLUPS, Rollup
from pipeline.lake.tables import FULL, SHARED, Table
from pipeline.settings import Settings

# Column of sums -> its SQL for one decision, as the roll-ups count: a hold says nothing final of any of its messages.
# Most decisions have no exceptions, and to look through a list costs more than all the rest.
BY_VERDICT = {
    column: "CASE WHEN verdict = 'hold' THEN messages ELSE 0 END"
    if verdict is Verdict.HOLD
    else f"""CASE WHEN verdict = 'hold' THEN 0
        WHEN len(exceptions) = 0 THEN CASE WHEN verdict = '{verdict}' THEN messages ELSE 0 END
        ELSE CASE WHEN verdict = '{verdict}' THEN messages - len(exceptions) ELSE 0 END
            + len(list_filter(exceptions, lambda x: x.verdict = '{verdict}')) END"""
    for verdict, column in zip(Verdict, ("released", "held", "reviewed", "rejected", "blacklisted"), strict=True)
}
_MESSAGES_BY_VERDICT = ", ".join(f"sum({sql})::BIGINT AS {column}" for column, sql in BY_VERDICT.items())

# name -> SELECT; meanings.py says what a row and a column is
DERIVED: dict[str, str] = {
    # Few submissions have more than one round, so we look for later rounds only. Without a GROUP BY over all
    # decisions, DuckDB applies a condition on dt, port or accepted_at while it reads. The verdict is chosen after each
    # recipient has its row.
    "messages": """
        WITH later AS (
            SELECT partition, id, accepted_at, max(round) AS last FROM decisions WHERE round > 0 GROUP BY ALL
        ), newest AS (
            SELECT d.* FROM decisions AS d LEFT JOIN later USING (partition, id, accepted_at)
            WHERE d.round = coalesce(later.last, 0)
        ), message AS (
            SELECT s.id AS submission, s.port, s.content, s.length, s.batch, s.template, s.priority, s.accepted_at,
                   s.submitted_at, s.dt, d.verdict, d.round, d.exceptions, d.kind, d.score, d.fingerprint,
                   unnest(s.recipients) AS recipient, generate_subscripts(s.recipients, 1) AS n
            FROM submissions AS s LEFT JOIN newest AS d
                ON s.partition = d.partition AND s.id = d.id AND s.accepted_at = d.accepted_at
            WHERE s.round = 0
        )
        SELECT submission || '/' || n AS id, submission, n, port, recipient,
               CASE WHEN len(exceptions) > 0 THEN coalesce(
                   list_filter(exceptions, lambda x: x.recipient = message.recipient)[1].verdict, verdict
               ) ELSE verdict END AS verdict,
               round, kind, score, fingerprint, content, length, batch, template, priority, accepted_at, submitted_at,
               dt
        FROM message
        """,
    "reasons": """
        SELECT id, round, source, port, verdict AS decided, messages, reason.rule AS rule,
               reason.verdict AS verdict, reason.severity AS severity, reason.message AS message,
               reason.values AS values, reason.spans AS spans, fingerprint, decided_at, dt
        FROM (SELECT *, unnest(reasons) AS reason FROM decisions)
        """,
    "ports": f"""
        SELECT port, count(*) AS decisions,
               sum(CASE WHEN round = 0 THEN messages ELSE 0 END)::BIGINT AS messages,
               {_MESSAGES_BY_VERDICT},
               min(decided_at) AS first_seen, max(decided_at) AS last_seen
        FROM decisions WHERE source <> 'record' GROUP BY port
        """,  # noqa: S608 - of our own words
    "contents": f"""
        SELECT fingerprint, count(*) AS decisions,
               sum(CASE WHEN round = 0 THEN messages ELSE 0 END)::BIGINT AS messages,
               count(DISTINCT port) AS ports, list(DISTINCT port)[:20] AS port_list,
               mode(category) AS category, avg(score) AS score, {_MESSAGES_BY_VERDICT},
               min(decided_at) AS first_seen, max(decided_at) AS last_seen
        FROM decisions WHERE fingerprint <> '' GROUP BY fingerprint
        """,  # noqa: S608 - of our own words
    "campaign_members": """
        SELECT campaign, source, port, id, round, verdict, messages, decided_at, dt
        FROM decisions WHERE campaign IS NOT NULL
        UNION ALL BY NAME
        SELECT named.campaign, d.source, d.port, d.id, d.round, d.verdict, d.messages, d.decided_at, d.dt
        FROM (SELECT DISTINCT campaign, unnest("first") AS one FROM told_campaigns) AS named
        JOIN decisions AS d ON d.port = named.one.port AND d.id = named.one.id
        WHERE d.campaign IS NULL
        """,
    "campaigns": f"""
        WITH told AS (
            SELECT campaign, max(messages) AS messages, max_by(ports, "at") AS ports, max_by(senders, "at") AS senders,
                   max(growth) AS most_in_5m, min(first_seen) AS first_seen, max(last_seen) AS last_seen
            FROM told_campaigns GROUP BY campaign
        ), decided AS (
            SELECT campaign, count(*) AS decisions, list(DISTINCT port)[:20] AS port_list,
                   mode(category) AS category, avg(score) AS score, {_MESSAGES_BY_VERDICT}
            FROM decisions WHERE campaign IS NOT NULL GROUP BY campaign
        )
        SELECT * FROM told LEFT JOIN decided USING (campaign)
        """,  # noqa: S608 - of our own words
}

# name -> the roll-up by hour that it adds up
DAILY: dict[str, Rollup] = {rollup.name.replace("hourly", "daily"): rollup for rollup in ROLLUPS}


def _daily(name: str, zone: str) -> str:
    """The view of a roll-up by day. A day is that of `zone`, which `Settings` has checked."""
    rollup = DAILY[name]
    keys = ", ".join(f'"{key.name}"' for key in rollup.keys if key.name != "hour")
    sums = ", ".join(f"sum({measure})::BIGINT AS {measure}" for measure in rollup.measures)
    return (
        f"CREATE OR REPLACE VIEW {name} AS SELECT (hour AT TIME ZONE '{zone}')::DATE AS day, {keys}, {sums} "  # noqa: S608 - of our own words
        f"FROM {rollup.name} GROUP BY ALL;"
    )


_DERIVED = "".join(f"CREATE OR REPLACE VIEW {name} AS {select};" for name, select in DERIVED.items())

_SCALARS = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}


def connect(settings: Settings | None = None) -> duckdb.DuckDBPyConnection:
    """A connection to the newest snapshot of the lake: one view per table, and those of DERIVED and DAILY.

    Views and columns have comments. Writing is not its purpose: it is in memory, and the files are the sink's. Use one
    `.cursor()` per thread or call, and `refresh` when the newest rows are wanted or an hour has passed.
    """
    settings = settings or Settings()
    connection = open_empty(settings)
    refresh(connection, settings)
    comment(connection)
    return connection


def comment(connection: duckdb.DuckDBPyConnection) -> None:
    """Give views and columns their meaning as a comment. `refresh` makes views without comments.

    A column that a newer version wrote has none here.
    """
    columns = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal"
    ).fetchall()
    connection.execute(comments([(view, column) for view, column in columns if view in ROWS and known(view, column)]))


def open_empty(settings: Settings) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, without views yet; it looks for no extension and keeps time in UTC, as `dt`.

    It reads the object store of the settings, if the lake is in one.
    """
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",  # a missing one must fail at once, without the network
            "autoload_known_extensions": "false",
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    if settings.lake_url:
        from pipeline.lake.object_store import file_system  # slow to import, and seldom used

        connection.register_filesystem(file_system())
    return connection


def refresh(connection: duckdb.DuckDBPyConnection, settings: Settings) -> list[str]:
    """Point the views at the newest snapshot; returns the files they read, all of analysts' tables."""
    seen: tuple[Stored, ...] = (*SHARED, *ROLLUPS)
    snapshots = {table: _files(settings.lake_place, table) for table in seen}
    daily = "".join(_daily(name, settings.console_zone) for name in DAILY)
    connection.execute("".join(_view(table, files) for table, files in snapshots.items()) + _DERIVED + daily)
    return [file for files in snapshots.values() for file in files]


def full_files(settings: Settings, name: str) -> list[str]:
    """Parquet files of a full table (`texts`, `dead_bytes`), for code that may read full text."""
    table = next(table for table in FULL if table.name == name)
    return _files(settings.lake_place, table)


def view_full(connection: duckdb.DuckDBPyConnection, settings: Settings, table: Table) -> None:
    """Add a view of a full table, with all its columns, for code that may read full text."""
    connection.execute(_view(table, _files(settings.lake_place, table)))


def _files(lake: Place, table: Stored) -> list[str]:
    found = find_table(lake, table)
    return [] if found is None else found.file_uris()


def _view(table: Stored, files: list[str]) -> str:
    """An empty typed table gives every column; files written before a column was added lack it."""
    view = f"{_typed(table)} CREATE OR REPLACE VIEW {table.name} AS FROM typed.{table.name}"
    if not files:
        return f"{view};"
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return (
        f"{view} UNION ALL BY NAME FROM read_parquet([{listed}], hive_partitioning = true, "
        f"hive_types = {{'dt': DATE}}, union_by_name = true);"
    )


@cache
def _typed(table: Stored) -> str:
    """Statements that make the typed table of a lake's table, where it is not yet."""
    return (
        f"CREATE SCHEMA IF NOT EXISTS typed; CREATE TABLE IF NOT EXISTS typed.{table.name} ({_columns(table.schema)});"
    )


def _columns(fields: Iterable[pa.Field[Any]]) -> str:
    return ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in fields)


def _sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type. Raises KeyError for one that no table has yet."""
    if isinstance(kind, pa.ListType):
        return f"{_sql_type(kind.value_type)}[]"
    if isinstance(kind, pa.MapType):
        return f"MAP({_sql_type(kind.key_type)}, {_sql_type(kind.item_type)})"
    if isinstance(kind, pa.StructType):
        return f"STRUCT({_columns(kind)})"
    return _SCALARS[kind]
