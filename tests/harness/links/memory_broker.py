"""A broker in memory, which answers when the test says so."""

from __future__ import annotations

import asyncio

from pipeline.events import Part, Priority, Submission
from pipeline.ingest.broker import Lag
from pipeline.rules.ports import Ports


class MemoryBroker:
    """See the module. `behind` is the lag of every lane."""

    def __init__(self) -> None:
        self.sent: list[Submission] = []
        self.parts: list[Part] = []
        self.waiting: list[asyncio.Future[bool]] = []
        self.behind = self.parts_behind = 0
        self.at_once = True

    def send(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]:
        """See `Broker`."""
        self.sent.append(submission)
        return self._answer()

    def parts_lag(self) -> Lag:
        """See `PartsBroker`."""
        return Lag(self.parts_behind)

    def send_part(self, part: Part) -> asyncio.Future[bool]:
        """See `PartsBroker`."""
        self.parts.append(part)
        return self._answer()

    def _answer(self) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.at_once:
            future.set_result(True)
        else:
            self.waiting.append(future)
        return future

    def lag(self, priority: Priority) -> Lag:
        """See `Broker`."""
        return Lag(self.behind)
