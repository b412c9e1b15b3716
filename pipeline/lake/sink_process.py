"""The lake's sink as a process: until a signal ends it."""

from __future__ import annotations

import signal
import threading
from functools import partial

import structlog

from pipeline import metrics
from pipeline.kafka.address import bootstrap
from pipeline.kafka.dead_letter_limit import TooManyDeadLettersError
from pipeline.kafka.resting import RestingConsumer
from pipeline.lake.sink import Counts, run_sink
from pipeline.process import pages, readiness
from pipeline.process.ending import fault, on_thread_death
from pipeline.process.page import Page
from pipeline.process.permissions import share_tables
from pipeline.settings import Settings

SINK_PORT = 6069  # of its page, below those of the roles (run/roles.py)
REST = 4.0  # seconds between looks, at most: one reads all topics; a flush is due after 5 s
_log = structlog.get_logger()


def run_lake_sink(settings: Settings) -> int:
    """Fill the lake until SIGTERM or SIGINT; 1 if a thread died. Raises AntispamError when no broker is set."""
    share_tables(settings)
    settings = settings.model_copy(update={"kafka": bootstrap(settings)})
    stop = threading.Event()
    dead = on_thread_death(stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    failures = -1

    def observe(counts: Counts) -> None:
        nonlocal failures
        readiness.say("sink", counts.failures == failures)
        failures = counts.failures
        metrics.LAKE_LAG.set(counts.lag_seconds)
        metrics.LAKE_FAILURES.set(failures)

    readiness.say("sink", False)
    port = SINK_PORT if settings.serve_port is None else settings.serve_port
    page = Page(settings.web_host, port, ["sink"], pages.note(settings.data_dir, settings.worker_id, ["sink"]))
    try:
        run_sink(settings, stop, observe=observe, consumer=partial(RestingConsumer, longest=REST))
    except TooManyDeadLettersError as error:
        _log.critical("sink_failed", **fault(error))
        return 1
    page.close()
    return 1 if dead else 0
