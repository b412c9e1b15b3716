"""The long-running processes: a worker (the Faust app) and the lake's sink, until a signal ends them."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Sequence

import structlog

from pipeline import metrics
from pipeline.dead_letter_limit import TooManyDeadLettersError
from pipeline.lake.sink import Counts, run_sink
from pipeline.permissions import share_tables
from pipeline.settings import Settings
from pipeline.stream import pages, readiness
from pipeline.stream.address import bootstrap
from pipeline.stream.app import create_app
from pipeline.stream.ending import fault, on_thread_death
from pipeline.stream.page import Page

SINK_PORT = 6069  # of its page, below those of the roles (serve.py)
STOP_TIMEOUT = 90.0  # seconds; a running batch commits within one broker timeout
_log = structlog.get_logger()


def run_worker(settings: Settings, streams: Sequence[str]) -> int:
    """Run the processors of `streams` until SIGTERM or SIGINT; 0, or 1 if a thread of one died."""
    return asyncio.run(_worker(settings, streams))


async def _worker(settings: Settings, streams: Sequence[str]) -> int:
    app = create_app(settings, streams)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    dead = on_thread_death(lambda: loop.call_soon_threadsafe(ended.set))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    note = pages.note(settings.data_dir, settings.worker_id, streams)
    page = Page(settings.web_host, settings.web_port, streams, note)
    try:
        await app.start()
        _log.info("worker_started", worker=settings.worker_id, streams=list(streams), port=settings.web_port)
        while not ended.is_set() and not app.crashed:
            try:
                await asyncio.wait_for(ended.wait(), timeout=0.2)
            except TimeoutError:
                continue
    finally:
        page.close()
        crashed = bool(app.crashed or dead)
        try:
            await asyncio.wait_for(app.stop(), STOP_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - a crashed consumer makes Faust's own stop raise; we end anyway
            _log.error("stop_failed", cause=f"{type(error).__name__}: {error}")
            crashed = True
    return 1 if crashed else 0


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
        run_sink(settings, stop, observe=observe)
    except TooManyDeadLettersError as error:
        _log.critical("sink_failed", **fault(error))
        return 1
    page.close()
    return 1 if dead else 0
