"""The API in its own process, with a registered port and its key."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from pipeline.kafka.admin import ensure_topics
from pipeline.run.child import Child, free_port
from pipeline.settings import Settings
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from tests.harness.case_events import add_port
from tests.harness.migrated import migrated_database
from tests.harness.processes.forked import ForkedChild
from tests.harness.processes.workers import publish

PORT = "10690001"
ADMINISTRATOR = User("test", Role.ADMINISTRATOR)
NOW = 1_700_000_000_000


def register(settings: Settings, port: str = PORT, callback_url: str = "") -> str:
    """Create the tables, a port and a key; return the key."""
    db = migrated_database(settings)
    with db.write() as connection:
        add_port(connection, port)
    key = api_keys.create(db, ADMINISTRATOR, port, callback_url, NOW)
    db.close()
    return key


def deployment(bootstrap: str, folder: Path, **overrides: object) -> tuple[Settings, str]:
    """Create topics, a published port and a key; return the settings and the key."""
    settings = Settings.model_validate(
        {"kafka": bootstrap, "data_dir": folder / "data", "session_timeout": 6.0, "partitions": 4}
        | {"api_port": free_port()}
        | overrides
    )
    ensure_topics(bootstrap, settings)
    key = register(settings)
    publish(settings, [("port", PORT, f'{{"code":"{PORT}"}}')], NOW)
    return settings, key


def start_api(settings: Settings) -> Child:
    """Start an API and return when it is ready."""
    environment = {
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir.resolve()),
        "ANTISPAM_PARTITIONS": str(settings.partitions),
        "ANTISPAM_API_PORT": str(settings.api_port),
        "ANTISPAM_API_ACK_SECONDS": str(settings.api_ack_seconds),
        "ANTISPAM_API_LAG_LIMIT": str(settings.api_lag_limit),
        "ANTISPAM_API_HEAD_SECONDS": str(settings.api_head_seconds),
    }
    child = ForkedChild("api", ("serve", "api"), settings.data_dir / "api.log", env=environment)
    return until_ready(child, address(settings))


def until_ready(child: Child, url: str, page: str = "ready") -> Child:
    """The child, once its page says so."""
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(f"{url}/{page}", timeout=2).status_code == 200:
                return child
        except httpx.TransportError:
            pass
        assert child.returncode is None, child.tail()
        assert time.monotonic() < deadline, f"not ready{child.tail()}"
        time.sleep(0.05)


@contextmanager
def serving(settings: Settings, start: Callable[[Settings], Child] = start_api) -> Iterator[list[Child]]:
    """A list with a running API, or another role. A test may replace it; all in the list are stopped at the end."""
    running = [start(settings)]
    try:
        yield running
    finally:
        for child in running:
            child.stop(15)


def address(settings: Settings) -> str:
    """The URL of the API."""
    return f"http://127.0.0.1:{settings.api_port}"
