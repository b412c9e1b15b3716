"""`POST /v1/appeals`, `GET /v1/appeals/{id}`: a port appeals for itself, and reads what became of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pipeline.ingest.http.appeals import AppealTable
from pipeline.store.database import Database
from tests.harness.case_events import NOW, add_port, submission
from tests.ingest.http.test_app import OTHER, PORT, World

URL = "/v1/appeals"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.database[PORT, "s1"] = submission("s1")
    return world


def test_an_appeal_is_filed_and_found(world: World) -> None:
    filed = world.post({"submission": "s1", "text": "本店自营"}, URL)
    assert (filed.status_code, filed.json()["state"]) == (202, "open")
    found = world.run(lambda c: c.get(f"{URL}/{filed.json()['id']}"))
    assert (found.status_code, found.json()) == (200, filed.json())


@pytest.mark.parametrize("ident", ["2", "0", "x", "9" * 40, "-1", "1.0"])
def test_another_appeal_is_not_found(world: World, ident: str) -> None:
    world.run(lambda c: c.post(URL, json={"text": "x"}))
    world.appeals.append((OTHER, world.appeals[0][1]))
    assert world.run(lambda c: c.get(f"{URL}/{ident}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"submission": "s9", "text": "x"}, 409, "submission"),
        ({"submission": "s1"}, 422, "text"),
        ({"submission": "s1", "text": ""}, 422, "text"),
        ({"submission": "s1", "text": "x" * 1001}, 422, "text"),
        ({"submission": "s1", "text": "x", "port": OTHER}, 422, "port"),
    ],
)
def test_a_fault_names_its_field(world: World, body: dict[str, Any], status: int, field: str) -> None:
    answer = world.post(body, URL)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert world.appeals == []


def test_without_the_database_nothing_is_filed(world: World) -> None:
    world.database_fails = True
    assert world.post({"text": "x"}, URL).status_code == 503


def test_the_table_tells_why_there_is_nothing_to_appeal_against(operational_db: Database) -> None:
    with operational_db.write() as c:
        add_port(c)
    table = AppealTable(operational_db)
    told = asyncio.run(table.file(PORT, None, "x", NOW))
    assert told == "submission: missing, and the port is not suspended"
    assert asyncio.run(table.find(PORT, 1)) is None
