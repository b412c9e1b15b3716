"""Carriers' reports: into the rows of their parts, onto the `deliveries` topic, and only then acknowledged.

A report the carrier got no answer to comes again, so nothing is lost by ending at any point; a repeated
one changes nothing in the database and is a second record on the topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from pipeline import metrics
from pipeline.actions.senders import deliveries
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.deliveries import Matched, Report
from pipeline.actions.senders.link import Answer
from pipeline.events import DeliveryReport
from pipeline.protocols import cmpp3
from pipeline.protocols.frames import ProtocolError
from pipeline.store.database import Database
from pipeline.text.numbers import number

BATCH = 500
BOUND = 5_000  # reports in memory; then the links are not read until there is room
GATHER = 0.02  # seconds that reports are gathered: the price of a transaction is shared
SWEEP = 1.0  # seconds between looks at parked reports
FORGET_OLD = 600.0  # seconds between removals of those nobody ever knew
_NOT_TAKEN = 9  # DELIVER_RESP: other error; it may come again
_BAD = 1  # structure

_log = structlog.get_logger()


class Reports:
    """One channel's reports. `publish` returns when the records are acknowledged; `write` as in the agent."""

    def __init__(
        self, channel: Channel, db: Database, write: Callable[..., Awaitable[Any]],
        publish: Callable[[Sequence[DeliveryReport]], Awaitable[None]], wall: Callable[[], int],
    ) -> None:  # fmt: skip
        self._channel, self._db, self._write, self._publish, self._wall = channel, db, write, publish, wall
        self._queue: asyncio.Queue[tuple[Report, Answer]] = asyncio.Queue(BOUND)

    async def take(self, deliver: cmpp3.Deliver, answer: Answer) -> None:
        """A DELIVER as it comes; waits while there is no room."""
        count = metrics.REPORTS.labels
        try:
            report = cmpp3.report_of(deliver)
        except ProtocolError as error:
            _log.warning("report_unreadable", channel=self._channel.name, cause=str(error))
            count(self._channel.name, "unreadable").inc()
            answer(_BAD)
            return
        if report is None:  # a subscriber's message; nothing takes these yet, so it is not acknowledged
            count(self._channel.name, "no_report").inc()
            answer(_NOT_TAKEN)
        elif report.stat == "ACCEPTD":  # on its way; the final word follows
            count(self._channel.name, "intermediate").inc()
            answer(0)
        else:
            await self._queue.put((
                Report(
                    carrier_id=f"{report.msg_id:016x}", status=report.stat,
                    sender=deliver.dest_id.removeprefix(self._channel.source_prefix),
                    recipient=number(report.recipient) or report.recipient, at=self._wall(),
                ),
                answer,
            ))  # fmt: skip

    async def run(self) -> None:
        """Until cancelled. Raises AntispamError when the database or the broker does not answer."""
        loop = asyncio.get_running_loop()
        swept = forgot = loop.time()
        while True:
            taken = await self._gather()
            now = loop.time()
            sweep = now - swept >= SWEEP
            if sweep:
                swept = now
            if not taken and not sweep:
                continue
            reports = [report for report, _ in taken]
            matched: list[Matched] = await self._write(
                deliveries.apply_reports, self._db, self._channel.name, reports, self._wall(), sweep
            )
            await self._publish([_event(m, self._channel.name) for m in matched])
            parked = [m.report.carrier_id for m in matched if m.was_parked]
            if parked or now - forgot >= FORGET_OLD:
                forgot = now
                old = await self._write(deliveries.forget_parked, self._db, self._channel.name, parked, self._wall())
                metrics.REPORTS.labels(self._channel.name, "never_known").inc(old)
            for _, answer in taken:
                answer(0)
            for m in matched:
                metrics.REPORTS.labels(self._channel.name, deliveries.outcome(m.report.status).value).inc()
            unknown = len(taken) - sum(not m.was_parked for m in matched)
            metrics.REPORTS.labels(self._channel.name, "parked").inc(max(0, unknown))

    async def _gather(self) -> list[tuple[Report, Answer]]:
        """What has come, at most a batch; nothing after the time between sweeps."""
        try:
            async with asyncio.timeout(SWEEP):
                taken = [await self._queue.get()]
        except TimeoutError:
            return []
        await asyncio.sleep(GATHER)
        while len(taken) < BATCH and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken


def _event(matched: Matched, channel: str) -> DeliveryReport:
    port, submission, n, part = matched.key
    report = matched.report
    return DeliveryReport(
        id=f"{submission}/{n}", channel=channel, carrier_id=report.carrier_id, status=report.status,
        reported_at=report.at, part=part, port=port,
    )  # fmt: skip
