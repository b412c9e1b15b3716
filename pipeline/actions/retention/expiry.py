"""The one job that deletes what is over its time, everywhere: operational database, lake, files.

It may run twice at once, be ended half-way and be run again. What it does not reach is the broker's: topics
keep 7 days and dead letters 30, by their own settings (topics.py).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from pipeline.actions.retention import database_expiry
from pipeline.durations import DAY_MS
from pipeline.lake import upkeep
from pipeline.lake.delta import READER_GRACE_HOURS
from pipeline.process.permissions import repair
from pipeline.settings import Settings
from pipeline.store.database import Database


def expire(db: Database, settings: Settings, now: int, grace_hours: int = READER_GRACE_HOURS) -> dict[str, int]:
    """Delete whole days (UTC) older than their time at `now` (epoch ms); what went, by place, only if any did.

    Rows of the lake go at once and their bytes `grace_hours` later, with the next run, so that running
    queries end; 0 deletes them now. Raises AntispamError; what is done by then stays done.
    """
    gone = database_expiry.expire(db, settings, now)
    gone["lake"] = upkeep.expire(settings, datetime.datetime.fromtimestamp(now / 1000, datetime.UTC), grace_hours)
    repair(settings)  # this process is not the sink: what it wrote is closed to the lake's group
    kept = now - now % DAY_MS - settings.retention_days * DAY_MS
    gone["rejected_files"] = _delete((settings.data_dir / "records").glob("*/rejected/*"), kept)
    # A batch file outlives its request only when the API was killed meanwhile.
    gone["uploads"] = _delete((settings.data_dir / "uploads").glob("*"), now - DAY_MS)
    return {place: count for place, count in gone.items() if count}


def _delete(files: Iterable[Path], before: int) -> int:
    """Delete the files last written before that time (epoch ms); how many."""
    count = 0
    for path in list(files):
        if path.is_file() and path.stat().st_mtime * 1000 < before:
            path.unlink(missing_ok=True)
            count += 1
    return count
