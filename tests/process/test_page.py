"""Each process says whether it lives, can work, and its metrics."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

import httpx
import pytest

from pipeline.kafka.admin import ensure_topics
from pipeline.process import page, pages, readiness
from pipeline.process.page import Page
from pipeline.run.child import free_port
from pipeline.run.roles import ROLES, page_port
from pipeline.settings import Settings
from tests.harness.places import ROOT
from tests.harness.processes.workers import settings_for, start

DOCUMENT = ROOT / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def _own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_parts", {})


def served(at: Page) -> str:
    port = at.port(10)
    assert port is not None
    return f"http://127.0.0.1:{port}"


def test_a_process_is_ready_when_all_its_parts_are() -> None:
    at = Page("127.0.0.1", 0, ["relay", "timers"])
    address = served(at)
    assert httpx.get(f"{address}/ready").status_code == 503  # no part has said anything
    readiness.say("relay", True)
    readiness.say("timers", False)
    waiting = httpx.get(f"{address}/ready")
    assert (waiting.status_code, waiting.json()["parts"]) == (503, {"relay": True, "timers": False})
    readiness.say("timers", True)
    assert httpx.get(f"{address}/ready").json()["ready"] is True
    assert httpx.get(f"{address}/health").json() == {"status": "ok", "roles": ["relay", "timers"]}
    assert 'antispam_part_ready{part="timers"} 1.0' in httpx.get(f"{address}/metrics").text
    assert httpx.get(f"{address}/other").status_code == 404
    at.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health")


def test_it_is_asked_past_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    at = Page("127.0.0.1", 0, ["relay"])
    address = served(at)
    readiness.say("relay", True)
    asked = pages.ask(f"{address}/ready")
    assert asked is not None
    assert asked.works
    at.close()


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-x\r\n", b'HTTP/1.0 200 OK\r\n\r\n"\xff', b"HTTP/1.0 500 x\r\n\r\n[[", b""]
)
def test_another_program_at_its_address_is_no_answer(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert pages.ask(f"http://127.0.0.1:{server.getsockname()[1]}/ready", 10) is None
        thread.join()


def test_a_taken_port_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "AGAIN", 0.01)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        at = Page("127.0.0.1", port, ["relay"])
        assert at.port(0.1) is None
    assert at.port(10) == port
    at.close()


@pytest.mark.long
def test_a_process_that_ends_as_it_starts_is_not_held_up() -> None:
    for turn in range(40):
        at = Page("127.0.0.1", 0, ["relay"])
        if turn % 2:
            at.port(10)
        at.close()
    assert "page" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("sent", [b"", b"GET /health", b"GET /health HTTP/1.1\r\nX: "])
@pytest.mark.long
def test_a_crowd_that_says_nothing_keeps_nobody_out(sent: bytes) -> None:
    at = Page("127.0.0.1", 0, ["relay"])
    address = served(at)
    crowd = []
    try:
        for _ in range(400):
            crowd.append(socket.create_connection(("127.0.0.1", at.port(10) or 0), 30))
            with suppress(ConnectionError):
                crowd[-1].sendall(sent)
        assert httpx.get(f"{address}/health", timeout=30).status_code == 200
        assert threading.active_count() < 100
    finally:
        for one in crowd:
            one.close()
        at.close()


@pytest.mark.long
def test_a_slow_client_and_a_head_without_end_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "CLIENT_SECONDS", 0.5)
    at = Page("127.0.0.1", 0, ["relay"])
    for piece in (b"X", b"X: y\r\n", b"X" * 65536):
        with socket.create_connection(("127.0.0.1", int(at.port(10) or 0)), 30) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\nX: y\r\nX")
            slow.settimeout(0.1)
            give_up = monotonic() + 30
            while True:
                assert monotonic() < give_up, "the connection stays open"
                try:
                    slow.sendall(piece)
                    if not slow.recv(100):
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
    at.close()


def test_the_documented_ports_are_those_in_use() -> None:
    told = dict(re.findall(r"(\w+) (60[67]\d)\b", DOCUMENT.read_text(encoding="utf-8")))
    for role in ROLES:
        port = page_port(Settings(serve_port=None), [role])
        assert told.get(role, str(port)) == str(port)
    assert {"relay", "sink", "files"} <= set(told)


def test_roles_that_share_a_process_share_its_page(embedded_broker: str, tmp_path: Path) -> None:
    settings = settings_for(embedded_broker, tmp_path)
    ensure_topics(embedded_broker, settings)
    roles = ["relay", "projector", "timers", "releaser", "callbacks", "api"]
    port = free_port()
    child = start(
        settings, "office", "serve", *roles, ANTISPAM_SERVE_PORT=str(port), ANTISPAM_API_PORT=str(free_port())
    )
    try:
        parts: dict[str, bool] = {}
        deadline = monotonic() + 60
        while not (parts and all(ready for part, ready in parts.items() if part != "api")):
            assert child.returncode is None, child.tail()
            assert monotonic() < deadline, (parts, child.tail())
            try:
                parts = httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).json()["parts"]
            except httpx.TransportError:
                child.wait(0.1)
        assert set(parts) == {*roles, "projector-statuses", "projector-cases"}
    finally:
        child.stop(15)
    assert child.returncode == 0, child.tail()
