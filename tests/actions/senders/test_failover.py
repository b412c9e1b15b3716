"""A channel that is down, or a carrier that refuses, is not the end of a message: another channel takes it, once.

`ANTISPAM_TEST_MESSAGES=100000` sets the number of messages of the two slow tests, which print what they counted.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, update

from pipeline.actions.senders import agent as agent_module
from pipeline.actions.senders import deliveries, missed_reports
from pipeline.actions.senders.availability import Availability
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.failover import Failover
from pipeline.actions.senders.links import link as link_module
from pipeline.actions.senders.part import FINAL
from pipeline.actions.senders.resends import Resends
from pipeline.process.backoff import Backoff
from pipeline.simulators.carrier import Simulator
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import (
    PORT,
    SECRET,
    Sending,
    carrier,
    channel_to,
    fleet,
    now_ms,
    numbers,
    outbound,
    states,
)

MESSAGES = int(os.environ.get("ANTISPAM_TEST_MESSAGES", "10000"))
LONG = 3000.0  # seconds for all of them
QUICK = {"down_after": 0.2, "back_after": 0.3}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEFAULT", "OTHER"):
        monkeypatch.setenv(f"ANTISPAM_CHANNEL_{name}_SECRET", SECRET.decode())
    monkeypatch.setattr(link_module, "RECONNECTION", Backoff(0.02, 0.05))
    monkeypatch.setattr(agent_module, "LOOK", 0.05)


class Wall:
    """A clock that a test sets ahead, in ms."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


class Nowhere:
    """A carrier that does not listen."""

    port = 9  # refused at once


@asynccontextmanager
async def two(
    db: Database, first: Any, second: Simulator, wall: Callable[[], int] = now_ms, **fields: Any
) -> AsyncIterator[dict[str, Sending]]:
    channels = (
        channel_to(first, next=("other",), **(QUICK | fields)),
        channel_to(second, name="other", source_prefix="95"),
    )
    async with fleet(db, *channels, wall=wall) as running:
        await running["other"].until(lambda: running["other"].agent.links[0].connected)
        yield running


def by_channel(db: Database) -> Counter[tuple[str, str]]:
    with db.read() as connection:
        rows = connection.execute(select(schema.deliveries.c.channel, schema.deliveries.c.state))
        return Counter((row.channel, row.state) for row in rows)


def add(s: Sending, count: int) -> None:
    for start in range(0, count, 100):
        s.add(outbound(f"s-{start}", numbers(100, start), "长" * (150 if start % 300 == 0 else 20)))


async def stop(*carriers: Simulator) -> None:
    """They go away as a killed process does."""
    for one in carriers:
        await one.__aexit__()
        one.disconnect()


def open_rows(db: Database) -> set[tuple[str, str | None]]:
    """Channel and id of the parts that are not final."""
    with db.read() as connection:
        query = select(schema.deliveries.c.channel, schema.deliveries.c.carrier_id)
        rows = connection.execute(query.where(schema.deliveries.c.state.not_in(FINAL)))
        return {(row.channel, row.carrier_id) for row in rows}


def untold(simulator: Simulator) -> set[tuple[str, str | None]]:
    """Channel and id of what the first carrier has not told the end of."""
    return {("default", ident) for ident in simulator.ends.keys() - simulator.told}


def check(db: Database, count: int, *simulators: Simulator, began: float, dead: Simulator | None = None) -> None:
    """Every message is whole at one carrier and in the state that it knows; how many parts were sent twice."""
    with db.read() as connection:
        rows = list(connection.execute(select(schema.deliveries)))
    carriers = dict(zip(("default", "other"), simulators, strict=True))
    parts: dict[str, list[Any]] = {}
    for row in rows:
        parts.setdefault(row.recipient, []).append(row)
        at = carriers[row.channel]
        end = {"DELIVRD": "delivered", "UNDELIV": "failed"}[at.ends[row.carrier_id]]
        assert row.state == end or (at is dead and row.carrier_id not in at.told and row.state == "submitted")
    assert parts.keys() == set(numbers(count))
    for whole in parts.values():
        assert len(whole) == whole[0].parts
        assert len({row.channel for row in whole}) == 1
    taken = sum(seen.result != 8 for one in simulators for seen in one.seen)
    print(
        f"{count} messages, {len(rows)} parts {dict(by_channel(db))}, {taken - len(rows)} sent twice, "
        f"{monotonic() - began:.0f} s, load {os.getloadavg()[0]:.0f}"
    )
    assert taken - len(rows) <= len(simulators) * 2 * 16 * 3  # parts in doubt on two links, each of three parts


def moved() -> float:
    return REGISTRY.get_sample_value("antispam_moved_messages_total", {"channel": "default", "to": "other"}) or 0.0


def test_the_traffic_of_a_channel_that_is_down_goes_over_the_next(operational_db: Database) -> None:
    text = "【测试】" + "长短信😀内容" * 20

    async def run() -> None:
        before = moved()
        async with carrier() as second, two(operational_db, Nowhere(), second) as s:
            s["default"].add(*(outbound(f"s-{i}", numbers(10, i * 10), text) for i in range(10)))
            await s["default"].until(lambda: len(s["default"].done) == 10)
            await s["default"].until(lambda: states(operational_db).keys() == {"delivered"})
            assert list(second.messages().values()) == [text] * 100
            assert {seen.source for seen in second.seen} == {f"95{PORT}"}
            assert {channel for channel, _ in by_channel(operational_db)} == {"other"}
            assert moved() - before == 100

    asyncio.run(run())


@pytest.mark.long
def test_traffic_comes_back_when_the_channel_was_up_for_a_while(operational_db: Database) -> None:
    async def run() -> None:
        first = carrier()
        async with first:
            port = first.port
        async with carrier() as second, two(operational_db, first, second) as s:
            s["default"].add(outbound("away", numbers(5)))
            await s["default"].until(lambda: len(s["default"].done) == 1)
            assert Counter(seen.recipient for seen in second.seen) == Counter(numbers(5))
            again = Simulator("900001", SECRET, first.conduct, port)
            async with again:
                await s["default"].until(lambda: s["default"].agent.links[0].connected)
                availability = s["default"].agent._availability
                s["default"].add(outbound("between", numbers(5, 5)))
                await s["default"].until(lambda: len(s["default"].done) == 2)
                await s["default"].until(
                    lambda: availability.see(True, s["default"].agent._clock.monotonic()), every=0.02
                )
                s["default"].add(outbound("back", numbers(5, 10)))
                await s["default"].until(lambda: len(s["default"].done) == 3)
                assert {seen.recipient for seen in again.seen} >= set(numbers(5, 10))
                assert not {seen.recipient for seen in second.seen} & set(numbers(5, 10))

    asyncio.run(run())


@pytest.mark.long
def test_what_was_under_way_moves_as_a_whole_and_nothing_is_lost(operational_db: Database) -> None:
    """The carrier dies with parts in flight. Parts without an answer, and those of unfinished messages, may repeat."""

    async def run() -> None:
        async with (
            carrier() as second,
            carrier(delay=0.05, reports=False) as first,
            two(operational_db, first, second, window=8, answer_wait=0.5) as s,
        ):
            s["default"].add(*(outbound(f"s-{i}", numbers(10, i * 10), "长" * 150) for i in range(20)))
            await s["default"].until(lambda: len(first.seen) > 60)
            assert first._server is not None
            first._server.close()
            first.disconnect()
            await s["default"].until(lambda: len(s["default"].done) == 20)
            await s["default"].until(lambda: states(operational_db)["delivered"] == 3 * len(second.messages()))
            here, there = first.messages(), second.messages()
            found = {recipient for _, recipient, _ in (*here, *there)}
            assert found == set(numbers(200))
            assert sum(by_channel(operational_db).values()) == 600
            assert {state for _, state in by_channel(operational_db)} == {"submitted", "delivered"}
            twice = {r for _, r, _ in here} & {r for _, r, _ in there}
            assert len(twice) <= 8  # at most a window was in doubt

    asyncio.run(run())


def test_a_refusal_that_concerns_the_channel_moves_the_message(operational_db: Database) -> None:
    async def run() -> None:
        async with (
            carrier(refuse=1.0) as first,
            carrier() as second,
            two(operational_db, first, second, down_after=30.0) as s,
        ):
            s["default"].add(outbound("s", numbers(20), "长" * 150))
            await s["default"].until(lambda: len(s["default"].done) == 1)
            await s["default"].until(lambda: states(operational_db) == {"delivered": 60})
            assert len(second.messages()) == 20
            assert {channel for channel, _ in by_channel(operational_db)} == {"other"}

    asyncio.run(run())


def test_a_message_that_all_refuse_is_refused(operational_db: Database) -> None:
    async def run() -> None:
        async with (
            carrier(refuse=1.0) as first,
            carrier(refuse=1.0) as second,
            two(operational_db, first, second, down_after=30.0) as s,
        ):
            s["default"].add(outbound("s", numbers(5)))
            await s["default"].until(lambda: len(s["default"].done) == 1)
            assert by_channel(operational_db) == {("other", "refused"): 5}
            assert len(first.seen) == len(second.seen) == 5

    asyncio.run(run())


def test_a_port_that_names_its_channel_stays_on_it(operational_db: Database) -> None:
    async def run() -> None:
        async with (
            carrier(refuse=1.0) as first,
            carrier() as second,
            two(operational_db, first, second, down_after=30.0) as s,
        ):
            with operational_db.write() as connection:
                connection.execute(update(schema.ports).values(channel="cmcc-1"))
            s["default"].add(outbound("s", numbers(5)))
            await s["default"].until(lambda: len(s["default"].done) == 1)
            assert by_channel(operational_db) == {("default", "refused"): 5}
            assert not second.seen

    asyncio.run(run())


def test_a_restarted_sender_finds_what_has_moved(operational_db: Database) -> None:
    """The record is read again from its first channel, which is up by now; its parts are those of the other."""

    async def run() -> None:
        async with carrier(reports=False) as second:
            async with two(operational_db, Nowhere(), second) as s:
                s["default"].add(outbound("s", numbers(5), "长" * 150))
                await s["default"].until(lambda: len(s["default"].done) == 1)
            async with carrier() as first, two(operational_db, first, second, down_after=30.0) as s:
                await s["default"].until(lambda: s["default"].agent.links[0].connected)
                s["default"].add(outbound("s", numbers(5), "长" * 150))
                await s["default"].until(lambda: len(s["default"].done) == 1)
                assert not first.seen
                assert len(second.seen) == 15
                assert by_channel(operational_db) == {("other", "submitted"): 15}

    asyncio.run(run())


@pytest.mark.parametrize("moved_before", [False, True])
def test_a_message_whose_report_never_comes_is_sent_over_the_next(operational_db: Database, moved_before: bool) -> None:
    """Those with a report are not sent again, nor is any message sent a third time, also after a kill in between."""
    clock = Wall()

    async def run() -> None:
        async with (
            carrier(reports=False) as first,
            carrier(reports=False) as second,
            two(operational_db, first, second, wall=clock, report_wait=3600.0, down_after=30.0) as s,
        ):
            s["default"].add(outbound("s", numbers(4), "长" * 150))
            await s["default"].until(lambda: len(s["default"].done) == 1)
            with operational_db.write() as connection:
                reported = update(schema.deliveries).where(schema.deliveries.c.recipient == numbers(1)[0])
                connection.execute(reported.values(state="delivered"))
            default = s["default"]
            resends = Resends(
                default.channel, default.database, Failover({"other": s["other"].agent}), Clock(wall=clock)
            )
            await resends.look()
            assert not second.seen
            clock.ahead += 3_601_000
            if moved_before:  # killed after its rows were deleted
                jobs = await default.database.run(missed_reports.take_due, default.channel, clock())
                gone = [("10690001", "s", n) for n in (2, 3, 4)]
                await default.database.run(deliveries.forget, gone)
                assert len(jobs) == 4
                clock.ahead += missed_reports.LEASE_MS
            await resends.look()
            await s["other"].until(lambda: len(second.messages()) == 3)
            assert {seen.recipient for seen in second.seen} == set(numbers(3, 1))
            await s["other"].until(lambda: by_channel(operational_db)["other", "submitted"] == 9)
            clock.ahead += missed_reports.LEASE_MS
            await resends.look()
            clock.ahead += 3_601_000
            await resends.look()
            assert len(second.seen) == 9
            with operational_db.read() as connection:
                assert connection.execute(select(schema.resends)).all() == []

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_one_channel_down_for_good_under_way(operational_db: Database) -> None:
    """Some of the messages are long; the first carrier dies after a third of the parts and never returns."""

    async def run() -> None:
        async with (
            carrier(delay=0.02, seed=5, report_fail=0.1) as first,
            carrier(delay=0.02, seed=6, report_fail=0.1) as second,
            two(operational_db, first, second, links=2, answer_wait=2.0) as s,
        ):
            began = monotonic()
            add(s["default"], MESSAGES)
            await s["default"].until(lambda: first.counts["submits"] > MESSAGES // 2, LONG)
            await stop(first)
            await s["default"].until(lambda: len(s["default"].done) == MESSAGES // 100, LONG, every=0.2)
            await s["default"].until(lambda: open_rows(operational_db) <= untold(first), LONG, every=1)
            check(operational_db, MESSAGES, first, second, began=began, dead=first)

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_channels_down_for_a_minute(operational_db: Database) -> None:
    """Both carriers go away under way and come back after a minute."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            first, second = carrier(delay=0.02, seed=7), carrier(delay=0.02, seed=8)
            await stack.enter_async_context(first)
            await stack.enter_async_context(second)
            s = await stack.enter_async_context(two(operational_db, first, second, links=2, answer_wait=2.0))
            began = monotonic()
            add(s["default"], MESSAGES)
            await s["default"].until(lambda: first.counts["submits"] > MESSAGES // 2, LONG)
            await stop(first, second)
            await asyncio.sleep(60)
            await first.__aenter__()
            await second.__aenter__()
            await s["default"].until(lambda: len(s["default"].done) == MESSAGES // 100, LONG, every=0.2)
            await s["default"].until(lambda: not open_rows(operational_db), LONG, every=1)
            check(operational_db, MESSAGES, first, second, began=began)

    asyncio.run(run())


def test_a_channel_is_down_late_and_back_late() -> None:
    channel = Availability(30.0, 60.0, 0.0)
    assert [channel.see(up, now) for up, now in ((False, 29.9), (True, 29.95), (False, 31.0), (False, 60.9))] == [
        True
    ] * 4
    assert not channel.see(False, 61.0)
    assert not channel.see(True, 62.0)
    assert not channel.see(True, 121.9)
    assert channel.see(True, 122.0)
    assert not Availability(30.0, 60.0, 0.0).see(False, 30.0)
