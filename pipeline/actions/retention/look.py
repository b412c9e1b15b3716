"""One look of the role `retention`, in a process of its own: it needs DuckDB and pyarrow, 200 MB for a second."""

from __future__ import annotations

from time import time

import structlog

from pipeline.actions.reports.scheduled import write_due
from pipeline.actions.retention.expiry import expire
from pipeline.actions.watch.alarms import watch
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store.migrate import open_database

_log = structlog.get_logger()


def look(settings: Settings) -> None:
    """Delete expired data, watch the rules, write the reports that are due.

    Raises AntispamError if database or lake cannot be written.
    """
    db = open_database(settings)
    try:
        now = int(time() * 1000)
        gone = expire(db, settings, now)
        if gone:
            _log.info("expired", **gone)
        began, ended = watch(db, LakeReader(settings).cursor(), now)
        if began or ended:
            _log.info("rules_watched", alarms_began=began, alarms_ended=ended)
        reports = write_due(db, settings, now)
        if reports:
            _log.info("reports_written", reports=reports)
    finally:
        db.close()
