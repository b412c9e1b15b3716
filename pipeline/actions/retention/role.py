"""The role `retention`: every hour it deletes expired data (actions/retention/expiry.py) and watches the rules."""

from __future__ import annotations

import threading
from time import time

import structlog

from pipeline.actions.retention.expiry import expire
from pipeline.actions.watch.alarms import watch
from pipeline.kafka.steady import steadily
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store.migrate import open_database

EVERY = 3600.0  # seconds
_log = structlog.get_logger()


def run_retention(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop`. Raises AntispamError if database or lake cannot be written."""
    db = open_database(settings)

    def step() -> bool:
        now = int(time() * 1000)
        gone = expire(db, settings, now)
        if gone:
            _log.info("expired", **gone)
        began, ended = watch(
            db, LakeReader(settings).cursor(), now
        )  # not kept: DuckDB's memory is for one look an hour
        if began or ended:
            _log.info("rules_watched", alarms_began=began, alarms_ended=ended)
        return False

    try:
        steadily("retention", step, stop, EVERY)
    finally:
        db.close()
