"""The role `retention`: every hour it deletes expired data, watches rules, matches complaints, writes due reports."""

from __future__ import annotations

import threading

from pipeline.kafka.steady import steadily
from pipeline.process.apart import apart
from pipeline.settings import Settings

EVERY = 3600.0  # seconds
LONGEST = 1800.0  # seconds of one look; then it begins again
LOOK = "pipeline.actions.retention.look:look"


def run_retention(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop`. Raises AntispamError if database or lake cannot be written."""

    def step() -> bool:
        apart(LOOK, LONGEST, stop, settings.log_level, settings)
        return False

    steadily("retention", step, stop, EVERY)
