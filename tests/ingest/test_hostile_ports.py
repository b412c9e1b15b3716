"""Random octets and half frames at every listening port: no crash, no hang, no growth, no accepted message.

`ANTISPAM_HOSTILE_SECONDS` is how long each process is attacked (10). At the end an honest client of each port is
answered.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import monotonic, time

import httpx
import psutil
import pytest

from dashboards.guard import COOKIE
from pipeline import topics
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.child import Child, free_port
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role
from tests.harness.console_data import sign_up
from tests.harness.hostile_octets import http_attack, link_attack, login, send
from tests.harness.migrated import migrated_database
from tests.harness.processes.api import PORT, deployment, start_api, until_ready
from tests.harness.processes.forked import ForkedChild
from tests.harness.processes.links import ACCOUNT, SECRET, link_deployment, start_links

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("ANTISPAM_HOSTILE_SECONDS", "10"))
MOST_GROWTH = 100 << 20  # octets
PATIENCE = 30.0  # seconds; far above anything measured
LANES = (topics.SUBMISSIONS_EXPRESS.name, topics.SUBMISSIONS_BULK.name, topics.PARTS.name)

Attack = Callable[[Random], tuple[int, str, bytes]]  # a port, the name of what is attacked there, octets
ENVELOPE = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><Submit xmlns="urn:antispam:submissions:1">'
    "<port>10690001</port><recipient>13800000001</recipient><content>您好</content></Submit></Body></Envelope>"
)


def request(line: str, *fields: str, body: str = "") -> bytes:
    octets = body.encode()
    length = (f"Content-Length: {len(octets)}",) if octets else ()
    return "\r\n".join([line, "Host: x", *fields, *length, "", ""]).encode() + octets


def stored(settings: Settings) -> int:
    """How many messages and parts the broker has, and complaints and consents the database."""
    count = 0

    def take(_: object) -> None:
        nonlocal count
        count += 1

    consumer = reader(settings, "test")
    replay(consumer, [(lane, p) for lane in LANES for p in range(settings.partitions)], take)
    consumer.close()
    return count


@contextmanager
def attacked(child: Child, log: Path, attack: Attack, fault: str = "Traceback") -> Iterator[Counter[str]]:
    """Attack a process; afterwards it is alive, has not grown, and has no `fault` in its log."""
    random, process, sent = Random(1), psutil.Process(child.pid), Counter[str]()
    for _ in range(200):  # what is loaded once and kept
        port, _name, octets = attack(random)
        send(port, octets, random)
    before, end = process.memory_info().rss, monotonic() + SECONDS
    while monotonic() < end:
        port, name, octets = attack(random)
        send(port, octets, random)
        sent[name] += 1
    yield sent
    assert child.returncode is None, child.tail()
    growth = process.memory_info().rss - before
    assert growth < MOST_GROWTH, f"memory grew by {growth} octets"
    assert fault not in log.read_text(errors="replace")
    print(f"connections: {dict(sent)}; memory grew by {growth >> 20} MiB")


def test_the_api_and_its_pages(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    """HTTP, SOAP, health and metrics. With a valid key, bodies are noise or cut: a mutated text is still a text."""
    settings, key = deployment(fresh_embedded.bootstrap, tmp_path)
    bearer, wrong = f"Authorization: Bearer {key}", "Authorization: Bearer ask_wrong"
    json_body = f'{{"port": "{PORT}", "recipients": ["13800000001"], "content": "您好"}}'
    xml, json_type = "Content-Type: text/xml; charset=utf-8", "Content-Type: application/json"
    whole = [
        request("GET /health HTTP/1.1"),
        request("GET /metrics HTTP/1.1", bearer),
        request("GET /v1/submissions/x HTTP/1.1", bearer),
        request("GET /soap?wsdl HTTP/1.1"),
        request("POST /v1/submissions HTTP/1.1", wrong, json_type, body=json_body),
        request("POST /soap HTTP/1.1", wrong, xml, 'SOAPAction: "Submit"', body=ENVELOPE),
        request("POST /v1/batches HTTP/1.1", wrong, "Content-Type: text/csv", body="a,b\n" * 50),
    ]
    heads = [
        request("POST /v1/submissions HTTP/1.1", bearer, json_type),
        request("POST /soap HTTP/1.1", bearer, xml),
        request("POST /soap HTTP/1.1", bearer, "Content-Type: application/soap+xml"),
        request("POST /v1/batches HTTP/1.1", bearer, "Content-Type: text/csv"),
        request("POST /v1/complaints HTTP/1.1", bearer, json_type),
        request("POST /v1/appeals HTTP/1.1", bearer, json_type),
        request("POST /v1/consents HTTP/1.1", bearer, json_type),
    ]
    half = [json_body[:-3].encode(), ENVELOPE[:-11].encode(), b'{"port":' * 500, b"<a>" * 5000, b"[" * 10_000]

    def attack(random: Random) -> tuple[int, str, bytes]:
        if random.random() < 0.5:
            return settings.api_port, "requests", http_attack(whole, random)
        body = random.choice([*half, random.randbytes(300), random.randbytes(40_000)])
        head = random.choice(heads).removesuffix(b"\r\n")
        return settings.api_port, "bodies", head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    child = start_api(settings)
    try:
        with attacked(child, settings.data_dir / "api.log", attack):
            assert stored(settings) == 0
            honest = httpx.post(
                f"http://127.0.0.1:{settings.api_port}/v1/submissions",
                headers={"Authorization": f"Bearer {key}"},
                json={"port": PORT, "recipients": ["13800000001"], "content": "您好"},
                timeout=PATIENCE,
            )
            assert (honest.status_code, stored(settings)) == (202, 1)
    finally:
        child.stop(15)


def test_the_ports_of_links_and_their_page(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    settings = link_deployment(fresh_embedded.bootstrap, tmp_path, smgp_port=free_port(), sgip_port=free_port())
    ports = {protocol: getattr(settings, f"{protocol}_port") for protocol in ("cmpp", "smpp", "smgp", "sgip")}
    page = settings.serve_port
    assert page is not None
    pages = [request(f"GET /{name} HTTP/1.1") for name in ("health", "ready", "metrics", "x")]

    def attack(random: Random) -> tuple[int, str, bytes]:
        protocol = random.choice([*ports, "page"])
        if protocol == "page":
            return page, protocol, http_attack(pages, random)
        return ports[protocol], protocol, link_attack(protocol, ACCOUNT, SECRET, random)

    child = start_links(settings)
    try:
        with attacked(child, settings.data_dir / "links.log", attack):
            assert stored(settings) == 0
            for protocol, port in ports.items():
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                    connection.sendall(login(protocol, ACCOUNT, SECRET))
                    assert connection.recv(4), f"{protocol}: an honest login has no answer"
            assert httpx.get(f"http://127.0.0.1:{page}/metrics", timeout=PATIENCE).status_code == 200
    finally:
        child.stop(15)


def test_the_console_and_its_web_socket(tmp_path: Path) -> None:
    """Requests without a session, and frames of noise on a WebSocket with one."""
    port = free_port()
    db = migrated_database(Settings(data_dir=tmp_path, _env_file=None))
    token = sign_up(db, "anna", Role.VIEWER, int(time() * 1000))
    db.close()
    environment = os.environ | {"ANTISPAM_DATA_DIR": str(tmp_path), "ANTISPAM_CONSOLE_PORT": str(port)}
    child = ForkedChild("console", ("console",), tmp_path / "console.log", env=environment)
    upgrade = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: http://127.0.0.1:{port}",
    )
    stream = "GET /_stcore/stream HTTP/1.1"
    opened = "\r\n".join([stream, f"Host: 127.0.0.1:{port}", *upgrade, f"Cookie: {COOKIE}={token}", "", ""]).encode()
    whole = [
        request("GET / HTTP/1.1"),
        request(stream, *upgrade),
        request("POST /sign-in HTTP/1.1", body="name=anna&password=x"),
        request("PUT /_stcore/upload_file/x/y HTTP/1.1", body="x" * 500),
    ]

    def attack(random: Random) -> tuple[int, str, bytes]:
        if random.random() < 0.7:
            return port, "requests", http_attack(whole, random)
        frames = b"".join(
            bytes((random.choice((0x81, 0x82, 0x88, 0x89, random.randrange(256))), 0x80 | random.randrange(126)))
            + random.randbytes(random.randrange(130))
            for _ in range(random.randrange(1, 10))
        )
        return port, "sockets", opened + frames

    try:
        until_ready(child, f"http://127.0.0.1:{port}", "health")
        # Streamlit logs a traceback for each message that is none; only who has signed in can send it one.
        with attacked(child, tmp_path / "console.log", attack, fault="Fatal error"):
            assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE).status_code == 200
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                connection.sendall(opened)
                assert connection.recv(12) == b"HTTP/1.1 101"
    finally:
        child.stop(15)
