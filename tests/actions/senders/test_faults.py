"""Faults of links, carriers and clocks under load: every message ends as its carrier knows, each repeat has a cause.

`ANTISPAM_TEST_MESSAGES=100000` sets the number of messages. Each test prints what it counted.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import func, select

from pipeline.actions.senders.links import link as link_module
from pipeline.actions.senders.part import FINAL
from pipeline.process.backoff import Backoff
from pipeline.simulators.carrier import ReceivedSubmit, Simulator
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import SECRET, Sending, carrier, now_ms, numbers, outbound, sending
from tests.harness.servers.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

MESSAGES = int(os.environ.get("ANTISPAM_TEST_MESSAGES", "2000"))
LINKS, WINDOW = 2, 16
TIMES = 10  # that a fault happens
LONG = 3000.0  # seconds for all to end


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())
    monkeypatch.setattr(link_module, "RECONNECTION", Backoff(0.02, 0.1))
    monkeypatch.setattr(link_module, "THROTTLING", Backoff(0.005, 0.05))


class Under:
    """A sender under load, its carrier and the wire between them."""

    def __init__(self, s: Sending, simulator: Simulator, wire: Wire, db: Database) -> None:
        self.s, self.simulator, self.wire, self.db = s, simulator, wire, db

    async def each(self, fault: Callable[[int], Awaitable[None]]) -> None:
        """Let the fault happen TIMES times, evenly."""
        for time in range(TIMES):
            wanted = MESSAGES * (time + 1) // (TIMES + 1)
            await self.s.until(lambda w=wanted: self.simulator.counts["submits"] >= w, LONG)  # type: ignore[misc]
            await fault(time)

    @property
    def parts(self) -> dict[tuple[str, int], list[ReceivedSubmit]]:
        """What the carrier has taken, or may have, by recipient and part."""
        found: dict[tuple[str, int], list[ReceivedSubmit]] = defaultdict(list)
        for seen in self.simulator.seen:
            if seen.result in (0, None):
                found[seen.recipient, seen.part].append(seen)
        return found


@asynccontextmanager
async def under_load(
    db: Database, wall: Callable[[], int] = now_ms, fields: dict[str, Any] | None = None, **conduct: Any
) -> AsyncIterator[Under]:
    """MESSAGES messages, one in ten long, are on their way in the block; after it, all have come to their end."""
    own = {"links": LINKS, "window": WINDOW, "answer_wait": 20.0} | (fields or {})
    begun = monotonic()
    async with (
        carrier(report_fail=0.1, seed=3, **conduct) as simulator,
        Wire(simulator.port) as wire,
        sending(db, wire, wall=wall, **own) as s,
    ):
        under = Under(s, simulator, wire, db)
        for start in range(0, MESSAGES, 100):
            s.add(outbound(f"s-{start}", numbers(100, start), "长" * (150 if start % 1000 == 0 else 20)))
        yield under
        await s.until(lambda: len(s.done) == MESSAGES // 100, LONG, every=0.2)
        await s.until(lambda: not open_parts(db), LONG, every=0.5)
        published = len(s.published) if MESSAGES < 10_000 else None
    check(under, published, monotonic() - begun)


def open_parts(db: Database) -> int:
    with db.read() as connection:
        query = select(func.count()).select_from(schema.deliveries).where(schema.deliveries.c.state.not_in(FINAL))
        return int(connection.execute(query).scalar_one())


def check(under: Under, published: int | None, seconds: float) -> None:
    with under.db.read() as connection:
        rows = connection.execute(select(schema.deliveries)).all()
        outbox = connection.execute(select(func.count()).select_from(schema.report_outbox)).scalar_one()
    states: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    whole: dict[str, int] = {}
    for row in rows:
        assert row.state == {"DELIVRD": "delivered", "UNDELIV": "failed"}[under.simulator.ends[row.carrier_id]]
        states[row.state] += 1
        parts[row.recipient] += 1
        whole[row.recipient] = row.parts
    assert parts == whole
    assert parts.keys() == set(numbers(MESSAGES))
    assert outbox == len(rows), "each part's report is published once"
    copies = under.parts
    assert copies.keys() == {(row.recipient, row.part) for row in rows}
    lost = under.simulator.counts["logins"] - len(under.simulator._links)
    repeats = sum(len(seen) - 1 for seen in copies.values())
    print(
        f"{MESSAGES} messages, {len(rows)} parts {dict(states)}, {lost} links lost, {repeats} parts sent twice, "
        f"{under.simulator.counts['throttled']} throttled, {seconds:.0f} s, load {os.getloadavg()[0]:.0f}"
    )
    living = under.simulator._links.keys()
    for seen in copies.values():
        assert not {earlier.link for earlier in seen[:-1]} & living, "repeated only if its link was lost"
    assert repeats <= WINDOW * lost


def test_links_cut_in_the_middle_of_a_frame(operational_db: Database) -> None:
    async def run() -> None:
        async with under_load(operational_db, delay=0.005) as under:

            async def cut(time: int) -> None:
                before = under.wire.lost
                under.wire.cut(to_carrier=time % 2 == 0)
                await under.s.until(lambda: under.wire.lost > before)

            await under.each(cut)

    asyncio.run(run())


def test_links_half_open(operational_db: Database) -> None:
    async def run() -> None:
        quick = {"answer_wait": 2.0, "link_test": 2.0}
        async with under_load(operational_db, fields=quick, delay=0.005) as under:

            async def die(_: int) -> None:
                under.wire.silence()

            await under.each(die)

    asyncio.run(run())


def test_the_carrier_killed(operational_db: Database) -> None:
    async def run() -> None:
        async with under_load(operational_db, delay=0.005) as under:

            async def kill(_: int) -> None:
                await under.simulator.__aexit__()
                under.simulator.disconnect()
                await asyncio.sleep(0.2)
                await under.simulator.__aenter__()

            await under.each(kill)

    asyncio.run(run())


def test_storms_of_throttling(operational_db: Database) -> None:
    async def run() -> None:
        async with under_load(operational_db, delay=0.005) as under:

            async def storm(_: int) -> None:
                simulator = under.simulator
                wanted = simulator.counts["throttled"] + MESSAGES // 100
                calm, simulator.conduct = simulator.conduct, replace(simulator.conduct, rate=1.0)
                await under.s.until(lambda: simulator.counts["throttled"] >= wanted, LONG)
                simulator.conduct = calm

            await under.each(storm)

    asyncio.run(run())


def test_reports_before_answers(operational_db: Database) -> None:
    async def run() -> None:
        async with under_load(operational_db, delay=0.005, jitter=0.005, report_first=1.0):
            pass

    asyncio.run(run())


def test_jumps_of_the_clock(operational_db: Database) -> None:
    """An hour ahead, two back, and so on; the clock that measures waits does not jump."""
    ahead = [0]

    async def run() -> None:
        async with under_load(operational_db, wall=lambda: now_ms() + ahead[0], delay=0.005) as under:

            async def jump(time: int) -> None:
                ahead[0] += 3_600_000 if time % 2 == 0 else -7_200_000

            await under.each(jump)

    asyncio.run(run())
