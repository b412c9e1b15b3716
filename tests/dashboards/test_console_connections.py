"""The console as a process: its WebSocket opens to its own pages only, and a crowd of strangers keeps nobody out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic, time

import httpx
import pytest

from dashboards.guard import COOKIE
from pipeline.run.child import free_port
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role
from tests.harness.console_data import sign_up
from tests.harness.migrated import migrated_database

pytestmark = pytest.mark.long

PATIENCE = 90.0  # seconds; far above anything measured


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """Its port, and a session's token."""
    folder, port = tmp_path_factory.mktemp("console"), free_port()
    db = migrated_database(Settings(data_dir=folder, _env_file=None))
    token = sign_up(db, "anna", Role.VIEWER, int(time() * 1000))
    db.close()
    environment = os.environ | {"ANTISPAM_DATA_DIR": str(folder), "ANTISPAM_CONSOLE_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "console"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = monotonic() + PATIENCE
        while True:
            assert monotonic() < deadline, "the console does not answer"
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None
        yield port, token
    finally:
        process.terminate()
        process.wait(PATIENCE)


def handshake(port: int, *headers: str) -> bytes:
    """The status line that a WebSocket's opening request is answered with."""
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return connection.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("origin", "opens"),
    [
        ("http://127.0.0.1:{port}", True),
        ("http://127.0.0.1:9999", False),
        ("https://127.0.0.1:{port}", False),
        ("http://evil.example", False),
        ("null", False),
    ],
)
def test_the_socket_opens_to_our_own_pages_only(console: tuple[int, str], origin: str, opens: bool) -> None:
    port, token = console
    answer = handshake(port, f"Origin: {origin.format(port=port)}", f"Cookie: {COOKIE}={token}")
    assert answer == (b"HTTP/1.1 101 Switching Protocols" if opens else b"HTTP/1.1 403 Forbidden")


def test_without_a_session_it_opens_to_nobody(console: tuple[int, str]) -> None:
    port, _ = console
    assert handshake(port, f"Origin: http://127.0.0.1:{port}") == b"HTTP/1.1 403 Forbidden"


def test_a_process_of_this_host_is_no_proxy(console: tuple[int, str]) -> None:
    """uvicorn believes such headers from 127.0.0.1 unless it is told not to."""
    port, token = console
    own = (f"Origin: https://127.0.0.1:{port}", f"Cookie: {COOKIE}={token}")
    assert handshake(port, *own, "X-Forwarded-Proto: https") == b"HTTP/1.1 403 Forbidden"


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_crowd_of_half_sent_requests(console: tuple[int, str], sent: bytes) -> None:
    port, token = console
    with ExitStack() as stack:
        for _ in range(1030):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            try:
                stranger.sendall(sent)
            except ConnectionError:
                continue
        own = {"Cookie": f"{COOKIE}={token}"}
        assert httpx.get(f"http://127.0.0.1:{port}/", headers=own, timeout=PATIENCE).status_code == 200
        assert handshake(port, f"Origin: http://127.0.0.1:{port}", f"Cookie: {COOKIE}={token}").endswith(b"Protocols")
