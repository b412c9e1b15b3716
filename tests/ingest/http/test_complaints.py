"""`POST /v1/complaints`: complaints of a channel, item by item, each counted once; only with the channel's key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from pipeline.events import Complaint
from pipeline.file_exchange import COMPLAINT_SHAPES
from pipeline.ingest.http.tables.complaint_table import ComplaintTable
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import NOW, add_port, rows
from tests.ingest.http.test_app import KEY, PORT, World

URL = "/v1/complaints"
CHANNEL = "key-of-the-channels"
LINE = {"port": PORT, "recipient": "138****0001", "complained_at": "2023-03-01T10:00:00Z", "content": "【某】中奖"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, complaint_key=CHANNEL)


def post(world: World, body: Any, key: str = CHANNEL) -> httpx.Response:
    return world.post(body, URL, Authorization=f"Bearer {key}")


def test_a_complaint_is_taken_once(world: World) -> None:
    first, again = post(world, LINE), post(world, LINE)
    assert (first.status_code, again.status_code) == (202, 200)
    assert (first.json()["accepted"], again.json()["duplicates"]) == (1, 1)
    [taken] = world.complaints
    assert (taken.recipient, taken.source, taken.complained_at) == ("138****0001", "http", 1_677_664_800_000)


def test_an_array_is_answered_item_by_item(world: World) -> None:
    others = [LINE | {"recipient": "12"}, LINE | {"reference": "7", "source": "centre"}, LINE | {"port": 3}]
    answer = post(world, [LINE, LINE, *others])
    assert answer.status_code == 202
    results = [(r["status"], r.get("error", {}).get("field")) for r in answer.json()["results"]]
    assert results == [(202, None), (200, None), (422, "recipient"), (202, None), (422, "port")]
    assert post(world, [others[0]]).json()["error"]["code"] == "none_accepted"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"complained_at": "yesterday"}, "complained_at"),
        ({"complained_at": "2090-01-01T00:00:00Z"}, "complained_at"),
        ({"source": "a" * 33}, "source"),
        ({"id": "mine"}, "id"),
    ],
)
def test_a_fault_names_its_field(world: World, change: dict[str, Any], field: str) -> None:
    answer = post(world, LINE | change)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert world.complaints == []


@pytest.mark.parametrize("key", [KEY, "", "key-of-the-channel"])
def test_another_key_is_refused_that_of_a_port_too(world: World, key: str) -> None:
    answer = world.post(LINE, URL, Authorization=f"Bearer {key}")
    assert answer.status_code == 401
    assert world.complaints == []


def test_without_a_key_in_the_settings_nobody_may_complain(tmp_path: Path) -> None:
    assert post(World(tmp_path), LINE, "").status_code == 401


def test_without_the_database_nothing_is_taken(world: World) -> None:
    world.database_fails = True
    assert post(world, LINE).status_code == 503


def test_the_table_says_which_are_new(operational_db: Database) -> None:
    given = {"id": "c1", "port": PORT, "recipient": "13800138000", "complained_at": NOW}
    complaint = msgspec.convert(given, Complaint)
    with operational_db.write() as c:
        add_port(c)
    table = ComplaintTable(operational_db, COMPLAINT_SHAPES)
    assert asyncio.run(table.receive([complaint, complaint], NOW)) == [True, False]
    assert len(rows(operational_db, schema.complaints)) == 1
