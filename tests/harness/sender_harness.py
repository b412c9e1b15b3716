"""A sender agent with its links and reports in one event loop, against a simulated carrier."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic, time
from typing import Any, Protocol

import msgspec
from sqlalchemy import select

from pipeline.actions.replies.words import Words
from pipeline.actions.senders import deliveries, gate
from pipeline.actions.senders.agent import Agent, AgentCallbacks
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.database_thread import DatabaseThread
from pipeline.actions.senders.failover import Failover
from pipeline.actions.senders.gate import Gate
from pipeline.actions.senders.job import Job
from pipeline.actions.senders.links.sgip_listener import SgipListener
from pipeline.actions.senders.reports import Reports
from pipeline.events import DeliveryReport, Outbound, Submission
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct, Simulator
from pipeline.store import report_outbox, schema
from pipeline.store.database import Database, upsert

ACCOUNT, SECRET = "900001", b"secret"
PORT = "10690001"
DEADLINE = 30.0
decode = msgspec.json.Decoder(DeliveryReport).decode


class Carrier(Protocol):
    """A carrier that listens on a local port."""

    port: int


def now_ms() -> int:
    return int(time() * 1000)


def outbound(ident: str, recipients: Sequence[str], content: str = "【测试】您好", **fields: Any) -> Outbound:
    submission = Submission(
        id=ident, port=PORT, recipients=tuple(recipients), content=content, accepted_at=now_ms(), **fields
    )
    return Outbound(submission=submission, recipients=tuple(recipients), round=0, decided_at=now_ms())


def numbers(count: int, start: int = 0) -> list[str]:
    return [f"138{i:08d}" for i in range(start, start + count)]


def channel_to(simulator: Carrier, **fields: Any) -> Channel:
    settings: dict[str, Any] = {"name": "default", "answer_wait": 5.0, "rate": 100_000.0, "links": 1} | fields
    return Channel(host="127.0.0.1", port=simulator.port, account=ACCOUNT, **settings)


@dataclass
class Sending:
    """A running agent and its finished jobs."""

    agent: Agent
    db: Database
    channel: Channel
    database: DatabaseThread
    done: list[Job] = field(default_factory=list)
    listener: SgipListener | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def add(self, *records: Outbound, lane: int = 0) -> None:
        for record in records:
            self.agent.add(Job(record, PORT, self.channel), lane)

    @property
    def published(self) -> list[DeliveryReport]:
        """The reports that wait for the relay."""
        with self.db.read() as connection:
            return [decode(body) for _, _, body in report_outbox.unpublished(connection, 100_000)]

    async def until(self, condition: Callable[[], bool], deadline: float = DEADLINE, every: float = 0.01) -> None:
        end = monotonic() + deadline
        while not condition():
            for task in self.tasks:
                if task.done():
                    task.result()
            assert monotonic() < end, f"not in {deadline} s: {states(self.db)}"
            await asyncio.sleep(every)


def states(db: Database) -> Counter[str]:
    with db.read() as connection:
        return Counter(row.state for row in connection.execute(select(schema.deliveries.c.state)))


def add_port(db: Database, state: str = "open") -> None:
    with db.write() as connection:
        connection.execute(
            upsert(connection, schema.ports)
            .values(
                code=PORT, tier="ordinary", kind="notice", state=state, channel="default", opened_at=0, changed_at=0
            )
            .on_conflict_do_nothing()
        )


@asynccontextmanager
async def fleet(
    db: Database,
    *channels: Channel,
    resend: bool = True,
    wall: Callable[[], int] = now_ms,
) -> AsyncIterator[dict[str, Sending]]:
    """Running agents by channel; the failure of one fails the test. A port without a state in the database is open."""
    add_port(db)
    clock = Clock(wall=wall)
    ports = Gate(db, clock)
    agents: dict[str, Agent] = {}
    running: dict[str, Sending] = {}
    with ThreadPoolExecutor(1) as thread, ThreadPoolExecutor(1) as looker:
        database = DatabaseThread(db, thread)

        async def look() -> None:
            while True:
                await asyncio.wrap_future(looker.submit(ports.look))
                await asyncio.sleep(gate.POLL)

        works: list[Any] = [look()]
        for channel in channels:
            reports = Reports(channel, database, clock, Words.of(Settings()))
            done: list[Job] = []
            callbacks = AgentCallbacks(done.append, reports.take)
            agent = Agent(
                channel, database, ports, callbacks, clock, Random(1), resend=resend, failover=Failover(agents)
            )
            agents[channel.name] = agent
            running[channel.name] = Sending(agent, db, channel, database, done=done)
            await database.run(deliveries.mark_interrupted, channel.name, wall())
            works += [agent.run(), reports.run(), *(link.run() for link in agent.links)]
            if channel.listen:
                listener = running[channel.name].listener = SgipListener(
                    channel, reports.take, clock.monotonic, channel.secret
                )
                works.append(listener.run())
        tasks = [asyncio.create_task(work) for work in works]
        for one in running.values():
            one.tasks = tasks
        try:
            yield running
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def sending(
    db: Database, simulator: Carrier, *, resend: bool = True, wall: Callable[[], int] = now_ms, **fields: Any
) -> AsyncIterator[Sending]:
    """A running agent of one channel, as in `fleet`."""
    channel = channel_to(simulator, **fields)
    async with fleet(db, channel, resend=resend, wall=wall) as running:
        yield running[channel.name]


def carrier(**conduct: Any) -> Simulator:
    return Simulator(ACCOUNT, SECRET, Conduct(**conduct))
