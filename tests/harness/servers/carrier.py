"""A simulated carrier for a test, and a deployment with a sender for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import pytest

from pipeline.kafka.admin import ensure_topics
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct, Simulator
from pipeline.store.database import Database
from tests.harness.case_events import add_port
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import settings_for

PORT = "10690001"
Server = TypeVar("Server", bound=AbstractAsyncContextManager[Any])


def sender_deployment(
    bootstrap: str, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch, window: int = 16
) -> tuple[Settings, Database]:
    """Settings and database, with topics, for a sender to this local port."""
    channels = folder / "channels.yaml"
    channels.write_text(f"default: {{host: 127.0.0.1, port: {port}, account: '900001', window: {window}, rate: 800}}")
    monkeypatch.setenv("ANTISPAM_CHANNELS_FILE", str(channels))
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", "secret")
    settings = settings_for(bootstrap, folder, partitions=2)
    ensure_topics(bootstrap, settings)
    db = migrated_database(settings)
    with db.write() as connection:  # the sender refuses messages of unknown ports
        add_port(connection, PORT)
    return settings, db


@contextmanager
def simulated(conduct: Conduct, port: int = 0) -> Iterator[Simulator]:
    """A simulated carrier in its own thread; port 0: any free one."""
    with served(Simulator("900001", b"secret", conduct, port)) as simulator:
        yield simulator


@contextmanager
def served(server: Server) -> Iterator[Server]:
    """The server in a thread with an event loop of its own."""
    started, ended = threading.Event(), threading.Event()

    async def run() -> None:
        async with server:
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait(10)
    try:
        yield server
    finally:
        ended.set()
        thread.join(10)


def until(condition: Callable[[], bool], deadline: float = 60) -> None:
    end = monotonic() + deadline
    while not condition():
        assert monotonic() < end
        sleep(0.01)
