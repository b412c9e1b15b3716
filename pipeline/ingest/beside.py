"""Threads beside a server's event loop: they follow the configuration, poll the producer, and so on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from confluent_kafka import KafkaException

from pipeline.errors import AntispamError
from pipeline.kafka.clients import TIMEOUT

Work = tuple[float, str, Callable[[], object]]  # seconds between repetitions, name, work
_log = structlog.get_logger()


@contextmanager
def beside(role: str, works: Sequence[Work]) -> Iterator[None]:
    """Repeat each work in a thread of its own, until the server has ended."""
    stopped = threading.Event()
    threads = [
        threading.Thread(target=_every, args=(stopped, role, seconds, what, work), name=f"{role}-{what}", daemon=True)
        for seconds, what, work in works
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join(TIMEOUT)


def _every(stopped: threading.Event, role: str, seconds: float, what: str, work: Callable[[], object]) -> None:
    """Repeat `work`. A failure is logged once, until `work` succeeds again."""
    failing = False
    while not stopped.is_set():
        try:
            work()
            failing = False
        except (AntispamError, KafkaException) as error:
            if not failing:
                _log.error(f"{role}_part_failed", part=what, cause=str(error))
            failing = True
        stopped.wait(seconds)
