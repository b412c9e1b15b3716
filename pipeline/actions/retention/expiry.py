"""The job that deletes expired data everywhere: operational database, lake, files.

The job may run twice at once, and it may be interrupted and run again. It does not touch the broker: topics keep
7 days and dead letters 30, by their own settings (topics.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from pipeline.actions.retention import database_expiry
from pipeline.durations import DAY_MS
from pipeline.lake import upkeep
from pipeline.lake.backtest import reports
from pipeline.lake.delta import READER_GRACE_HOURS
from pipeline.process.permissions import repair
from pipeline.settings import Settings
from pipeline.store.database import Database


def expire(db: Database, settings: Settings, now: int, grace_hours: int = READER_GRACE_HOURS) -> dict[str, int]:
    """Delete whole expired days (UTC) at `now` (epoch ms); returns the nonzero numbers of deletions by place.

    Rows of the lake disappear at once. Their files are deleted by the first run `grace_hours` later, so that running
    queries can end; with 0 they are deleted at once. Raises AntispamError; deletions before the error stay.
    """
    gone = database_expiry.expire(db, settings, now)
    gone["lake"] = upkeep.expire(settings, datetime.datetime.fromtimestamp(now / 1000, datetime.UTC), grace_hours)
    gone["backtests"] = reports.expire(settings, now)
    # Only the sink creates lake files with the mode for the lake's group; the files of this process need a repair.
    repair(settings)
    kept = now - now % DAY_MS - settings.retention_days * DAY_MS
    gone["rejected_files"] = _delete((settings.data_dir / "records").glob("*/rejected/*"), kept)
    gone["results"] = _delete((settings.data_dir / "records").glob("*/results/*"), kept)
    # A batch file remains after its request only if the API was killed.
    gone["uploads"] = _delete((settings.data_dir / "uploads").glob("*"), now - DAY_MS)
    return {place: count for place, count in gone.items() if count}


def _delete(files: Iterable[Path], before: int) -> int:
    """Delete the files last written earlier than `before` (epoch ms); returns their number."""
    count = 0
    for path in list(files):
        if path.is_file() and path.stat().st_mtime * 1000 < before:
            path.unlink(missing_ok=True)
            count += 1
    return count
