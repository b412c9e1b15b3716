"""A worker: the process of the Faust app, which runs until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Sequence
from functools import partial

import structlog

from pipeline.kafka.address import bootstrap
from pipeline.kafka.admin import cluster_id
from pipeline.kafka.steady import patiently
from pipeline.process import pages
from pipeline.process.ending import on_thread_death
from pipeline.process.page import Page
from pipeline.settings import Settings
from pipeline.stream.app import create_app

STOP_TIMEOUT = 90.0  # seconds; a running batch commits within one broker timeout
_log = structlog.get_logger()


def run_worker(settings: Settings, streams: Sequence[str]) -> int:
    """Run the processors of `streams` until SIGTERM or SIGINT. Returns 0, or 1 if a processor's thread died.

    Raises AntispamError when the broker is unreachable from the start, or refuses.
    """
    return asyncio.run(_worker(settings, streams))


async def _worker(settings: Settings, streams: Sequence[str]) -> int:
    app = create_app(settings, streams)
    ended, stop = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    dead = on_thread_death(lambda: loop.call_soon_threadsafe(ended.set))

    def end() -> None:
        ended.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    note = pages.note(settings.data_dir, settings.worker_id, streams)
    page = Page(settings.web_host, settings.web_port, streams, note)
    broker = partial(cluster_id, bootstrap(settings), settings=settings)
    try:
        await asyncio.to_thread(patiently, streams[0], broker, stop)  # Faust asks only once, and ends
        if not ended.is_set():
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
        except Exception as error:  # noqa: BLE001 - a crashed consumer makes Faust's own stop raise
            _log.error("stop_failed", cause=f"{type(error).__name__}: {error}")
            crashed = True
    return 1 if crashed else 0
