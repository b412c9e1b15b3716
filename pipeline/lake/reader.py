"""A reader of the lake for processes that query often: one connection over a snapshot, renewed with age.

A new snapshot gets a new connection, so a running query keeps its files.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic

import duckdb

from pipeline.lake.views import open_empty, refresh
from pipeline.settings import Settings

FRESH_SECONDS = 3.0  # the sink commits about every five seconds
THREADS = 2  # a query; the console shares the machine with the pipeline
MEMORY = "1GB"


class LakeReader:
    """Cursors over a snapshot at most FRESH_SECONDS old. Threads may share a reader."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._opened = 0.0

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor for one call. Threads must not share a DuckDB connection; each may have a cursor of it."""
        with self._lock:
            if self._connection is None or self._clock() - self._opened > FRESH_SECONDS:
                fresh = open_empty(self._settings)
                refresh(fresh, self._settings)
                fresh.execute(f"SET threads = {THREADS}")
                fresh.execute(f"SET memory_limit = '{MEMORY}'")
                self._connection, self._opened = fresh, self._clock()
            return self._connection.cursor()
