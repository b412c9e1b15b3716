"""The processor: the only consumer of the records that must be neither lost nor processed twice.

It is a `faust.Service`, so it starts, stops and crashes with the app. Its loop (`poll_loop.py`) runs in its own thread,
because screening is CPU work that would block the app's event loop. One poll goes through these steps:

1. `lanes.py` polls express and bulk.
2. `decider.py` decodes, drops submissions already decided (`decided.py`), screens with the counters of the partitions
   (`state.py`), routes, and sets failures aside. The result is a `batch.py`.
3. `transactions.py` commits all of it.
4. After a rollback, `partitions.py` restores the counters to the committed state.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import time
from typing import Any

import faust

from pipeline.kafka.clients import TIMEOUT
from pipeline.kafka.streams import Stream
from pipeline.process import readiness
from pipeline.rules.words import borders
from pipeline.settings import Settings
from pipeline.stream.decider import Decider
from pipeline.stream.known import KnownFollower
from pipeline.stream.poll_loop import PollLoop


class Processor(faust.Service):
    """Runs the loop of one stream in a thread; the module explains how."""

    def __init__(self, stream: Stream, settings: Settings, clock: Callable[[], float] = time, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stream = stream
        self.settings = settings
        readiness.say(stream.name, False)
        self._decider = Decider(stream, settings, clock)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    async def on_start(self) -> None:
        """Start the loop."""
        self._thread = threading.Thread(target=self._guarded, name=f"processor-{self.stream.name}", daemon=True)
        self._thread.start()

    async def on_stop(self) -> None:
        """Let the running batch commit, then leave the group."""
        self.finish()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 2 * TIMEOUT)

    def finish(self) -> None:
        """Ask the loop to end after the running batch."""
        self._stopping.set()

    def _guarded(self) -> None:
        """The thread's main function. A fault beyond a single event ends the worker before offsets are committed."""
        try:
            self.run()
        finally:
            readiness.say(self.stream.name, False)

    def run(self) -> None:
        """The loop itself, until `finish`. Raises every fault that does not concern a single event."""
        borders.prepare()
        known = KnownFollower(self.stream, self.settings)
        loop = PollLoop(self.stream, self.settings, self._decider, self._stopping, known)
        try:
            loop.run()
        finally:
            loop.close()
