"""Carriers' reports and subscribers' messages: stored with all that follows from them, and only then acknowledged.

A carrier does not repeat an acknowledged report. So a report is acknowledged only after its commit in the database. The
broker is not needed for that: while it is unavailable, reports are still stored and acknowledged, and the relay
publishes them later. The carrier repeats an unacknowledged report; if it was stored before, it changes nothing.
"""

from __future__ import annotations

import asyncio

import structlog

from pipeline import metrics
from pipeline.actions.replies import incoming
from pipeline.actions.replies.incoming import Incoming
from pipeline.actions.replies.words import Words
from pipeline.actions.senders import deliveries
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.database_thread import DatabaseThread
from pipeline.actions.senders.dialects.dialect import Delivered, SubscriberMessage
from pipeline.actions.senders.links.link import Answer
from pipeline.actions.senders.part import outcome
from pipeline.actions.senders.settling import Report
from pipeline.text.numbers import number

BATCH = 500
BOUND = 5_000  # reports in memory; above this, links are not read until there is room
GATHER = 0.02  # seconds to gather reports that share one transaction
SWEEP = 10.0  # seconds between sweeps (`deliveries.sweep`)

_log = structlog.get_logger()


class Reports:
    """The reports of one channel."""

    def __init__(self, channel: Channel, database: DatabaseThread, clock: Clock, words: Words) -> None:
        self._channel, self._database, self._clock, self._words = channel, database, clock, words
        self._queue: asyncio.Queue[tuple[Report | Incoming, Answer]] = asyncio.Queue(BOUND)

    async def take(self, delivered: Delivered, answer: Answer) -> None:
        """Queue a report or message; waits while there is no room."""
        count, content = metrics.REPORTS.labels, delivered.content
        if content is None:
            _log.warning("report_unreadable", channel=self._channel.name, cause=delivered.fault)
            count(self._channel.name, "unreadable").inc()
            answer(False)
            return
        prefix = self._channel.source_prefix
        if isinstance(content, SubscriberMessage):
            reply = Incoming(
                channel=self._channel.name,
                carrier_id=content.carrier_id,
                subscriber=number(content.subscriber) or content.subscriber,
                to=content.to.removeprefix(prefix),
                message=content.message,
            )
            await self._queue.put((reply, answer))
            return
        state = outcome(content.status)
        if state is None:
            count(self._channel.name, "intermediate").inc()
            answer(True)
            return
        known = Report(
            carrier_id=content.carrier_id,
            state=state,
            status=content.status.strip().upper(),
            sender=content.sender.removeprefix(prefix),
            recipient=number(content.recipient) or content.recipient,
            at=self._clock.wall(),
        )
        await self._queue.put((known, answer))

    async def run(self) -> None:
        """Store reports until cancelled. Raises AntispamError if the database does not answer."""
        loop, channel = asyncio.get_running_loop(), self._channel.name
        swept = loop.time()
        while True:
            taken = await self._gather(SWEEP)
            if taken:
                reports = [one for one, _ in taken if isinstance(one, Report)]
                replies = [one for one, _ in taken if isinstance(one, Incoming)]
                settled = await self._database.run(deliveries.take_reports, channel, reports, self._clock.wall())
                if replies:
                    await self._database.run(incoming.take, replies, self._words, self._clock.wall())
                for _, answer in taken:
                    answer(True)
                metrics.REPORTS.labels(channel, "parked").inc(len(settled.waiting))
                metrics.REPORTS.labels(channel, "repeated").inc(len(settled.repeated))
            if loop.time() - swept >= SWEEP:
                swept = loop.time()
                # Parts whose time is over.
                await self._database.run(incoming.take, (), self._words, self._clock.wall())
                forgotten = await self._database.run(deliveries.sweep, channel, self._clock.wall())
                metrics.REPORTS.labels(channel, "never_known").inc(forgotten)

    async def _gather(self, wait: float) -> list[tuple[Report | Incoming, Answer]]:
        """The queued reports and messages, at most a batch; empty if none arrives within `wait` seconds."""
        try:
            async with asyncio.timeout(wait):
                taken = [await self._queue.get()]
        except TimeoutError:
            return []
        await asyncio.sleep(GATHER)
        while len(taken) < BATCH and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken
