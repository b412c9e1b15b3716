"""Strangers hold what they can of the API; whoever has a key is answered meanwhile, and memory does not grow."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import psutil
import pytest

from pipeline.process.http_connections import HEAD_FIELDS, STRANGERS
from pipeline.run.child import Child
from pipeline.settings import Settings
from tests.harness.processes.api import PORT, address, deployment, serving

CROWD = 1030
HEAD = b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
PATIENCE = 60.0  # seconds; far above anything measured
RESIDENT = 100 * 2**20  # that it may grow by
Api = tuple[Settings, str, Child]


@pytest.fixture(scope="module")
def api(embedded_broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("attacked")
    settings, key = deployment(embedded_broker, folder, api_head_seconds=2.0, partitions=8)  # as others on this broker
    with serving(settings) as running:
        yield settings, key, running[0]


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(api: Api, sockets: ExitStack, source: str = "127.0.0.1") -> socket.socket:
    found = sockets.enter_context(socket.create_connection(("127.0.0.1", api[0].api_port), PATIENCE, (source, 0)))
    found.settimeout(PATIENCE)
    return found


def honest(api: Api) -> int:
    """The status of a submission by somebody with a key, on a connection of its own."""
    settings, key, _ = api
    body = {"port": PORT, "recipients": ["13800000001"], "content": "您好"}
    return httpx.post(
        f"{address(settings)}/v1/submissions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE
    ).status_code


def resident(api: Api) -> int:
    return psutil.Process(api[2].pid).memory_info().rss


def count(api: Api, why: str) -> float:
    """How many connections the API has ended for this cause, by its own count."""
    metrics = httpx.get(f"{address(api[0])}/metrics", timeout=PATIENCE).text
    found = re.search(rf'antispam_http_connections_ended_total\{{why="{why}"\}} (\S+)', metrics)
    return float(found[1]) if found else 0


def ended(connection: socket.socket) -> bytes:
    """What came until the other side closed the connection."""
    received = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


def trickled(connection: socket.socket, piece: bytes, every: float = 0.2) -> bytes:
    """Send a piece again and again until the connection is closed; what came."""
    give_up = time.monotonic() + PATIENCE
    connection.settimeout(every)
    received = b""
    while True:
        assert time.monotonic() < give_up, "the connection stays open"
        try:
            connection.sendall(piece)
            got = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return received
        if not got:
            return received
        received += got


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("sent", [b"", b"POST /v1/sub", HEAD, HEAD + b"Authorization: Bearer wrong\r\nX: "])
def test_a_crowd_of_half_sent_requests(api: Api, sockets: ExitStack, source: str, sent: bytes) -> None:
    crowd = []
    before, counted = resident(api), count(api, "crowded")
    for n in range(CROWD):
        stranger = connect(api, sockets, source)
        with suppress(ConnectionError):
            stranger.sendall(sent)
        crowd.append(stranger)
        if n % 200 == 0:
            assert honest(api) == 202
    assert honest(api) == 202
    assert len([c for c in psutil.Process(api[2].pid).net_connections("tcp") if c.status == "ESTABLISHED"]) < CROWD
    assert resident(api) - before < RESIDENT
    assert all(ended(stranger) == b"" for stranger in crowd), "a deadline ends the rest of them"
    assert count(api, "crowded") > counted


def test_a_head_that_trickles_in_is_ended(api: Api, sockets: ExitStack) -> None:
    counted = count(api, "slow")
    slow = connect(api, sockets)
    slow.sendall(HEAD)
    assert trickled(slow, b"X-A: b\r\n") == b""
    blank = connect(api, sockets)
    assert trickled(blank, b"\r\n") == b""
    assert count(api, "slow") == counted + 2
    assert honest(api) == 202


@pytest.mark.parametrize("line", [b"a" * 65536, b"X-A: " + b"a" * 1000 + b"\r\n"], ids=["one field", "many"])
def test_a_head_without_end_costs_no_memory(api: Api, sockets: ExitStack, line: bytes) -> None:
    before, counted = resident(api), count(api, "large")
    stranger = connect(api, sockets)
    stranger.sendall(HEAD + b"X-Long: ")
    sent = 0
    with suppress(ConnectionError):
        while sent < 400 * 2**20:
            stranger.sendall(line)
            sent += len(line)
    assert sent < 400 * 2**20, "it was read to its end"
    assert count(api, "large") == counted + 1
    assert resident(api) - before < RESIDENT
    assert honest(api) == 202


@pytest.mark.parametrize(
    ("fields", "status"), [(HEAD_FIELDS - 5, b"401"), (HEAD_FIELDS + 1, b"431"), (100_000, b"431")]
)
def test_a_head_of_very_many_fields_is_refused(api: Api, sockets: ExitStack, fields: int, status: bytes) -> None:
    stranger = connect(api, sockets)
    with suppress(ConnectionError):
        stranger.sendall(HEAD + b"A: b\r\n" * fields + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    answer = ended(stranger)
    assert answer.startswith(b"HTTP/1.1 " + status) or (fields == 100_000 and answer == b"")  # reset while it sent


def test_one_long_field_within_a_packet_is_refused(api: Api, sockets: ExitStack) -> None:
    stranger = connect(api, sockets)
    stranger.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 17_000 + b"\r\n\r\n")
    assert ended(stranger).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_slow_bodies_without_a_key_take_nothing(api: Api, sockets: ExitStack, framing: bytes) -> None:
    crowd = [connect(api, sockets) for _ in range(STRANGERS - 10)]
    for stranger in crowd:
        stranger.sendall(HEAD + framing)
    assert honest(api) == 202
    answer = trickled(crowd[-1], b"1\r\nx\r\n")
    assert answer.startswith(b"HTTP/1.1 401")
    for stranger in crowd[:-1]:
        assert ended(stranger).startswith(b"HTTP/1.1 401")


def test_a_key_that_is_none_earns_no_room(api: Api, sockets: ExitStack) -> None:
    """Requests that are answered 401 stay strangers', however many they are and however they go on."""
    crowd = []
    for n in range(CROWD):
        stranger = connect(api, sockets)
        with suppress(ConnectionError):
            stranger.sendall(HEAD + b"Authorization: Bearer ask_%d\r\nContent-Length: 2\r\n\r\n{}" % n)
        crowd.append(stranger)
    assert honest(api) == 202


def test_many_requests_ahead_of_their_answers_end_the_connection(api: Api, sockets: ExitStack) -> None:
    before = resident(api)
    stranger = connect(api, sockets)
    with suppress(ConnectionError):
        stranger.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
    assert ended(stranger).count(b"200 OK") < 5000
    assert resident(api) - before < RESIDENT
    assert honest(api) == 202


def test_a_connection_that_is_kept_goes_on(api: Api) -> None:
    """Bounds end nobody's work: a client with a key sends request after request on one connection."""
    settings, key, _ = api
    body = {"port": PORT, "recipients": ["13800000001"], "content": "您好"}
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE) as client:
        for _ in range(30):
            assert client.post(f"{address(settings)}/v1/submissions", json=body).status_code == 202
        assert client.get(f"{address(settings)}/ready").status_code == 200
