"""A simulated carrier beside a test's own processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from pipeline.actions.senders.simulator import Conduct, Simulator


@contextmanager
def simulated(conduct: Conduct) -> Iterator[Simulator]:
    """A carrier in a thread of its own."""
    started, ended = threading.Event(), threading.Event()
    simulator = Simulator("900001", b"secret", conduct)

    async def run() -> None:
        async with simulator:
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait(10)
    try:
        yield simulator
    finally:
        ended.set()
        thread.join(10)


def until(condition: Callable[[], bool], deadline: float = 60) -> None:
    end = monotonic() + deadline
    while not condition():
        assert monotonic() < end
        sleep(0.01)
