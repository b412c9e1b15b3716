"""Takes what ports submit over links: through the door, to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import time
from typing import Any, NamedTuple

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.events import Priority
from pipeline.ingest.broker import Broker
from pipeline.ingest.links.account import Account
from pipeline.ingest.links.message_ids import MessageIds, submission_id
from pipeline.ingest.links.submitted import submitted
from pipeline.rules.ports import Ports
from pipeline.settings import Settings


class Sent(NamedTuple):
    """A submission on its way to the broker; `stored` becomes True when the broker has it, False if that failed."""

    msg_id: int
    priority: Priority
    stored: asyncio.Future[bool]


class Intake:
    """See the module. `ports` returns the ports of the configuration in force; `clock` returns epoch seconds."""

    def __init__(
        self, broker: Broker, ports: Callable[[], Ports | None], settings: Settings, clock: Callable[[], float] = time
    ) -> None:
        self._broker, self._ports, self._settings, self._clock = broker, ports, settings, clock
        self._ids = MessageIds()

    def take(self, pdu: Any, account: Account) -> Sent | None:
        """Send a submission to the broker. None: later, because no ports are known or the lane is too far behind.

        Raises AntispamError if the submission is refused.
        """
        ports = self._ports()
        if ports is None:
            return None
        now = int(self._clock() * 1000)
        msg_id = self._ids.next(now)
        line = submitted(pdu, account.port, now)
        submission = door.submission(line, self._settings, now, submission_id(msg_id))
        if ports.key(submission.port) != account.port:
            raise AntispamError("port: not the account's port, nor an extension of it")
        if self._broker.lag(submission.priority).behind > self._settings.api_lag_limit:
            return None
        return Sent(msg_id, submission.priority, self._broker.send(submission, ports))
