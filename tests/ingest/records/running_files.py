"""The role `files`, run by a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.ingest.records.role import run_files
from pipeline.settings import Settings


@contextmanager
def running_files(settings: Settings) -> Iterator[threading.Thread]:
    """The role `files` in a thread of this process. Fails if the role raises or does not stop."""
    stop = threading.Event()
    faults: list[BaseException] = []

    def run() -> None:
        try:
            run_files(settings, stop)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(60)
        assert not faults
        assert not thread.is_alive()
