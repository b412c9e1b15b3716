"""`GET /v1/replies` and `POST /v1/replies/taken`: a port reads its own messages and says which it has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.actions.replies.bringing import Waiting
from pipeline.ingest.http.tables.reply_table import ReplyTable
from pipeline.store import schema
from pipeline.store.database import Database
from tests.ingest.http.test_app import OTHER, PORT, World

URL = "/v1/replies"
IDS = [f"{n:016x}" for n in (1, 2, 3)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for port, idents in ((PORT, IDS[:2]), (OTHER, IDS[2:])):
        made.replies[port] = [Waiting(ident, port, "13800000001", "您好", 5) for ident in idents]
    return made


def test_a_port_gets_its_own_messages_again_until_it_has_them(world: World) -> None:
    expected = {"id": IDS[0], "to": PORT, "from": "13800000001", "content": "您好", "received_at": 5}
    assert [one["id"] for one in world.get(URL).json()["replies"]] == IDS[:2]
    assert world.get(URL).json()["replies"][0] == expected
    assert world.post({"ids": [IDS[0], IDS[2]]}, URL + "/taken").json() == {"taken": 1}
    assert [one["id"] for one in world.get(URL).json()["replies"]] == IDS[1:2]
    assert len(world.replies[OTHER]) == 1


@pytest.mark.parametrize("sent", [{"ids": []}, {"ids": ["x"]}, {"ids": IDS, "more": 1}, {}, []])
def test_a_wrong_request_takes_nothing(world: World, sent: object) -> None:
    answer = world.post(sent, URL + "/taken")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_ids")
    assert len(world.replies[PORT]) == 2


def test_without_the_database_a_port_is_told_to_come_again(world: World) -> None:
    world.database_fails = True
    for answer in (world.get(URL), world.post({"ids": IDS}, URL + "/taken")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


def test_the_table_answers_for_one_port(operational_db: Database) -> None:
    values = {"to": PORT, "subscriber": "13800000001", "content": "您好", "state": "brought", "received_at": 5}
    with operational_db.write() as connection:
        for n, port in ((1, PORT), (2, OTHER)):
            connection.execute(schema.whole_replies.insert().values(id=n, port=port, **values))

    async def use() -> tuple[list[str], int, list[str]]:
        table = ReplyTable(operational_db)
        before = [one.id for one in await table.waiting(PORT)]
        taken = await table.take(PORT, IDS, 7)
        return before, taken, [one.id for one in await table.waiting(PORT)]

    assert asyncio.run(use()) == (IDS[:1], 1, [])
