"""Runs a server's event loop until its role is stopped, or the producer has ended for good."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import uvloop

from pipeline.errors import AntispamError
from pipeline.ingest.producer import SubmissionProducer

_FATAL_EVERY = 0.5  # seconds between looks whether the producer has ended


def serve(
    role: str,
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    stop: threading.Event,
    producer: SubmissionProducer,
) -> None:
    """Run `work`, which ends once its event is set. Raises AntispamError when the producer is fenced."""

    async def watched() -> None:
        closing = asyncio.Event()
        loop = asyncio.get_running_loop()

        def watch() -> None:
            while not (stop.wait(_FATAL_EVERY) or producer.fatal):
                pass
            with suppress(RuntimeError):  # the server has ended by itself, and its loop is closed
                loop.call_soon_threadsafe(closing.set)

        threading.Thread(target=watch, name=f"{role}-stop", daemon=True).start()
        await work(closing)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(watched())
    if producer.fatal:
        raise AntispamError(f"{role}: the producer ended: {producer.fatal}")
