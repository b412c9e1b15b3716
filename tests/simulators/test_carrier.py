"""The simulated carrier and our sender in every protocol: all faults at once, and every message in its true state."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.actions.senders.links import link as link_module
from pipeline.process.backoff import Backoff
from pipeline.simulators.carrier import Conduct, Simulator
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import ACCOUNT, SECRET, numbers, outbound, sending, states

pytestmark = pytest.mark.long

KINDS: dict[str, dict[str, Any]] = {
    "cmpp2": {},
    "cmpp3": {},
    "smgp": {},
    "sgip": {"node": 3_029_999_999, "listen": "127.0.0.1:0"},
    "smpp": {"recipient_prefix": "86"},
}
PROTOCOL = {"cmpp2": "cmpp", "cmpp3": "cmpp"}
TEXTS = ("【测试】您好😀" + "长短信内容" * 30, "hello [world] {}", "【测试】短信")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())
    monkeypatch.setattr(link_module, "RECONNECTION", Backoff(0.02, 0.05))
    monkeypatch.setattr(link_module, "THROTTLING", Backoff(0.005, 0.02))


@pytest.mark.parametrize("kind", KINDS)
def test_faults_cost_repeats_and_nothing_else(operational_db: Database, kind: str) -> None:
    conduct = Conduct(
        rate=400.0,
        jitter=0.05,
        split=0.2,
        drop=0.01,
        disconnect=0.01,
        report_fail=0.2,
        report_first=0.2,
        report_twice=0.2,
        seed=11,
    )

    async def run() -> None:
        simulator = Simulator(ACCOUNT, SECRET, conduct, protocol=PROTOCOL.get(kind, kind))
        fields: dict[str, Any] = {"kind": kind, "links": 2, "answer_wait": 1.0} | KINDS[kind]
        async with simulator, sending(operational_db, simulator, **fields) as s:
            if s.listener is not None:
                await s.until(lambda: s.listener is not None and s.listener.port > 0)
                simulator.call(f"127.0.0.1:{s.listener.port}")
            s.add(*(outbound(f"s-{n}", [to], TEXTS[n % 3]) for n, to in enumerate(numbers(120))))
            await s.until(lambda: len(s.done) == 120)
            await s.until(lambda: states(operational_db).keys() <= {"delivered", "failed"}, every=0.1)
            texts = Counter((recipient, text) for (_, recipient, _), text in simulator.messages().items())
            assert texts.keys() == {(to, TEXTS[n % 3]) for n, to in enumerate(numbers(120))}
            with operational_db.read() as connection:
                rows = connection.execute(select(schema.deliveries)).all()
            taken = Counter((seen.recipient, seen.part) for seen in simulator.seen if seen.result != 8)
            assert taken.keys() == {(row.recipient, row.part) for row in rows}
            repeats = taken.total() - len(rows)
            unanswered = sum(seen.result is None for seen in simulator.seen)
            lost = simulator.counts["logins"] - 2
            assert repeats <= unanswered + 16 * lost

    asyncio.run(run())


def test_reports_that_never_come_and_refusals_are_counted(operational_db: Database) -> None:
    async def run() -> None:
        simulator = Simulator(ACCOUNT, SECRET, Conduct(refuse=0.3, report_lost=0.5, seed=2), protocol="smgp")
        async with simulator, sending(operational_db, simulator, kind="smgp") as s:
            s.add(outbound("s", numbers(60)))
            await s.until(lambda: len(s.done) == 1)
            lost = simulator.counts["reports_lost"]
            await s.until(lambda: states(operational_db)["submitted"] == lost)
            found = states(operational_db)
            assert found["refused"] == sum(seen.result == 9 for seen in simulator.seen) > 0
            assert found["delivered"] == 60 - found["refused"] - lost
            assert lost > 0

    asyncio.run(run())
