"""The page tells the truth about a sender that lives, that has ended, and that was killed. Both databases."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from pipeline.actions.senders import role
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.database_thread import DatabaseThread
from pipeline.actions.senders.live import states
from pipeline.actions.senders.live.states import (
    FORGOTTEN_MS,
    NO_NEWS_MS,
    REPLACED_MS,
    ChannelState,
    LinkState,
    channel_states,
    leave,
    standing,
    tell,
)
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database

ANNA = User("anna", Role.VIEWER)
NOW = 1_800_000_000_000


def state(*, up: bool = True, off: bool = False) -> ChannelState:
    link = LinkState(number=0, up=up, since=NOW, error="" if up else "closed by the carrier")
    return ChannelState(off=off, waiting=3, total_rate=0.0, next=("other",), links=(link,))


def test_what_was_told_last_is_what_is_seen(any_db: Database) -> None:
    tell(any_db, "a/1", {"default": state(), "other": state()}, NOW)
    tell(any_db, "a/1", {"default": state(up=False), "other": state()}, NOW + 2000)
    told = channel_states(any_db, ANNA, NOW + 2000)
    assert [(one.channel, one.sender, one.seen_at) for one in told] == [
        ("default", "a/1", NOW + 2000),
        ("other", "a/1", NOW + 2000),
    ]
    assert told[0].state == state(up=False)
    assert [standing(one, NOW + 2000) for one in told] == ["down", "sending"]


def test_a_killed_sender_is_no_longer_believed(any_db: Database) -> None:
    tell(any_db, "a/1", {"default": state()}, NOW)
    (told,) = channel_states(any_db, ANNA, NOW + NO_NEWS_MS + 1)
    assert standing(told, NOW + NO_NEWS_MS) == "sending"
    assert standing(told, NOW + NO_NEWS_MS + 1) == "no_news"


def test_a_killed_sender_is_seen_until_another_serves_its_channel(any_db: Database) -> None:
    tell(any_db, "a/1", {"default": state(), "other": state()}, NOW)
    later = NOW + REPLACED_MS + 1
    tell(any_db, "a/2", {"default": state()}, later)
    assert [(one.channel, one.sender) for one in channel_states(any_db, ANNA, later)] == [
        ("default", "a/2"),
        ("other", "a/1"),
    ]


def test_a_sender_that_ends_in_order_leaves_nothing(any_db: Database) -> None:
    tell(any_db, "a/1", {"default": state()}, NOW)
    tell(any_db, "b/1", {"default": state()}, NOW)
    leave(any_db, "a/1")
    assert [one.sender for one in channel_states(any_db, ANNA, NOW)] == ["b/1"]


def test_what_a_sender_of_another_version_tells_hides_no_other(any_db: Database) -> None:
    tell(any_db, "a/1", {"default": state()}, NOW)
    with any_db.write() as connection:
        connection.execute(update(schema.channel_states).values(body={"links": "many"}))
    tell(any_db, "b/1", {"default": state()}, NOW)
    assert [one.sender for one in channel_states(any_db, ANNA, NOW)] == ["b/1"]


def test_nothing_is_told_after_a_sender_has_left(operational_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "TELL", 0.0)
    sender: Any = SimpleNamespace(name="default", state=state)

    async def run() -> None:
        with ThreadPoolExecutor(1) as thread:
            database, clock = DatabaseThread(operational_db, thread), Clock()
            telling = asyncio.ensure_future(role._tell_live([sender], database, clock))
            while not channel_states(operational_db, ANNA, clock.wall()):
                await asyncio.sleep(0.01)
            await role._leave(telling, database)
            await asyncio.sleep(0.05)  # long enough for many rows
            telling.cancel()
        assert channel_states(operational_db, ANNA, clock.wall()) == []

    asyncio.run(run())


def test_a_sender_of_yesterday_is_forgotten(any_db: Database) -> None:
    tell(any_db, "a/1", {"default": state()}, NOW)
    tell(any_db, "b/1", {"other": state()}, NOW + FORGOTTEN_MS + 1)
    assert [one.sender for one in channel_states(any_db, ANNA, NOW)] == ["b/1"]


def test_off_is_said_before_the_links() -> None:
    told = states.Told("default", "a/1", NOW, state(off=True))
    assert standing(told, NOW) == "off"
