"""The lake for a process that asks often: one connection over a snapshot, renewed when it has aged.

A new snapshot gets a connection of its own, so a query that runs keeps the files it began with.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic

import duckdb

from pipeline.lake.views import connect
from pipeline.settings import Settings

FRESH_SECONDS = 3.0  # the sink commits about every five
THREADS = 2  # of each query: the console shares its machine with the pipeline
MEMORY = "1GB"


class LakeReader:
    """Cursors over a snapshot at most FRESH_SECONDS old; for threads."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._opened = 0.0

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor for one call: DuckDB connections must not be shared between threads, cursors may."""
        with self._lock:
            if self._connection is None or self._clock() - self._opened > FRESH_SECONDS:
                fresh = connect(self._settings)
                fresh.execute(f"SET threads = {THREADS}")
                fresh.execute(f"SET memory_limit = '{MEMORY}'")
                self._connection, self._opened = fresh, self._clock()
            return self._connection.cursor()
