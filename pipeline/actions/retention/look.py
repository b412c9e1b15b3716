"""One look of the role `retention`, in a process of its own: it needs DuckDB and pyarrow, 200 MB for a second."""

from __future__ import annotations

from time import time

import structlog

from pipeline.actions.complaints.lake_matches import match_waiting
from pipeline.actions.complaints.rates import count_months
from pipeline.actions.conduct.tiers import judge_tiers
from pipeline.actions.reports.scheduled import write_due
from pipeline.actions.retention.expiry import expire
from pipeline.actions.watch.alarms import watch
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store.migrate import open_database

_log = structlog.get_logger()


def look(settings: Settings) -> None:
    """Delete expired data, watch the rules, match complaints, judge tiers, write the reports that are due.

    Raises AntispamError if database or lake cannot be written.
    """
    db = open_database(settings)
    try:
        now = int(time() * 1000)
        gone = expire(db, settings, now)
        if gone:
            _log.info("expired", **gone)
        lake = LakeReader(settings).cursor()
        began, ended = watch(db, lake, now)
        if began or ended:
            _log.info("rules_watched", alarms_began=began, alarms_ended=ended)
        matched = match_waiting(db, lake, settings, now)
        if any(matched.values()):
            _log.info("complaints_matched", **matched)
        count_months(db, lake, settings.console_zone, now)
        proposed = judge_tiers(db, settings.console_zone, settings.tier_changes, now)
        if proposed:
            _log.info("tiers_judged", proposed=proposed, how=settings.tier_changes)
        reports = write_due(db, settings, now)
        if reports:
            _log.info("reports_written", reports=reports)
    finally:
        db.close()
