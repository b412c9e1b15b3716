"""Messages whose report never comes: they are sent again over the next channel, where the channel's policy says so.

A channel with `report_wait` stores each message with the time when its report is missed, in the transaction that stores
the intent of its first part. When that time comes, a message with a part that is not final moves to a channel of `next`
as a whole, like a message of a channel that is down (`agent.py`). Its row of this table stays until the message is
complete elsewhere: if the process is killed meanwhile, or no other channel is up, it is taken up again ten minutes
later.
"""

from __future__ import annotations

import asyncio

import structlog

from pipeline import metrics
from pipeline.actions.senders import deliveries, missed_reports
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.database_thread import DatabaseThread
from pipeline.actions.senders.failover import Failover
from pipeline.actions.senders.job import Message
from pipeline.actions.senders.part import FINAL
from pipeline.errors import AntispamError

LOOK = 10.0  # seconds between looks for messages whose time has come
_log = structlog.get_logger()


class Resends:
    """The missed reports of one channel."""

    def __init__(self, channel: Channel, database: DatabaseThread, failover: Failover, clock: Clock) -> None:
        self._channel, self._database, self._failover, self._clock = channel, database, failover, clock

    async def run(self) -> None:
        """Send again what is due, until cancelled. Raises AntispamError if the database does not answer."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Send again what is due now."""
        jobs = await self._database.run(missed_reports.take_due, self._channel, self._clock.wall())
        messages = [message for job in jobs if (message := job.next()) is not None]
        if not messages:
            return
        found = await self._database.run(deliveries.standing, messages)
        over, lost = [], []
        for message in messages:
            rows = found.rows.get(message.row_key, [])
            here = not rows or any(row.channel == self._channel.name for row in rows)
            if not here:  # it has moved before
                complete = rows[0].is_complete(rows, resend=True)
            else:
                complete = bool(rows) and all(row.state in FINAL for row in rows)
            message.kept = not here
            message.target = self._failover.target(message, self._channel.name)
            if complete or message.job.code in found.bound:
                over.append(message.row_key)
            elif message.target is not None:
                lost.append(message)
        if over:
            await self._database.run(missed_reports.done, over)
        gone = [message.row_key for message in lost if not message.kept]
        if gone:
            repeats = await self._database.run(deliveries.forget, gone)
            metrics.RESENT.labels(self._channel.name).inc(repeats)
        for message in lost:
            self._hand_over(message)

    def _hand_over(self, message: Message) -> None:
        target = message.target
        if target is None:
            raise AssertionError("a message that moves has a target")
        try:
            parts = message.job.parts(message.n, message.recipient, target.channel)
        except AntispamError as error:
            _log.warning("not_moved", channel=self._channel.name, to=target.channel.name, cause=str(error))
            return
        message.not_over.add(self._channel.name)
        message.begin(parts)
        metrics.MOVED.labels(self._channel.name, target.channel.name).inc()
        target.adopt(message)
