"""The role `files`, run by a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.ingest.records.role import run_files
from pipeline.settings import Settings
from tests.harness.in_thread import in_thread


@contextmanager
def running_files(settings: Settings) -> Iterator[threading.Thread]:
    """The role `files` in a thread of this process."""
    stop = threading.Event()
    with in_thread(lambda: run_files(settings, stop), stop.set) as thread:
        yield thread
