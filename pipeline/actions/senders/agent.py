"""The sender of one channel: turns released submissions into SUBMITs, loses none and repeats few.

A part is at risk of a second SUBMIT while its SUBMIT may be sent and its answer is not in the database: from the
storing of its intent to the storing of its answer. The number of parts at risk never exceeds the links' windows. Each
turn of the loop is one transaction: it stores the new answers and the intents of the next parts. A part that a link
returns unwritten loses its row, because it is not in doubt.

A part is tried until one of three limits: the channel's `tries` for SUBMITs without an answer, `MOST_SUBMITS` for
SUBMITs on lost links, and `valid_until` before the next SUBMIT. While no link is up, it waits.

One message of each (port, recipient) is in flight at a time, so the order of messages survives the loss of links. All
parts of a message go over one link. Express messages go before bulk messages.

While the channel is down (`availability.py`), and when the carrier refuses a message that another channel may take, the
message moves to the agent of that channel (`failover.py`), as a whole: a handset cannot join parts from two senders.
Its rows of this channel are deleted, so what this carrier may have accepted of it is sent twice. Messages of ports that
name their channel stay. So do messages whose parts are all accepted. A message that weights give to another channel
(`weights.py`) moves before its first part, if that channel takes it; otherwise it is sent here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import structlog

from pipeline import metrics
from pipeline.actions.senders import deliveries
from pipeline.actions.senders.availability import Availability
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.database_thread import DatabaseThread
from pipeline.actions.senders.dialects.dialect import Delivered
from pipeline.actions.senders.failover import Failover
from pipeline.actions.senders.gate import Gate
from pipeline.actions.senders.job import Job, Message
from pipeline.actions.senders.links.link import Answer, Link, LinkCallbacks
from pipeline.actions.senders.links.token_bucket import TokenBucket
from pipeline.actions.senders.live.controls import Control
from pipeline.actions.senders.live.states import ChannelState
from pipeline.actions.senders.part import DOUBTFUL, DeliveryState, Part
from pipeline.actions.senders.weights import chosen
from pipeline.actions.tracing.recorder import Recorder
from pipeline.errors import AntispamError

UNLIMITED = 1e9  # parts a second: no limit
ADOPTED = 1_000  # messages of other channels that may wait; what is beyond waits where it is
MOVED = 200  # messages that have not begun and move in one turn
GATHER = 0.02  # most seconds that a turn waits for more parts to come back while the carrier has others
ROUND_TRIPS = 0.025  # of the carrier's usual time to answer that it waits: a slot is taken that much longer
SHORTEST = 0.001  # seconds; a shorter wait is none
LOOK = 1.0  # seconds between looks at a channel that has work and is not known to be down
_log = structlog.get_logger()
# States of a part that end its message: the other parts are useless without it.
_ENDS = frozenset((DeliveryState.REFUSED, DeliveryState.EXPIRED, DeliveryState.STOPPED))


@dataclass(frozen=True, slots=True)
class AgentCallbacks:
    """The functions that an agent calls, all in its event loop.

    `job_finished` gets each job whose parts are all final and stored. `deliver` is as in `LinkCallbacks`.
    """

    job_finished: Callable[[Job], None]
    deliver: Callable[[Delivered, Answer], Awaitable[None]]


class Agent:
    """The sender of one channel; see the module. Without `resend`, a part in doubt is not sent again."""

    def __init__(
        self,
        channel: Channel,
        database: DatabaseThread,
        gate: Gate,
        callbacks: AgentCallbacks,
        clock: Clock,
        random: Random,
        *,
        resend: bool = True,
        failover: Failover | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.channel = channel
        self._failover = failover or Failover({})
        self._availability = Availability(channel.down_after, channel.back_after, clock.monotonic())
        self._adopted: tuple[deque[Message], deque[Message]] = (deque(), deque())  # of other channels, by lane
        self._stay: set[str] = set()  # ports that name this channel
        self._shared_out: list[Message] = []  # weights give them to other channels
        self._away = False  # its own messages move at the moment, so none begins here
        self._database, self._callbacks, self._clock, self._resend = database, callbacks, clock, resend
        own = LinkCallbacks(part_back=self._come_back, link_up=self.wake, deliver=callbacks.deliver)
        self._shared = TokenBucket(channel.total_rate or UNLIMITED, clock.monotonic())
        traced = recorder or Recorder(clock.wall)
        self.links = [Link(channel, i, gate, own, clock, random, self._shared, traced) for i in range(channel.links)]
        self._control = Control()
        self.next = channel.next  # who takes over, in order
        self._most = channel.links * channel.window
        self._at_risk = 0
        self._lanes: tuple[deque[Job], deque[Job]] = (deque(), deque())  # express, bulk
        self._begun: deque[Message] = deque()  # in flight, with parts to send
        self._ready: deque[Message] = deque()  # may begin: no message of the same key is in flight
        self._waiting: dict[tuple[str, str], deque[Message]] = {}  # wait for the message in flight of the same key
        self._finished: list[Part] = []
        self._event = asyncio.Event()
        self._enough = asyncio.Event()  # a turn is worth its transaction
        self._stopping = False

    def add(self, job: Job, lane: int) -> None:
        """Queue a job. Calls `job_finished` with it when all its parts are final and stored."""
        job.lane, job.finished = lane, self._callbacks.job_finished
        if job.open == 0:
            job.finished(job)
            return
        self._lanes[lane].append(job)
        self.wake()

    def obey(self, control: Control) -> None:
        """Follow what people have set for the channel. Off, it begins no part, and its links read on."""
        if control == self._control:
            return
        self._control = control
        self.next = self.channel.next if control.next is None else control.next
        self._shared.fill_at(self.total_rate or UNLIMITED)
        for link in self.links:
            link.open(not control.off)
        _log.warning(
            "channel_steered",
            channel=self.channel.name,
            off=control.off,
            total_rate=control.total_rate,
            next=self.next,
            weights=control.weights,
        )
        self.wake()

    @property
    def total_rate(self) -> float:
        """Parts a second over all links; 0: no limit."""
        return self.channel.total_rate if self._control.total_rate is None else self._control.total_rate

    def state(self, waiting: int) -> ChannelState:
        """What the agent does now; `waiting` as in `ChannelState`."""
        now = self._clock.monotonic()
        return ChannelState(
            off=self._control.off,
            waiting=waiting,
            total_rate=self.total_rate,
            next=self.next,
            links=tuple(link.state(now) for link in self.links),
        )

    def _usable(self) -> bool:
        """Whether the channel carries its own traffic."""
        return self._availability.see(self._up, self._clock.monotonic()) and not self._control.off

    @property
    def takes(self) -> bool:
        """Whether messages of other channels may come: it is on, a link is up, and not too many wait."""
        ready = not self._stopping and not self._control.off
        return ready and sum(map(len, self._adopted)) < ADOPTED and self._up

    @property
    def _up(self) -> bool:
        return any(link.connected for link in self.links)

    def adopt(self, message: Message) -> None:
        """Take a message of another channel, whose parts are those of this channel."""
        message.weighed = True
        self._adopted[message.job.lane].append(message)
        self.wake()

    def drop(self, jobs: set[Job]) -> None:
        """Begin no further parts of these jobs, because another sender has their partition.

        Parts in flight are completed; `job.at_risk` is their number. `job.open` still counts incomplete messages, so
        the job is not finished, and the next sender continues it.
        """
        for job in jobs:
            job.dropped = True
        for lane in self._lanes:
            kept = [job for job in lane if not job.dropped]
            lane.clear()
            lane.extend(kept)
        for adopted in self._adopted:
            keep = [message for message in adopted if not message.job.dropped]
            adopted.clear()
            adopted.extend(keep)
        for key, queue in self._waiting.items():
            self._waiting[key] = deque(m for m in queue if not m.job.dropped)
        ready, self._ready = self._ready, deque()
        for message in ready:
            if message.job.dropped:
                self._leave(message)
            else:
                self._ready.append(message)
        for message in [m for m in self._begun if m.job.dropped]:
            message.open -= len(message.todo)
            message.todo.clear()
            message.cut = True
            if message.open == 0:
                self._leave(message)
        self._begun = deque(m for m in self._begun if m.todo)
        self.wake()

    @property
    def at_risk(self) -> int:
        """The number of parts that a crash now would leave in doubt."""
        return self._at_risk

    def wake(self) -> None:
        """Make `run` look for work."""
        self._event.set()

    def stop(self) -> None:
        """Begin no further parts; `run` returns when all parts in flight are stored."""
        self._stopping = True
        self._enough.set()
        self.wake()

    async def run(self) -> None:
        """Send until `stop`. Raises AntispamError if the database does not answer."""
        channel = self.channel.name
        while not (self._stopping and self._at_risk == 0):
            self._event.clear()
            await self._gather()
            moved = await self._move()
            finished, self._finished = self._finished, []
            batch = [] if self._stopping else self._choose()
            if not finished and not batch:
                if not moved:
                    await self._sleep()
                continue
            parts = [part for part, _ in batch]
            known = await self._database.run(
                deliveries.advance, channel, finished, parts, self._clock.wall(), self.channel.report_wait
            )
            for part in finished:
                if part.key in known:  # a report has settled the part in the meantime
                    part.state, part.again = known[part.key].state, False
                self._resume_or_end(part)
            elsewhere = {
                part.message: known[part.key].channel
                for part, _ in batch
                if part.key in known and known[part.key].channel in self._failover.agents
                if known[part.key].channel != channel
            }
            for part, link in batch:
                if part.message in elsewhere:
                    self._follow(part, link, elsewhere[part.message], new=part.key not in known)
                else:
                    self._send(part, link, known.get(part.key))
            metrics.AT_RISK.labels(channel).set(self._at_risk)

    async def _gather(self) -> None:
        """Wait until half of the window is back, or all that is out, but only a small part of a round trip.

        A transaction costs as much as 40 parts. But what waits for it keeps its slots, which others may need.
        """
        wait = min(GATHER, ROUND_TRIPS * min(link.answer_time for link in self.links))
        if wait >= SHORTEST and self._few:
            self._enough.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._enough.wait()

    @property
    def _few(self) -> bool:
        return not self._stopping and 0 < len(self._finished) < min(self._at_risk, self._most // 2)

    async def _sleep(self) -> None:
        """Wait for work. A channel with work that others could do also looks whether it is down."""
        work = self._begun or self._ready or any(self._lanes) or any(self._adopted)
        if not work or not (self.next or any(self._adopted)):
            await self._event.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await self._event.wait()

    async def _move(self) -> bool:
        """Give messages that this channel cannot send to other channels; returns whether there were any."""
        usable = self._usable()
        self._away = False
        going = [m for m in self._begun if m.idle and (m.target is not None or not usable)]
        if self._stopping or not (going or self.next or self._shared_out or any(self._adopted)):
            return False
        fresh, self._shared_out = self._shared_out, []
        by_weight = {id(message) for message in fresh}
        while not usable and len(fresh) < MOVED and (message := self._next_message()) is not None:
            fresh.append(message)
            message.target = self._failover.target(message, self.channel.name)
            if message.target is None:
                break
        for message in going:
            message.target = message.target or self._failover.target(message, self.channel.name)
        self._away = any(message.target is not None for message in fresh if id(message) not in by_weight)
        considered = [*going, *fresh]
        going = [m for m in considered if m.target is not None and m.job.code not in self._stay]
        found = await self._database.run(deliveries.standing, going) if going else deliveries.Standing({}, set())
        self._stay |= found.bound
        new = {id(message) for message in fresh}
        ended, leaving = [], []
        for message in going:
            rows = found.rows.get(message.row_key, []) if id(message) in new else []
            elsewhere = {row.channel for row in rows} - {self.channel.name}
            if elsewhere & self._failover.agents.keys():  # an earlier process has moved it
                message.target, message.kept = self._failover.agents[elsewhere.pop()], True
            if rows and not message.kept and rows[0].is_complete(rows, resend=self._resend):
                ended.append(message)
            elif id(message) in by_weight and rows and not message.kept:
                continue  # an earlier process has begun it here
            elif message.kept or message.job.code not in found.bound:
                leaving.append(message)
        lost = [message.row_key for message in leaving if not message.kept and id(message) not in by_weight]
        if lost:
            repeats = await self._database.run(deliveries.forget, lost)
            metrics.RESENT.labels(self.channel.name).inc(repeats)
        gone = {id(message) for message in (*leaving, *ended)}
        for message in considered:
            if id(message) not in gone:
                message.target = None  # it stays
        for message in fresh:
            if message.job.dropped:  # meanwhile, another sender has got its partition
                self._leave(message)
        self._begun = deque(m for m in (*self._begun, *fresh) if id(m) not in gone and not m.job.dropped)
        for message in ended:
            if not message.job.dropped:
                self._end(message)
        for message in leaving:
            if not message.job.dropped:
                self._hand_over(message)
        return bool(gone)

    def _hand_over(self, message: Message) -> None:
        target = message.target
        self._leave(message)
        if target is None:
            raise AssertionError("a message that moves has a target")
        try:
            message.begin(message.job.parts(message.n, message.recipient, target.channel))
        except AntispamError as error:  # a sender number that is too long there, for example
            _log.warning("not_moved", channel=self.channel.name, to=target.channel.name, cause=str(error))
            message.not_over.add(target.channel.name)
            message.begin(message.job.parts(message.n, message.recipient, self.channel))
            self.adopt(message)
            return
        metrics.MOVED.labels(self.channel.name, target.channel.name).inc()
        target.adopt(message)

    def _follow(self, part: Part, link: Link, channel: str, *, new: bool) -> None:
        """Take back a part of a message that an earlier process has moved to another channel."""
        message: Message = part.message
        link.cancel()
        message.target, message.kept = self._failover.agents[channel], True
        part.state, part.again = DeliveryState.SUBMITTING, True
        if new:  # this turn has stored its intent, which the next turn deletes
            self._come_back(part)
            return
        self._at_risk -= 1
        message.job.at_risk -= 1
        if not message.todo:
            self._begun.append(message)
        message.back(part)

    def _come_back(self, part: Part) -> None:
        if part.elsewhere:
            self._look_elsewhere(part)
        self._finished.append(part)
        if not self._few:
            self._enough.set()
        self._event.set()

    def _look_elsewhere(self, part: Part) -> None:
        """Let a refused message move, if another channel takes it now; otherwise it stays refused."""
        message: Message = part.message
        part.elsewhere = False
        message.not_over.add(self.channel.name)
        if message.job.code in self._stay or message.ended is not None:
            return
        message.target = message.target or self._failover.target(message, self.channel.name)
        if message.target is not None:  # no SUBMIT of the part was accepted, so its row goes
            part.state, part.again = DeliveryState.SUBMITTING, True

    def _choose(self) -> list[tuple[Part, Link]]:
        """The parts to send next, each with the link that reserves a slot for it."""
        batch: list[tuple[Part, Link]] = []
        for _ in range(len(self._begun)):
            message = self._begun.popleft()
            if not self._take(message, batch):
                self._begun.append(message)
        while not self._away and self._at_risk < self._most and any(link.free for link in self.links):
            started = self._next_message()
            if started is None:
                break
            if self._share_out(started):
                if len(self._shared_out) >= MOVED:
                    break
            elif not self._take(started, batch):
                self._begun.append(started)
        # Repeated parts go last: a part on which the carrier closes the link then delays no other part.
        batch.sort(key=lambda chosen: chosen[0].tries)
        return batch

    def _share_out(self, message: Message) -> bool:
        """Let a message move that has not begun, if weights give it to another channel that takes it now."""
        weights = self._control.weights
        if message.weighed or not weights or message.job.code in self._stay:
            return False
        message.weighed = True
        target = self._failover.agents.get(chosen(weights, message.key))
        if target is None or target is self or target.channel.name in message.not_over or not target.takes:
            return False
        message.target = target
        self._shared_out.append(message)
        self._event.set()
        return True

    def _take(self, message: Message, batch: list[tuple[Part, Link]]) -> bool:
        """Add as many of the message's parts to `batch` as have room; returns whether all were added."""
        link = message.link
        if message.target is not None:
            return False
        if not isinstance(link, Link) or not link.connected:
            link = message.link = max(self.links, key=lambda candidate: candidate.free)
        while message.todo and self._at_risk < self._most and link.free:
            link.reserve()
            self._at_risk += 1
            message.job.at_risk += 1
            batch.append((message.todo.popleft(), link))
        return not message.todo

    def _next_message(self) -> Message | None:
        if self._ready:
            return self._ready.popleft()
        for lane, adopted in zip(self._lanes, self._adopted, strict=True):
            while lane or adopted:
                message = adopted.popleft() if adopted else lane[0].next()
                if message is None:
                    lane.popleft()
                elif message.key in self._waiting:
                    self._waiting[message.key].append(message)
                else:
                    self._waiting[message.key] = deque()
                    return message
        return None

    def _send(self, part: Part, link: Link, known: deliveries.Known | None) -> None:
        """Submit a part over its link, unless an earlier sender has a row for it."""
        part.stored = True
        if known is None:
            link.submit(part)
            return
        # A known row is from an earlier sender: only this sender sends the key now.
        link.cancel()
        part.state, part.tries, part.silences = known.state, max(1, known.tries), known.silences
        part.submitted_at = known.submitted_at
        named = known.carrier_id is not None  # the carrier has received it, even if its answer was unreadable
        part.again = part.state in DOUBTFUL and not named and part.may_repeat(self.channel.tries)
        self._resume_or_end(part, counted=False)

    def _resume_or_end(self, part: Part, *, counted: bool = True) -> None:
        """Send a returned and stored part again, or count it as ended."""
        message: Message = part.message
        self._at_risk -= 1
        message.job.at_risk -= 1
        if part.again and part.state is DeliveryState.SUBMITTING and message.ended is not None:
            self._abandon(part)
            return
        unsent = part.again and message.ended is None and (part.state is DeliveryState.SUBMITTING or self._resend)
        if unsent and not message.job.dropped:
            if not message.todo:
                self._begun.append(message)
            part.stored = part.state is not DeliveryState.SUBMITTING  # a part returned unwritten has no row
            message.back(part)
            return
        if unsent:
            message.cut = True
        elif counted:
            metrics.PARTS.labels(self.channel.name, part.state.value).inc()
        message.open -= 1
        if part.state in _ENDS and message.todo and message.ended is None:
            message.ended = part.state
            for rest in message.todo:
                self._abandon(rest)
            message.todo.clear()
        if message.open == 0 and message.cut:
            self._leave(message)
        elif message.open == 0:
            self._end(message)

    def _abandon(self, part: Part) -> None:
        """End a part whose message ended early; the next turn stores it."""
        message: Message = part.message
        part.state, part.status, part.again = message.ended or part.state, "another part", False
        self._at_risk += 1
        message.job.at_risk += 1
        self._come_back(part)

    def _end(self, message: Message) -> None:
        """Complete a message whose parts are all final and stored."""
        self._leave(message)
        message.job.open -= 1
        if message.job.open == 0:
            message.job.finished(message.job)

    def _leave(self, message: Message) -> None:
        """Take the message out of flight; the next message of its key may begin."""
        waiting = self._waiting[message.key]
        if waiting:
            self._ready.append(waiting.popleft())
        else:
            del self._waiting[message.key]
        self._event.set()
