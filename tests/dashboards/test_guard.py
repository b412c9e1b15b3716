"""Nothing without a session: every path, every method, the WebSocket; and a form only from our own page."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboards.guard import COOKIE, Guard
from dashboards.sign_in import SignIn
from pipeline.store import schema
from pipeline.store.accounts.roles import Role
from pipeline.store.accounts.sessions import IDLE_MS
from pipeline.store.accounts.users import first_administrator
from pipeline.store.database import Database
from tests.harness.console_data import PASSWORD, sign_up
from tests.harness.migrated import migrated_sqlite


async def _inside(_: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("inside")
    await socket.close()


@pytest.fixture
def db(operational_db: Database) -> Database:
    sign_up(operational_db, "anna", Role.REVIEWER, now())
    return operational_db


@pytest.fixture
def client(db: Database) -> Iterator[TestClient]:
    with console(db) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One console for all who never get in: they leave nothing behind."""
    with closing(migrated_sqlite(tmp_path_factory.mktemp("guard") / "operational.db")) as db, console(db) as client:
        yield client


def console(db: Database) -> TestClient:
    routes = [*SignIn(db).routes(), WebSocketRoute("/_stcore/stream", _socket), Route("/{path:path}", _inside)]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, db=db)])
    return TestClient(app, follow_redirects=False)


def now() -> int:
    return int(time.time() * 1000)


def sign_in(client: TestClient, name: str = "anna", password: str = PASSWORD, **headers: str) -> int:
    answer = client.post("/login", data={"name": name, "password": password}, headers=headers)
    return int(answer.status_code)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/review",
        "/_stcore/health",
        "/_stcore/upload_file/x",
        "/media/x",
        "/static/x.js",
        "/login/",
        "/LOGIN",
        "//login",
        "/login/../review",
        "/health/x",
        "/language/zh/../../review",
        "/password",
        "/%2e/review",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_a_stranger_gets_nothing(stranger: TestClient, path: str, method: str) -> None:
    answer = stranger.request(method, path, headers={"Accept": "text/html"})
    assert answer.status_code in (303, 401)
    to = urlsplit(answer.headers.get("location", "/login"))
    assert (to.scheme, to.netloc, to.path) == ("", "", "/login"), "the page asked for is only named"
    assert "inside" not in answer.text


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, '"; DROP TABLE users', "a=b=c"])
def test_a_made_up_cookie_opens_nothing(client: TestClient, cookie: str) -> None:
    assert client.get("/", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 401
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream"):
        pass


def test_signing_in_opens_pages_and_socket_and_signing_out_closes_them(client: TestClient) -> None:
    answer = client.post("/login", data={"name": " Anna ", "password": PASSWORD})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/review").text == "inside"
    with client.websocket_connect("/_stcore/stream") as socket:
        assert socket.receive_text() == "inside"
    asked = client.get("/logout")
    assert asked.status_code == 200
    assert '<form method="post" action="/logout">' in asked.text
    assert client.get("/review").text == "inside", "a GET ends nothing"
    assert client.post("/logout").status_code == 303
    assert client.get("/review").status_code == 401


def test_headers_that_keep_the_page_ours(client: TestClient) -> None:
    sign_in(client)
    for path in ("/login", "/review", "/health"):
        headers = client.get(path).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://testserver:8502"},
    {"Origin": "https://testserver"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://testserver:x"},
    {"Origin": "file://testserver"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_origin_changes_nothing_and_opens_no_socket(client: TestClient, headers: dict[str, str]) -> None:
    assert sign_in(client, **headers) == 403
    assert sign_in(client) == 303
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/logout", headers=headers).status_code == 403
        assert client.request(method, "/_stcore/upload_file/x", headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream", headers=headers):
        pass
    assert client.get("/logout", headers=headers).status_code == 200
    assert client.get("/review").text == "inside", "still signed in"


@pytest.mark.parametrize("origin", ["http://testserver", "http://testserver:80", "http://TESTSERVER"])
def test_our_own_origin_works(client: TestClient, origin: str) -> None:
    assert sign_in(client, Origin=origin) == 303
    with client.websocket_connect("/_stcore/stream", headers={"Origin": origin}) as socket:
        assert socket.receive_text() == "inside"
    assert client.post("/logout", headers={"Origin": origin}).status_code == 303


def test_behind_a_proxy_the_public_address_is_the_origin(db: Database) -> None:
    app = Starlette(
        routes=SignIn(db, "https://console.example").routes(),
        middleware=[Middleware(Guard, db=db, address="https://console.example/")],
    )
    with TestClient(app, follow_redirects=False) as client:
        assert sign_in(client, Origin="http://testserver") == 403
        answer = client.post(
            "/login", data={"name": "anna", "password": PASSWORD}, headers={"Origin": "https://console.example"}
        )
        assert answer.status_code == 303
        assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("public", [None, "https://console.example"])
def test_whoever_says_to_come_from_elsewhere_waits_all_the_same(db: Database, public: str | None) -> None:
    """Each guess names another address, before the line in which a proxy says the true one."""
    app = Starlette(routes=SignIn(db, public).routes(), middleware=[Middleware(Guard, db=db, address=public)])
    with TestClient(app, follow_redirects=False) as client:
        for n in range(3):
            forwarded = [("X-Forwarded-For", f"203.0.113.{n}"), ("X-Forwarded-For", "192.0.2.7")]
            client.post("/login", data={"name": "anna", "password": "wrong"}, headers=forwarded)
    t = schema.sign_ins
    with db.read() as connection:
        failed = select(t.c.address, t.c.failures).where(t.c.name == "anna", t.c.address != "", t.c.failures > 0)
        found = connection.execute(failed).all()
    assert found == [("192.0.2.7" if public else "testclient", 3)]


@pytest.mark.parametrize("body", [b"name=" + b"x" * 5000, b"\xff\xfe", b"&".join([b"a=b"] * 20)])
def test_a_strange_body_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/login", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 403


def test_what_was_typed_comes_back_as_text(client: TestClient) -> None:
    answer = client.post("/login", data={"name": '"><script>alert(1)</script>', "password": "x"})
    assert answer.status_code == 401
    assert "<script>" not in answer.text


def test_a_one_time_password_opens_only_its_change(client: TestClient, operational_db: Database) -> None:
    with operational_db.write() as connection:
        connection.exec_driver_sql("DELETE FROM sessions")
        connection.exec_driver_sql("DELETE FROM users")
    once = first_administrator(operational_db, now())
    assert once is not None
    assert sign_in(client, "admin", once) == 303
    assert client.get("/").headers["location"] == "/password"
    asked = client.get("/review?queue=fraud").headers["location"]
    assert asked == "/password?to=%2Freview%3Fqueue%3Dfraud"
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream"):
        pass
    assert 'name="old"' not in client.get("/password").text, "who came with it need not type it again"
    change = {"new": PASSWORD, "again": PASSWORD}
    refused = client.post("/password", data=change | {"again": "other"})
    assert refused.status_code == 400
    assert f'value="{PASSWORD}"' in refused.text, "what was typed stays"
    assert client.post("/password", data={"new": once, "again": once}).status_code == 400
    action = html.unescape(re.findall(r'action="([^"]+)"', client.get(asked).text)[0])
    done = client.post(action, data=change)
    assert (done.status_code, done.headers["location"]) == (303, "/review?queue=fraud")
    assert client.get("/review").text == "inside"
    assert sign_in(client, "admin", once) == 401


def test_a_later_change_asks_for_the_present_password(client: TestClient, operational_db: Database) -> None:
    client.headers["Cookie"] = f"{COOKIE}={sign_up(operational_db, 'lea', Role.REVIEWER, now())}"
    assert 'name="old"' in client.get("/password").text
    change = {"new": "another long word", "again": "another long word"}
    for old in ({}, {"old": "wrong"}):
        assert client.post("/password", data=change | old).status_code == 400
    assert client.post("/password", data=change | {"old": PASSWORD}).status_code == 303


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("/search?text=a%26b&port=1069", "/search?text=a%26b&port=1069"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("", "/"),
    ],
)
def test_a_link_is_kept_through_the_sign_in(
    client: TestClient, operational_db: Database, to: str, location: str
) -> None:
    sign_up(operational_db, "mia", Role.REVIEWER, now())
    form = client.get("/login", params={"to": to}).text
    action = html.unescape(re.findall(r'action="([^"]+)"', form)[0])
    answer = client.post(action, data={"name": "mia", "password": PASSWORD})
    assert answer.headers["location"] == location


def test_the_way_to_the_sign_in_names_the_page(client: TestClient) -> None:
    answer = client.get("/search?text=a%26b", headers={"Accept": "text/html"})
    assert answer.headers["location"] == "/login?to=%2Fsearch%3Ftext%3Da%2526b"
    assert client.get("/?x=" + "y" * 2000, headers={"Accept": "text/html"}).headers["location"] == "/login"


def test_an_idle_session_is_over(operational_db: Database) -> None:
    clock = [now()]
    token = sign_up(operational_db, "anna", Role.REVIEWER, clock[0])
    app = Starlette(
        routes=[Route("/", _inside)], middleware=[Middleware(Guard, db=operational_db, clock=lambda: clock[0])]
    )
    client = TestClient(app, headers={"Cookie": f"{COOKIE}={token}"})
    clock[0] += IDLE_MS - 1
    assert client.get("/").text == "inside"
    clock[0] += 1
    assert client.get("/").status_code == 401, "a page that only refreshes itself is not activity"


@pytest.mark.parametrize(
    ("referer", "location"),
    [
        ("http://testserver/review?x=1", "/review?x=1"),
        ("https://evil.example/review", "/"),
        ("http://testserver//evil.example", "/"),
        ("", "/"),
    ],
)
def test_choosing_a_language_leads_back_and_nowhere_else(client: TestClient, referer: str, location: str) -> None:
    answer = client.get("/language/zh", headers={"Referer": referer} if referer else {})
    assert answer.headers["location"] == location
    assert client.get("/login").text.count("登录") > 0
    assert client.get("/language/xx").status_code in (401, 404)
