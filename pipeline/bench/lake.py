"""`antispam bench lake`: how fast the lake answers, how large it is, and what compaction does for it.

A block of invented traffic is decided as live traffic is. Then it is copied to the days before, with ids, times and
offsets of their own. Copies lie in files of their own and share nothing on disk, so sizes are those of such traffic.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, time
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute
from deltalake import DeltaTable

from pipeline.actions.console.overview import traffic
from pipeline.actions.explore.filters import Filters
from pipeline.actions.explore.messages import newest_messages
from pipeline.actions.explore.sums import explore as explored
from pipeline.actions.reports.definition import reports
from pipeline.actions.reports.period import containing
from pipeline.actions.reports.report import make
from pipeline.actions.watch.hits import history
from pipeline.bench.backtest import fill
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.lake import delta
from pipeline.lake.reader import LakeReader
from pipeline.lake.rolling import roll_up
from pipeline.lake.tables import SHARED
from pipeline.lake.upkeep import compact
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

BLOCK = 60_000  # events of a block, about 0.7 million messages
FLUSHES = 100  # commits that large tables of the newest day are written in: what a sink leaves of 8 minutes
LARGE = 5_000  # rows of a table that is large
RUNS = 11  # of each query
ANALYST = User("bench", Role.ANALYST)
pc: Any = pyarrow.compute


def run(messages: int, kept: Path | None = None) -> dict[str, Any]:
    """Ask a lake with about this many messages what analysts, pages and reports ask.

    It is filled first, in `kept` or in a temporary folder. A lake that `kept` holds already is asked as it is.
    """
    if kept is not None and (kept / "lake").exists():
        return _asked(Settings(data_dir=kept))
    with ExitStack() as stack:
        settings = Settings(data_dir=kept or Path(stack.enter_context(TemporaryDirectory())))
        begin = int(time() * 1000) // DAY_MS * DAY_MS - DAY_MS
        fill(settings, BLOCK, begin)
        days = _copy(settings, messages)
        begun = perf_counter()
        roll_up(settings.lake_place)
        rolled = perf_counter() - begun
        with closing(open_database(settings)) as db:
            before = _ask(settings, db, ("newest messages", "top by content, 1 day"))
        begun = perf_counter()
        done = compact(settings)
        compacted = perf_counter() - begun
        return {
            "days": days,
            "roll_ups_made_anew_seconds": round(rolled, 1),
            "before_compaction": before,
            "compaction": {"files": [done.merged, done.written], "seconds": round(compacted, 1)},
            **_asked(settings),
        }


def _asked(settings: Settings) -> dict[str, Any]:
    with closing(open_database(settings)) as db:
        return {
            **_size(settings),
            "roll_ups_equal": _equal(settings),
            "queries": _ask(settings, db),
            "reports": _reports(settings, db),
        }


def _copy(settings: Settings, messages: int) -> int:
    """Copy the block to earlier days until there are so many messages; returns the days."""
    blocks = {table: _rows(settings, table) for table in SHARED if delta.find_table(settings.lake_place, table)}
    own = next(pc.sum(rows["messages"]).as_py() for table, rows in blocks.items() if table.name == "submissions")
    days: int = max(1, round(messages / own))
    for table, rows in blocks.items():
        stored = delta.open_table(settings.lake_place, table)
        stored.delete()
        for day in range(days - 1, -1, -1):
            moved = _moved(rows, day)
            parts = FLUSHES if day == 0 and moved.num_rows > LARGE else 1
            size = -(-moved.num_rows // parts) or 1
            for first in range(0, moved.num_rows, size):
                number = day * parts + first  # any number that is new
                delta.append(stored, moved.slice(first, size), {f"{day}/{number}": None}, {f"{day}/{number}": 0})
    return days


def _rows(settings: Settings, table: Any) -> pa.Table:
    found = delta.find_table(settings.lake_place, table)
    if found is None:
        empty: pa.Table = table.schema.empty_table()
        return empty
    rows: pa.Table = found.to_pyarrow_table().cast(table.schema).sort_by([("offset", "ascending")])
    return rows


def _moved(rows: pa.Table, days: int) -> pa.Table:
    """The rows so many days earlier, with ids of their own."""
    for n, field in enumerate(rows.schema):
        column: Any = rows[field.name]
        if pa.types.is_timestamp(field.type):
            column = pc.subtract(column, pa.scalar(days * DAY_MS * 1000, pa.duration("us"))).cast(field.type)
        elif field.name == "dt":
            column = pc.subtract(column.cast(pa.int32()), pa.scalar(days, pa.int32())).cast(pa.date32())
        elif field.name == "id":
            column = pc.binary_join_element_wise(column, str(days), "-")
        elif field.name == "offset":
            column = pc.subtract(column, days * 10_000_000)
        rows = rows.set_column(n, field, column)
    return rows


def _ask(settings: Settings, db: Database, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Times of each query, milliseconds; the first run of each is left out. `cpu_ms` is of all threads, the median."""
    reader = LakeReader(settings, clock=lambda: 0.0)
    figures = {}
    for name, query in _queries(db, _end(settings)).items():
        if only and name not in only:
            continue
        took, worked = [], []
        for _ in range(RUNS + 1):
            begun, used = perf_counter(), process_time()
            query(reader.cursor())
            took.append((perf_counter() - begun) * 1000)
            worked.append((process_time() - used) * 1000)
        figures[name] = {
            "p50_ms": round(median(took[1:])),
            "p95_ms": round(quantiles(took[1:], n=20, method="inclusive")[-1]),
            "cpu_ms": round(median(worked[1:])),
        }
    return figures


def _end(settings: Settings) -> int:
    """The hour after the last decision, epoch ms."""
    row = LakeReader(settings).cursor().execute("SELECT epoch_ms(max(accepted_at)) FROM decisions").fetchone()
    return (row[0] // HOUR_MS + 1) * HOUR_MS if row and row[0] else 0


def _reports(settings: Settings, db: Database) -> dict[str, Any]:
    """Seconds of each report over the period of the last day, with the period before it."""
    day = datetime.fromtimestamp(_end(settings) / 1000 - 1, UTC).date()
    figures = {}
    for name, report in reports().items():
        begun, used = perf_counter(), process_time()
        make(db, settings, ANALYST, name, containing(report.span, day, "UTC"))
        figures[name] = {
            "seconds": round(perf_counter() - begun, 1),
            "cpu_seconds": round(process_time() - used, 1),
        }
    return figures


def _queries(db: Database, until: int) -> dict[str, Callable[[duckdb.DuckDBPyConnection], Any]]:
    def explore(days: int, by: str, **filters: Any) -> Callable[[duckdb.DuckDBPyConnection], Any]:
        asked = replace(Filters(until - days * DAY_MS, until), **filters)
        return lambda lake: explored(db, lake, ANALYST, asked, by)

    def messages(condition: str) -> Callable[[duckdb.DuckDBPyConnection], Any]:
        asked = f"SELECT verdict, count(*) FROM messages WHERE {condition} GROUP BY ALL"  # noqa: S608 - of our own words
        return lambda lake: lake.execute(asked).fetchall()

    day = datetime.fromtimestamp((until - HOUR_MS) / 1000, UTC).date().isoformat()
    week = Filters(until - 7 * DAY_MS, until)
    return {
        "top by port, 7 days": explore(7, "port"),
        "top by port, 30 days": explore(30, "port"),
        "top by rule, 30 days": explore(30, "rule"),
        "top by campaign, 30 days": explore(30, "campaign"),
        "top by content, 1 day": explore(1, "content"),
        "top by content, 7 days": explore(7, "content"),
        "top by link, 7 days": explore(7, "link"),
        "top by region, 1 day": explore(1, "region"),
        "top by region, 7 days": explore(7, "region"),
        "top by carrier, 7 days": explore(7, "carrier"),
        "top by sender, 7 days": explore(7, "sender"),
        "one link, 7 days": explore(7, "port", link="example.com"),
        "one number, 7 days": explore(7, "port", number="0123456789abcdef"),
        "newest messages": lambda lake: newest_messages(db, lake, ANALYST, week),
        "overview, 24 hours": lambda lake: traffic(db, lake, ANALYST, until - DAY_MS, until, HOUR_MS),
        "hits of rules, 28 days": lambda lake: history(lake, until),
        "view ports": lambda lake: lake.execute("FROM ports").fetchall(),
        "view contents": lambda lake: lake.execute("FROM contents ORDER BY messages DESC LIMIT 20").fetchall(),
        "view messages, 1 day": messages(f"dt = '{day}'"),
        "view messages, 1 hour": messages(f"dt = '{day}' AND accepted_at < TIMESTAMPTZ '{day} 01:00:00+00'"),
        "view messages, one port, 7 days": messages(f"dt > DATE '{day}' - 7 AND port = '10690021'"),
    }


def _size(settings: Settings) -> dict[str, Any]:
    """Messages, and the bytes of each by table (analysts' tables; full texts are not copied)."""
    lake = LakeReader(settings).cursor()
    row = lake.execute("SELECT sum(messages)::BIGINT, count(*) FROM submissions WHERE round = 0").fetchone() or (0, 0)
    messages, submissions = int(row[0]), int(row[1])
    sizes = {table.name: _bytes(delta.find_table(settings.lake_place, table)) for table in SHARED}
    return {
        "messages": messages,
        "submissions": submissions,
        "bytes_a_message": {name: round(size / messages, 2) for name, size in sizes.items() if size > messages / 100},
    }


def _bytes(found: DeltaTable | None) -> int:
    if found is None:
        return 0
    sizes: list[Any] = pa.table(found.get_add_actions())["size_bytes"].to_pylist()
    return sum(sizes)


def _equal(settings: Settings) -> bool:
    """Whether the sums of the roll-ups are those of the rows."""
    lake = LakeReader(settings).cursor()
    rolled = lake.execute(
        "SELECT port, sum(decisions), sum(messages + returned) FROM traffic_hourly GROUP BY 1 ORDER BY 1"
    ).fetchall()
    rows = lake.execute("SELECT port, count(*), sum(messages) FROM decisions GROUP BY 1 ORDER BY 1").fetchall()
    places = lake.execute("SELECT carrier, region, sum(messages) FROM recipients_hourly GROUP BY ALL ORDER BY ALL")
    counted = places.fetchall()
    recipients = lake.execute(
        """SELECT carrier, region, count(*) FROM (
               SELECT unnest(carriers) AS carrier, unnest(regions) AS region FROM submissions WHERE round = 0
           ) GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    return rolled == rows and counted == recipients
