"""The role `sender`: sends the released submissions of every configured channel over its links to the carrier.

One event loop runs the links. Blocking work has its own threads: one thread writes the database, one reads the states
of ports, and one per lane polls Kafka. A failing database ends the role; the restarted role continues from the stored
state. An unavailable broker does not end it: lanes try again, links stay up, and reports are stored and acknowledged;
the relay publishes them later.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer

from pipeline.actions.replies.words import Words
from pipeline.actions.senders import deliveries, gate
from pipeline.actions.senders.agent import Agent, AgentCallbacks
from pipeline.actions.senders.channels import Channel, load_channels
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.database_thread import DatabaseThread
from pipeline.actions.senders.failover import Failover
from pipeline.actions.senders.gate import Gate
from pipeline.actions.senders.job import Job
from pipeline.actions.senders.lane import Lane
from pipeline.actions.senders.links.sgip_listener import SgipListener
from pipeline.actions.senders.live import controls, states
from pipeline.actions.senders.live.states import ChannelState
from pipeline.actions.senders.reports import Reports
from pipeline.actions.senders.resends import Resends
from pipeline.actions.tracing import traces
from pipeline.actions.tracing.recorder import Recorder
from pipeline.errors import AntispamError
from pipeline.events import Priority
from pipeline.kafka.clients import is_away, writer
from pipeline.process import readiness
from pipeline.process.backoff import Backoff
from pipeline.settings import Settings
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

QUEUED = 5_000  # messages in memory per lane and channel; above this, the topic is not polled
BACKOFF = Backoff(first=0.4, longest=5.0)  # pauses of a lane while the broker does not answer
GRACE = 10.0  # seconds to wait for answers at shutdown and at the loss of a partition to another sender
LANES = (Priority.EXPRESS, Priority.BULK)
STOP_TURN = 0.5  # seconds
_log = structlog.get_logger()


def run_sender(settings: Settings, stop: threading.Event) -> None:
    """Send until `stop`. Raises AntispamError without channels, secrets, database or broker."""
    channels = load_channels(settings)
    if not channels:
        raise AntispamError("no channels: ANTISPAM_CHANNELS_FILE is not set")
    missing = [name for name in settings.channels if name not in channels]
    if missing:
        raise AntispamError(f"{settings.channels_file}: no channel {', '.join(missing)}, named in ANTISPAM_CHANNELS")
    db = open_database(settings)
    try:
        asyncio.run(_run(settings, channels, db, stop))
    finally:
        db.close()


async def _run(settings: Settings, channels: dict[str, Channel], db: Database, stop: threading.Event) -> None:
    producer = writer(settings)
    clock = Clock()
    ports = Gate(db, clock)
    with ThreadPoolExecutor(1, "sender-write") as write, ThreadPoolExecutor(1, "sender-look") as look:
        database = DatabaseThread(db, write)
        agents: dict[str, Agent] = {}
        recorder = Recorder(clock.wall)
        senders = [
            _ChannelSender(settings, channel, database, ports, producer, clock, agents, recorder)
            for channel in channels.values()
        ]
        await _obey(agents, db, look)  # before the first SUBMIT: a channel that is off stays off after a restart
        telling = asyncio.ensure_future(_tell_live(senders, database, clock))
        work = [
            _look(ports, look),
            _obey_on(agents, db, look),
            _tell(senders),
            _trace(recorder, database, clock),
            *(coroutine for sender in senders for coroutine in sender.coroutines()),
        ]
        tasks = [telling, *(asyncio.ensure_future(coroutine) for coroutine in work)]
        ended = asyncio.ensure_future(_ended(stop))
        try:
            await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.gather(*(sender.finish() for sender in senders))
            await _leave(telling, database)
        finally:
            for task in (*tasks, ended):
                task.cancel()
            await asyncio.gather(*tasks, ended, return_exceptions=True)
            await asyncio.gather(*(sender.close() for sender in senders))


class _ChannelSender:
    """A channel: its agent, which joins `agents`, its reports and the two lanes that feed it."""

    def __init__(
        self,
        settings: Settings,
        channel: Channel,
        database: DatabaseThread,
        ports: Gate,
        producer: Producer,
        clock: Clock,
        agents: dict[str, Agent],
        recorder: Recorder,
    ) -> None:
        self._agents = agents
        self._loop = asyncio.get_running_loop()
        self._database, self._clock, self._channel = database, clock, channel
        self._queued = [0, 0]  # messages in memory, by lane
        self._sizes: dict[Job, tuple[int, int]] = {}  # lane and number of messages
        self._threads = ThreadPoolExecutor(len(LANES), f"sender-{channel.name}")
        self.reports = Reports(channel, database, clock, Words.of(settings))
        failover = Failover(agents)
        self.agent = Agent(
            channel,
            database,
            ports,
            AgentCallbacks(job_finished=self._done, deliver=self.reports.take),
            clock,
            SystemRandom(),
            resend=settings.resend_maybe_sent,
            failover=failover,
            recorder=recorder,
        )
        self._resends = Resends(channel, database, failover, clock)
        agents[channel.name] = self.agent
        self._listener = (
            SgipListener(channel, self.reports.take, clock.monotonic, channel.secret) if channel.listen else None
        )
        self._lanes = [Lane(settings, channel, priority, producer, self._revoked) for priority in LANES]

    def coroutines(self) -> list[Any]:
        """The coroutines that run until the role ends."""
        return [
            self._agent(),
            self.reports.run(),
            *(link.run() for link in self.agent.links),
            *(self._pump(i) for i in range(len(LANES))),
            *([self._listener.run()] if self._listener is not None else []),
            *([self._resends.run()] if self._channel.report_wait else []),
        ]

    def tell(self) -> None:
        """Report the readiness of the channel: whether it can send now."""
        up = any(link.connected for link in self.agent.links)
        gateway = f"{self._channel.host}:{self._channel.port}"
        readiness.say(f"sender-{self._channel.name}", up, "" if up else f"a link to {gateway}")

    @property
    def name(self) -> str:
        """The name of the channel."""
        return self._channel.name

    def state(self) -> ChannelState:
        """What the channel does now."""
        return self.agent.state(sum(self._queued))

    async def finish(self) -> None:
        """Begin no further parts and wait for the answers due."""
        self.agent.stop()
        deadline = self._loop.time() + GRACE
        while self.agent.at_risk and self._loop.time() < deadline:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(link.close() for link in self.agent.links))

    async def close(self) -> None:
        """Commit the finished records; the next sender reads the others again."""
        for lane in self._lanes:
            await asyncio.wrap_future(self._threads.submit(lane.close))
        self._threads.shutdown()

    async def _agent(self) -> None:
        interrupted = await self._database.run(deliveries.mark_interrupted, self._channel.name, self._clock.wall())
        if interrupted:
            _log.warning("parts_in_doubt", channel=self._channel.name, parts=interrupted)
        await self.agent.run()
        await asyncio.Event().wait()  # stopped: return only by cancellation, after all other coroutines have ended

    async def _pump(self, number: int) -> None:
        lane, failures = self._lanes[number], 0
        while True:
            room = self._queued[number] < QUEUED
            try:
                jobs = await asyncio.wrap_future(self._threads.submit(lane.poll, room))
            except KafkaException as error:
                fault = error.args[0]
                if not is_away(fault):
                    raise
                failures += 1
                name = self._channel.name
                _log.warning("lane_retried", channel=name, lane=LANES[number], failures=failures, cause=fault.str())
                await asyncio.sleep(BACKOFF.pause(failures))
                continue
            failures = 0
            for job in jobs:
                self._queued[number] += job.open
                self._sizes[job] = (number, job.open)
                self.agent.add(job, number)

    def _done(self, job: Job) -> None:
        lane, messages = self._sizes.pop(job, (0, 0))
        self._queued[lane] -= messages

    def _revoked(self, jobs: Sequence[Job]) -> None:
        """Called by a lane's thread; returns when no part of these jobs is in flight."""
        asyncio.run_coroutine_threadsafe(self._give_up(jobs), self._loop).result(2 * GRACE)

    async def _give_up(self, jobs: Sequence[Job]) -> None:
        for agent in self._agents.values():  # some of their messages may have moved
            agent.drop(set(jobs))
        for job in jobs:
            self._done(job)
        deadline = self._loop.time() + GRACE
        while any(job.at_risk for job in jobs) and self._loop.time() < deadline:
            await asyncio.sleep(0.02)


async def _look(ports: Gate, thread: ThreadPoolExecutor) -> None:
    while True:
        await asyncio.wrap_future(thread.submit(ports.look))
        await asyncio.sleep(gate.POLL)


async def _obey_on(agents: Mapping[str, Agent], db: Database, thread: ThreadPoolExecutor) -> None:
    while True:
        await asyncio.sleep(controls.LOOK)
        await _obey(agents, db, thread)


async def _obey(agents: Mapping[str, Agent], db: Database, thread: ThreadPoolExecutor) -> None:
    """Let each agent follow what people have set for its channel."""
    found = await asyncio.wrap_future(thread.submit(controls.in_force, db))
    for name, agent in agents.items():
        agent.obey(found.get(name, controls.Control()))


async def _tell_live(senders: Sequence[_ChannelSender], database: DatabaseThread, clock: Clock) -> None:
    """Tell what the channels do, for the page of channels."""
    while True:
        told = {sender.name: sender.state() for sender in senders}
        await database.run(states.tell, states.this_sender(), told, clock.wall())
        await asyncio.sleep(states.TELL)


async def _leave(telling: asyncio.Future[None], database: DatabaseThread) -> None:
    """Delete what the channels told. The task that tells ends first, else it would tell of an ended sender."""
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    await database.run(states.leave, states.this_sender())


async def _trace(recorder: Recorder, database: DatabaseThread, clock: Clock) -> None:
    """Note the frames of the traces that people have started."""
    while True:
        await asyncio.sleep(traces.LOOK)
        await database.run(traces.exchange, recorder, clock.wall())


async def _tell(senders: Sequence[_ChannelSender]) -> None:
    """Report each channel: it is ready while at least one link is up."""
    while True:
        for sender in senders:
            sender.tell()
        readiness.say("sender", True)  # the channels report their own readiness
        await asyncio.sleep(gate.POLL)


async def _ended(stop: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    while not stop.is_set():  # in turns: a thread that waits without a limit would outlive a role that failed
        await loop.run_in_executor(None, stop.wait, STOP_TURN)
