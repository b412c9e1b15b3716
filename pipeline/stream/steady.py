"""The loop of a role that works on the database."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from pipeline.errors import AntispamError
from pipeline.stream import readiness

TRIES = 10  # failures in a row, PAUSE apart, before the role gives up and its process ends
PAUSE = 1.0  # seconds
_log = structlog.get_logger()


def steadily(name: str, step: Callable[[], bool], stop: threading.Event, idle: float) -> None:
    """Call `step` until `stop`; when it returns False, there was nothing to do: wait `idle` seconds.

    An AntispamError (the database is away, a record was not acknowledged) is logged and tried again,
    the last of TRIES in a row is raised; anything else at once. The part `name` is ready while it succeeds.
    """
    failures = 0
    while not stop.is_set():
        try:
            busy = step()
            failures = 0
            readiness.say(name, True)
        except AntispamError as error:
            failures += 1
            readiness.say(name, False)
            if failures >= TRIES:
                raise
            _log.warning("step_retried", role=name, failures=failures, cause=str(error))
            stop.wait(PAUSE)
            continue
        if not busy:
            stop.wait(idle)
