"""Every route of the API asks for the key that is meant for it, and serves a port nothing of another port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.routing import Route

from pipeline.actions.conduct.appeals import Appeal
from pipeline.actions.replies.bringing import Waiting
from pipeline.ingest.soap.envelope import Version, written
from pipeline.ingest.soap.operations import NAMESPACE
from pipeline.store.accounts.api_keys import hashed
from tests.harness.case_events import submission
from tests.ingest.http.test_app import KEY, OTHER, PORT, World

CHANNEL = "key-of-the-channels"
REPLIES = {PORT: f"{1:016x}", OTHER: f"{2:016x}"}
APPEALS = {PORT: 1, OTHER: 2}
NAMES = {PORT: "ours", OTHER: "theirs"}  # a submission of each port
PHONE = "13800000001"


class For(StrEnum):
    """Who may use a route."""

    PORT = "the key of a port"
    CHANNEL = "the key of the complaint channels"
    ALL = "everybody"


Ask = Callable[[str], tuple[str, bytes, str]]  # about the port: path, body, its media type


def line(port: str, **more: object) -> dict[str, Any]:
    return {"port": port, "recipients": [PHONE], "content": "x", **more}


def plain(path: str) -> Ask:
    return lambda _: (path, b"", "application/json")


def json(path: str, body: Callable[[str], object]) -> Ask:
    return lambda port: (path, msgspec.json.encode(body(port)), "application/json")


def soap(port: str) -> tuple[str, bytes, str]:
    inner = f"<port>{port}</port><recipient>{PHONE}</recipient><content>x</content>"
    return (
        "/soap",
        written(Version.SOAP_12, f'<Submit xmlns="{NAMESPACE}">{inner}</Submit>'),
        Version.SOAP_12.media_type,
    )


# What it answers about a thing of the port of the key, and about one of another port; None: it can be about no other.
ROUTES: dict[tuple[str, str], tuple[For, Ask, int, int | None]] = {
    ("POST", "/v1/submissions"): (For.PORT, json("/v1/submissions", line), 202, 403),
    ("POST", "/v1/batches"): (
        For.PORT,
        lambda port: ("/v1/batches", msgspec.json.encode(line(port)), "application/x-ndjson"),
        202,
        403,
    ),
    ("POST", "/v1/consents"): (
        For.PORT,
        json(
            "/v1/consents",
            lambda port: (
                {"recipient": PHONE, "kind": "consent", "source": "form", "given_at": 1_600_000_000_000}
                | ({} if port == PORT else {"port": port})
            ),
        ),
        202,
        422,
    ),
    ("GET", "/v1/replies"): (For.PORT, plain("/v1/replies"), 200, None),
    ("POST", "/v1/replies/taken"): (For.PORT, json("/v1/replies/taken", lambda p: {"ids": [REPLIES[p]]}), 200, 200),
    ("POST", "/v1/appeals"): (
        For.PORT,
        json("/v1/appeals", lambda port: {"submission": NAMES[port], "text": "x"}),
        202,
        409,
    ),
    ("GET", "/v1/appeals/{ident}"): (For.PORT, lambda port: plain(f"/v1/appeals/{APPEALS[port]}")(port), 200, 404),
    ("GET", "/v1/submissions/{ident:path}"): (
        For.PORT,
        lambda port: plain(f"/v1/submissions/{NAMES[port]}")(port),
        200,
        404,
    ),
    ("POST", "/v1/complaints"): (
        For.CHANNEL,
        json("/v1/complaints", lambda port: {"port": port, "recipient": PHONE, "complained_at": 1_690_000_000_000}),
        202,
        202,
    ),
    ("POST", "/soap"): (For.PORT, soap, 200, 400),
    ("GET", "/soap"): (For.ALL, plain("/soap"), 200, None),
    ("GET", "/health"): (For.ALL, plain("/health"), 200, None),
    ("GET", "/ready"): (For.ALL, plain("/ready"), 200, None),
    ("GET", "/metrics"): (For.ALL, plain("/metrics"), 200, None),
    ("GET", "/openapi.json"): (For.ALL, plain("/openapi.json"), 200, None),
    ("GET", "/docs"): (For.ALL, plain("/docs"), 200, None),
}
KEYS = {For.PORT: KEY, For.CHANNEL: CHANNEL}
PRIVATE = [route for route, (whom, *_) in ROUTES.items() if whom is not For.ALL]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Both ports have a submission, an appeal and a reply."""
    made = World(tmp_path, complaint_key=CHANNEL)
    for port, name in NAMES.items():
        made.database[port, name] = submission(name, port=port)
        made.appeals.append((port, Appeal(APPEALS[port], "open", 1, None)))
        made.replies[port] = [Waiting(REPLIES[port], port, PHONE, "x", 5)]
    return made


def ask(world: World, route: tuple[str, str], port: str, authorization: str | None) -> httpx.Response:
    method, _ = route
    path, body, media_type = ROUTES[route][1](port)
    headers = {"Content-Type": media_type} | ({} if authorization is None else {"Authorization": authorization})
    answer: httpx.Response = world.run(lambda c: c.request(method, path, content=body), headers)
    return answer


def kept(world: World) -> tuple[int, ...]:
    """How much the API has taken, and how many replies wait."""
    waiting = sum(len(replies) for replies in world.replies.values())
    return len(world.sent), len(world.consents), len(world.complaints), len(world.appeals), waiting


def served(world: World) -> Iterator[tuple[str, str]]:
    for route in world.app.routes:
        assert isinstance(route, Route), route
        for method in (route.methods or set()) - {"HEAD"}:
            yield method, route.path


def test_no_route_is_missing_here(world: World) -> None:
    assert set(served(world)) == set(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_with_its_key_it_answers_and_everybody_reads_what_is_for_all(world: World, route: tuple[str, str]) -> None:
    whom, _, status, _ = ROUTES[route]
    authorization = None if whom is For.ALL else f"Bearer {KEYS[whom]}"
    answer = ask(world, route, PORT, authorization)
    assert answer.status_code == status, answer.text
    if whom is For.ALL:
        assert not any(secret in answer.text for secret in (KEY, CHANNEL, *REPLIES.values()))


@pytest.mark.parametrize("route", PRIVATE, ids=" ".join)
def test_with_another_key_or_none_it_does_and_tells_nothing(world: World, route: tuple[str, str]) -> None:
    before = kept(world)
    wrong = [None, "", "Bearer", "Bearer ", "Bearer x", f"Bearer {KEY}x", f"Bearer {hashed(KEY)}", f"Digest {KEY}"]
    wrong += [f"Bearer {key}" for whom, key in KEYS.items() if whom is not ROUTES[route][0]]
    for authorization in wrong:
        answer = ask(world, route, PORT, authorization)
        refused = 400 if route[1] == "/soap" else 401  # a fault of SOAP names the code
        assert (answer.status_code, "unauthorized" in answer.text) == (refused, True), authorization
        assert not any(told in answer.text for told in (*NAMES.values(), *REPLIES.values(), PHONE))
    assert kept(world) == before


@pytest.mark.parametrize("route", [route for route in PRIVATE if ROUTES[route][3] is not None], ids=" ".join)
def test_about_another_port_it_does_and_tells_nothing(world: World, route: tuple[str, str]) -> None:
    whom, _, _, status = ROUTES[route]
    before = kept(world)
    answer = ask(world, route, OTHER, f"Bearer {KEYS[whom]}")
    assert answer.status_code == status, answer.text
    if whom is For.PORT:
        assert kept(world) == before
        assert REPLIES[OTHER] not in answer.text


def test_a_port_reads_its_own_replies_alone(world: World) -> None:
    told = ask(world, ("GET", "/v1/replies"), PORT, f"Bearer {KEY}").json()["replies"]
    assert [one["id"] for one in told] == [REPLIES[PORT]]
