"""Posts to owners: signed, once while all is well, again while not, and not for ever."""

from __future__ import annotations

import asyncio
import hmac
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from pipeline.actions.status.role import (
    AT_ONCE,
    AT_ONCE_TO_ONE,
    LEASE_MS,
    claim,
    post,
    record_attempt,
    run_callbacks,
)
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from pipeline.store.callback_queue import enqueue
from pipeline.store.database import Database
from tests.harness.case_events import add_port

NOW = 1_700_000_000_000
PORT = "10690001"
LOOPBACK = ip_network("127.0.0.0/8")


class Owner(ThreadingHTTPServer):
    """An enterprise's server; answers with `status` and remembers what it was told."""

    status = 204
    told: list[tuple[str, dict[str, str], bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/told"


class Handler(BaseHTTPRequestHandler):
    server: Owner

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.told.append((self.path, dict(self.headers), self.rfile.read(length)))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def owner() -> Iterator[Owner]:
    server = Owner(("127.0.0.1", 0), Handler)
    server.told = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def registered(db: Database, url: str) -> str:
    with db.write() as connection:
        add_port(connection, PORT)
    return api_keys.create(db, User("root", Role.ADMINISTRATOR), PORT, url, NOW)


def rows(db: Database) -> list[tuple[int, int | None]]:
    with db.read() as connection:
        return [(r.tries, r.due_at) for r in connection.execute(select(schema.callbacks))]


@pytest.mark.long
def test_names_that_nobody_answers_for_hold_up_only_their_own(
    operational_db: Database, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, asked, real = threading.Event(), [], socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        if host.endswith(".silent.example"):
            asked.append(host)
            ended.wait(60)
        return real("127.0.0.1" if host.endswith(".silent.example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    registered(operational_db, owner.url)
    silent = [f"http://{n}.silent.example:1/" for n in range(AT_ONCE // AT_ONCE_TO_ONE - 1)] * AT_ONCE_TO_ONE
    for url in set(silent):
        api_keys.create(operational_db, User("root", Role.ADMINISTRATOR), PORT, url, NOW)
    row = {"port": PORT, "body": b"{}", "tries": 0, "created_at": NOW, "due_at": NOW}
    with operational_db.write() as connection:
        connection.execute(insert(schema.callbacks), [row | {"url": url} for url in silent])
    settings = Settings(
        database_url=operational_db.engine.url.render_as_string(hide_password=False), callback_networks=(LOOPBACK,)
    )
    stop = threading.Event()
    role = threading.Thread(target=run_callbacks, args=(settings, stop))
    role.start()
    try:
        deadline = monotonic() + 20
        while len(asked) < len(silent):
            assert monotonic() < deadline, f"{len(asked)} of {len(silent)} names are looked up at once"
            sleep(0.02)
        with operational_db.write() as connection:
            enqueue(connection, PORT, {"event": "rejected", "id": "a"}, NOW)
        while not owner.told:
            assert monotonic() < deadline
            sleep(0.02)
    finally:
        ended.set()
        stop.set()
        role.join(30)


@pytest.mark.long
def test_an_owner_is_told_once_and_can_check_who_tells(operational_db: Database, owner: Owner) -> None:
    key = registered(operational_db, owner.url)
    with operational_db.write() as connection:
        enqueue(connection, PORT, {"event": "rejected", "id": "a"}, NOW)
    stop = threading.Event()
    settings = Settings(
        database_url=operational_db.engine.url.render_as_string(hide_password=False), callback_networks=(LOOPBACK,)
    )
    role = threading.Thread(target=run_callbacks, args=(settings, stop))
    role.start()
    deadline = monotonic() + 20
    while rows(operational_db):
        assert monotonic() < deadline
        sleep(0.02)
    stop.set()
    role.join(20)
    ((_, headers, sent),) = owner.told
    assert sent == b'{"event":"rejected","id":"a"}'
    at, _, given = headers["Antispam-Signature"].partition(",v1=")
    # As the owner computes it, who has the key and nothing else:
    secret = hmac.new(sha256(key.encode()).digest(), b"antispam callback v1", "sha256").digest()
    assert given == hmac.new(secret, at.removeprefix("t=").encode() + b"." + sent, "sha256").hexdigest()


@pytest.mark.parametrize(("status", "outcome"), [(200, "delivered"), (302, "redirected"), (500, "refused")])
def test_only_a_2xx_counts_and_redirects_are_not_followed(owner: Owner, status: int, outcome: str) -> None:
    owner.status = status

    async def one() -> str:
        async with httpx.AsyncClient() as client:
            return await post(client, (LOOPBACK,), "0" * 64, 1, owner.url, b"{}", NOW)

    assert asyncio.run(one()) == outcome
    assert [path for path, _, _ in owner.told] == ["/told"]


@pytest.mark.parametrize("url", ["https://xn--/", "http://a..b/", "nonsense:"])
def test_an_address_that_cannot_be_is_unreachable_and_ends_nothing(url: str) -> None:
    async def one() -> str:
        async with httpx.AsyncClient() as client:
            return await post(client, (LOOPBACK,), "0" * 64, 1, url, b"{}", NOW)

    assert asyncio.run(one()) == "unreachable"


def test_what_fails_waits_longer_each_time_and_is_given_up(operational_db: Database) -> None:
    registered(operational_db, "http://127.0.0.1:9/")
    with operational_db.write() as connection:
        enqueue(connection, PORT, {}, NOW)
    now, waits = NOW, []
    for _ in range(8):
        (row,) = claim(operational_db, now, 10)
        assert claim(operational_db, now, 10) == []  # leased
        record_attempt(operational_db, row.id, row.tries + 1, "unreachable", now)
        ((_, due),) = rows(operational_db)
        waits.append(None if due is None else due - now)
        assert claim(operational_db, now, 10) == []
        now = due or now
    assert waits == [30_000, 120_000, 480_000, 1_920_000, 7_680_000, 21_600_000, 21_600_000, None]
    assert claim(operational_db, now + 216_000_000, 10) == []


def test_a_killed_poster_leaves_a_lease_that_runs_out(operational_db: Database) -> None:
    registered(operational_db, "http://127.0.0.1:9/")
    with operational_db.write() as connection:
        enqueue(connection, PORT, {}, NOW)
    assert len(claim(operational_db, NOW, 10)) == 1
    assert claim(operational_db, NOW + LEASE_MS - 1, 10) == []
    assert len(claim(operational_db, NOW + LEASE_MS, 10)) == 1


def test_one_owners_backlog_leaves_room_for_others(operational_db: Database) -> None:
    registered(operational_db, "http://127.0.0.1:9/slow")
    with operational_db.write() as connection:
        for _ in range(200):
            enqueue(connection, PORT, {}, NOW)
        values = {
            "port": PORT,
            "url": "http://127.0.0.1:9/other",
            "body": b"{}",
            "tries": 0,
            "created_at": NOW,
            "due_at": NOW + 1,
        }
        connection.execute(insert(schema.callbacks).values(values))
    first = claim(operational_db, NOW + 1, 32)
    assert len(first) == AT_ONCE_TO_ONE
    second = claim(operational_db, NOW + 1, 32, full=["http://127.0.0.1:9/slow"])
    assert [row.url for row in second] == ["http://127.0.0.1:9/other"]


def test_without_an_active_key_nothing_is_posted(operational_db: Database) -> None:
    registered(operational_db, "http://127.0.0.1:9/")
    with operational_db.write() as connection:
        enqueue(connection, PORT, {}, NOW)
    (row,) = claim(operational_db, NOW, 1)
    record_attempt(operational_db, row.id, 1, "no_key", NOW)
    assert rows(operational_db) == [(1, None)]
