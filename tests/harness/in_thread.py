"""A loop of the pipeline in a thread of the test, so that a test may plant a fault in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def in_thread(run: Callable[[], object], stop: Callable[[], object]) -> Iterator[threading.Thread]:
    """Run the loop during the block, then stop it. Fails if the loop raises or does not end."""
    faults: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            faults.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield thread
    finally:
        stop()
        thread.join(60)
        assert not faults
        assert not thread.is_alive()
