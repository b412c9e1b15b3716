"""A running agent follows what people set for its channel, without a restart, and tells what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.actions.senders import agent as agent_module
from pipeline.actions.senders.answers import Meaning
from pipeline.actions.senders.links import link as link_module
from pipeline.actions.senders.live.controls import Control
from pipeline.process.backoff import Backoff
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import SECRET, carrier, channel_to, fleet, numbers, outbound, sending, states

OFF, ON = Control(off=True), Control()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEFAULT", "ONE", "TWO"):
        monkeypatch.setenv(f"ANTISPAM_CHANNEL_{name}_SECRET", SECRET.decode())
    monkeypatch.setattr(agent_module, "LOOK", 0.05)


def test_off_nothing_begins_and_on_all_is_sent_once(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(delay=0.02) as there, sending(operational_db, there, rate=200.0) as running:
            agent = running.agent
            running.add(outbound("s1", numbers(60)))
            await running.until(lambda: len(there.seen) >= 20)
            agent.obey(OFF)
            await running.until(lambda: agent.at_risk == 0)
            begun = len(there.seen)
            assert begun < 60
            assert agent.state(0).off
            await asyncio.sleep(0.1)  # long enough for twenty parts
            assert len(there.seen) == begun
            assert agent.links[0].connected  # reports still come
            agent.obey(ON)
            await running.until(lambda: len(running.done) == 1)
            assert len(there.seen) == 60

    asyncio.run(run())


@pytest.mark.parametrize(
    ("conduct", "channel"),
    [
        pytest.param({"rate": 0.001}, {}, id="throttled"),
        pytest.param({"refuse": 1.0}, {"answers": {9: Meaning.RETRY}}, id="to be tried again"),
        pytest.param({"drop": 1.0}, {"answer_wait": 0.1}, id="unanswered"),
    ],
)
def test_what_comes_back_to_a_channel_that_is_off_does_not_stay_there(
    operational_db: Database, conduct: dict[str, float], channel: dict[str, Any]
) -> None:
    async def run() -> None:
        async with carrier(delay=0.1, **conduct) as there, sending(operational_db, there, **channel) as running:
            running.add(outbound("s1", numbers(3)))
            await running.until(lambda: len(there.seen) >= 3)
            running.agent.obey(OFF)
            await running.until(lambda: running.agent.at_risk == 0, 10)

    asyncio.run(run())


@pytest.mark.long
def test_a_new_limit_holds_at_once_even_while_the_old_one_waits(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier() as there, sending(operational_db, there) as running:
            running.agent.obey(Control(total_rate=0.1))
            running.add(outbound("s1", numbers(3)))
            await running.until(lambda: len(there.seen) == 1)
            begun = monotonic()
            running.agent.obey(Control(total_rate=1000.0))
            await running.until(lambda: len(running.done) == 1)
            assert monotonic() - begun < 10  # at 0.1 a second the second part alone takes 10 s
            assert running.agent.state(0).total_rate == 1000.0

    asyncio.run(run())


def over(db: Database, channels: Sequence[str]) -> dict[str, int]:
    with db.read() as connection:
        rows = list(connection.scalars(select(schema.deliveries.c.channel)))
    return {name: rows.count(name) for name in channels}


def test_a_channel_that_is_off_gives_its_messages_to_the_first_of_the_new_order(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier() as home, carrier() as first, carrier() as second:
            channels = (
                channel_to(home, next=("one", "two")),
                channel_to(first, name="one"),
                channel_to(second, name="two"),
            )
            async with fleet(operational_db, *channels) as running:
                links = [running[name].agent.links[0] for name in ("one", "two")]
                await running["default"].until(lambda: all(link.connected for link in links))
                running["default"].agent.obey(Control(off=True, next=("two", "one")))
                running["default"].add(outbound("s1", numbers(5)))
                await running["default"].until(lambda: len(running["default"].done) == 1)
                assert over(operational_db, ("default", "one", "two")) == {"default": 0, "one": 0, "two": 5}
                running["two"].agent.obey(OFF)
                running["default"].add(outbound("s2", numbers(5, 10)))
                await running["default"].until(lambda: len(running["default"].done) == 2)
                assert over(operational_db, ("default", "one", "two")) == {"default": 0, "one": 5, "two": 5}

    asyncio.run(run())


def test_a_link_tells_its_figures_and_why_it_was_lost(
    operational_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "RECONNECTION", Backoff(30.0, 30.0))

    async def run() -> None:
        async with carrier(report_fail=1.0) as there, sending(operational_db, there) as running:
            running.add(outbound("s1", numbers(4)))
            await running.until(lambda: states(operational_db)["failed"] == 4)
            (link,) = running.agent.state(7).links
            assert (link.up, link.login_result, link.in_flight, link.error) == (True, 0, 0, "")
            assert (link.figures.sent, link.figures.accepted, link.figures.failed) == (4, 4, 4)
            assert link.figures.answer_p95 is not None
            assert sum(error.parts for error in link.figures.errors) == 4
            there.disconnect()
            await running.until(lambda: not running.agent.links[0].connected)
            await running.until(lambda: running.agent.state(7).links[0].error != "")
            state = running.agent.state(7)
            assert state.waiting == 7
            assert not state.links[0].up
            assert state.links[0].error_at is not None

    asyncio.run(run())
