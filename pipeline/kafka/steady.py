"""Waiting for outages: work that failed because of an outage is tried again, work that failed otherwise is not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

import structlog
from confluent_kafka import KafkaException

from pipeline import metrics
from pipeline.errors import AntispamError, UnavailableError
from pipeline.kafka.clients import is_away
from pipeline.process import readiness
from pipeline.process.backoff import Backoff

# After about 5 minutes the process ends; its supervisor starts it again.
BACKOFF = Backoff(first=0.4, longest=5.0, tries=60)
LIVED = 600.0  # seconds of work after which the next outage counts as the first in a row
_log = structlog.get_logger()
T = TypeVar("T")


def steadily(name: str, step: Callable[[], bool], stop: threading.Event, idle: float) -> None:
    """Call `step` until `stop` is set. After a step that returns False (nothing to do), wait `idle` seconds.

    Waits for outages as `patiently` does. The part `name` is ready while `step` succeeds.
    """
    while not stop.is_set():
        busy = patiently(name, step, stop)
        if not stop.is_set():
            readiness.say(name, True)
            if not busy:
                stop.wait(idle)


def patiently(name: str, work: Callable[[], T], stop: threading.Event) -> T | None:
    """The result of `work`; None if `stop` was set during an outage.

    Logs and counts an outage (UnavailableError, or a broker that is away), and tries `work` again. Meanwhile the part
    `name` is not ready and names the cause. Raises AntispamError once BACKOFF is exhausted, any other error at once.
    """
    tries = 0
    while True:
        tries += 1
        begun = monotonic()
        try:
            return work()
        except (UnavailableError, KafkaException) as error:
            if monotonic() - begun > LIVED:
                tries = 1
            if isinstance(error, KafkaException) and not is_away(error.args[0]):
                raise
            cause = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            if BACKOFF.exhausted(tries):
                raise AntispamError(f"{name}: given up after {tries} tries: {cause}") from error
            metrics.RETRIES.labels(name).inc()
            readiness.say(name, False, cause)
            _log.warning("outage_waited_for", part=name, tries=tries, cause=cause)
        if stop.wait(BACKOFF.pause(tries)):
            return None
