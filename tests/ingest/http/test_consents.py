"""`POST /v1/consents`: consents of the key's port, item by item; nobody is asked twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.ingest.http.tables.consent_table import ConsentTable
from pipeline.rules.consents import Consent, ConsentKind
from pipeline.rules.ports import PortEntry
from pipeline.store import outbox
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.ingest.http.test_app import PORT, World

URL = "/v1/consents"
AGREED = {"recipient": "+86 138-0000-0001", "kind": "consent", "given_at": "2023-03-01T10:00:00Z", "source": "form 7"}
ASKED = {"recipient": "13800000001", "kind": "asked", "given_at": 1_690_000_000_000}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_consent_belongs_to_the_port_of_the_key(world: World) -> None:
    answer = world.post(AGREED, URL)
    assert (answer.status_code, answer.json()) == (
        202,
        {"accepted": 1, "duplicates": 0, "results": [{"index": 0, "status": 202}]},
    )
    at = 1_677_664_800_000
    assert world.consents == [Consent(f"port/{PORT}", "13800000001", ConsentKind.CONSENT, "form 7", at)]


def test_an_array_is_answered_item_by_item(world: World) -> None:
    bad = AGREED | {"recipient": "12"}
    answer = world.post([AGREED, bad, ASKED, AGREED | {"kind": "maybe"}], URL)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [(r["status"], r.get("error", {}).get("field")) for r in results] == [
        (202, None),
        (422, "recipient"),
        (202, None),
        (422, "kind"),
    ]
    again = world.post([ASKED, bad], URL)
    assert (again.status_code, again.json()["error"]["code"]) == (422, "none_accepted")
    assert [r["error"]["code"] for r in again.json()["results"]] == ["asked_before", "invalid_consent"]


def test_a_second_request_alone_is_a_conflict(world: World) -> None:
    assert world.post(ASKED, URL).status_code == 202
    answer = world.post(ASKED, URL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "asked_before")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "a" * 501}, "source"),
        ({"until": "2023-01-01T00:00:00Z"}, "until"),
        ({"given_at": "2090-01-01T00:00:00Z"}, "given_at"),
        ({"port": "10690002"}, "port"),
    ],
)
def test_a_fault_names_its_field(world: World, change: dict[str, Any], field: str) -> None:
    answer = world.post(AGREED | change, URL)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert world.consents == []


def test_without_the_database_nothing_is_recorded(world: World) -> None:
    world.database_fails = True
    assert world.post(AGREED, URL).status_code == 503
    assert world.post(b"[]", URL).status_code == 422
    assert world.post(b"{", URL).status_code == 400


def test_the_record_publishes_what_it_takes(operational_db: Database) -> None:
    registry.save_port(operational_db, User("a", Role.ADMINISTRATOR), PortEntry(code=PORT), 1)
    with operational_db.read() as connection:
        before = outbox.last_id(connection)
    consent = Consent(f"port/{PORT}", "13800000001", ConsentKind.REFUSED, "", 5)
    asked = Consent(f"port/{PORT}", "13800000001", ConsentKind.ASKED, "", 9)
    faults = asyncio.run(ConsentTable(operational_db).record(PORT, [consent, asked], 10))
    assert [fault is None for fault in faults] == [True, False]
    with operational_db.read() as connection:
        ((_, published),) = [p for p in outbox.unpublished(connection, 99) if p[0] > before]
    (message,) = published.messages
    assert message.key == "consent/0001"
    assert msgspec.json.decode(message.value or b"")["kind"] == "consent"
