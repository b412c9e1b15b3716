"""The role `retention`: deletes expired data every hour (actions/retention/expiry.py)."""

from __future__ import annotations

import threading
from time import time

import structlog

from pipeline.actions.retention.expiry import expire
from pipeline.kafka.steady import steadily
from pipeline.settings import Settings
from pipeline.store.migrate import open_database

EVERY = 3600.0  # seconds
_log = structlog.get_logger()


def run_retention(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop`. Raises AntispamError if database or lake cannot be written."""
    db = open_database(settings)

    def step() -> bool:
        gone = expire(db, settings, int(time() * 1000))
        if gone:
            _log.info("expired", **gone)
        return False

    try:
        steadily("retention", step, stop, EVERY)
    finally:
        db.close()
