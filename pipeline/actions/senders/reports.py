"""Carriers' reports: stored, with what they settle and what is to be published of them, and only then acknowledged.

A carrier says what became of a message once. So nothing but our database stands between its word and our
answer: while the broker is away reports are stored and acknowledged all the same, and the relay publishes them
later. A report that got no answer comes again, and changes nothing if it was stored before.
"""

from __future__ import annotations

import asyncio

import structlog

from pipeline import metrics
from pipeline.actions.senders import deliveries
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.database_thread import DatabaseThread
from pipeline.actions.senders.link import Answer
from pipeline.actions.senders.part import outcome
from pipeline.actions.senders.settling import Report
from pipeline.protocols import cmpp3
from pipeline.protocols.frames import ProtocolError
from pipeline.text.numbers import number

BATCH = 500
BOUND = 5_000  # reports in memory; then the links are not read until there is room
GATHER = 0.02  # seconds that reports are gathered: the price of a transaction is shared
SWEEP = 10.0  # seconds between sweeps (`deliveries.sweep`)
_NOT_TAKEN = 9  # DELIVER_RESP: other error; it may come again

_log = structlog.get_logger()


class Reports:
    """One channel's reports."""

    def __init__(self, channel: Channel, database: DatabaseThread, clock: Clock) -> None:
        self._channel, self._database, self._clock = channel, database, clock
        self._queue: asyncio.Queue[tuple[Report, Answer]] = asyncio.Queue(BOUND)

    async def take(self, deliver: cmpp3.Deliver, answer: Answer) -> None:
        """A DELIVER as it comes; waits while there is no room."""
        count = metrics.REPORTS.labels
        try:
            report = cmpp3.report_of(deliver)
        except ProtocolError as error:
            _log.warning("report_unreadable", channel=self._channel.name, cause=str(error))
            count(self._channel.name, "unreadable").inc()
            answer(cmpp3.BAD_STRUCTURE)
            return
        if report is None:  # a subscriber's message; nothing takes these yet, so it is not acknowledged
            count(self._channel.name, "no_report").inc()
            answer(_NOT_TAKEN)
            return
        state = outcome(report.stat)
        if state is None:
            count(self._channel.name, "intermediate").inc()
            answer(0)
            return
        recipient = report.recipient or deliver.src_terminal_id
        known = Report(
            carrier_id=f"{report.msg_id:016x}",
            state=state,
            status=report.stat.strip().upper(),
            sender=deliver.dest_id.removeprefix(self._channel.source_prefix),
            recipient=number(recipient) or recipient,
            at=self._clock.wall(),
        )
        await self._queue.put((known, answer))

    async def run(self) -> None:
        """Until cancelled. Raises AntispamError when the database does not answer."""
        loop, channel = asyncio.get_running_loop(), self._channel.name
        swept = loop.time()
        while True:
            taken = await self._gather(SWEEP)
            if taken:
                settled = await self._database.run(
                    deliveries.take_reports, channel, [report for report, _ in taken], self._clock.wall()
                )
                for _, answer in taken:
                    answer(0)
                metrics.REPORTS.labels(channel, "parked").inc(len(settled.waiting))
                metrics.REPORTS.labels(channel, "repeated").inc(len(settled.repeated))
            if loop.time() - swept >= SWEEP:
                swept = loop.time()
                forgotten = await self._database.run(deliveries.sweep, channel, self._clock.wall())
                metrics.REPORTS.labels(channel, "never_known").inc(forgotten)

    async def _gather(self, wait: float) -> list[tuple[Report, Answer]]:
        """What has come, at most a batch; nothing when nothing comes for `wait` seconds."""
        try:
            async with asyncio.timeout(wait):
                taken = [await self._queue.get()]
        except TimeoutError:
            return []
        await asyncio.sleep(GATHER)
        while len(taken) < BATCH and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken
