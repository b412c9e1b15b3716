"""What servers of submissions need from the broker. A test replaces it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from pipeline.events import Part, Priority, Submission
from pipeline.rules.ports import Ports


@dataclass(frozen=True, slots=True)
class Lag:
    """Submissions of a lane acknowledged but not yet decided, and the seconds until they may be below the limit."""

    behind: int = 0
    seconds: int = 1


class Broker(Protocol):
    """The broker that stores submissions. It is called in the server's event loop and never blocks it."""

    def send(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]:
        """Send a submission. The future becomes True when the broker has stored it, False when that has failed."""

    def lag(self, priority: Priority) -> Lag:
        """The processor's lag in a lane."""


class PartsBroker(Broker, Protocol):
    """What servers of links need besides."""

    def parts_lag(self) -> Lag:
        """How many parts are not joined yet."""

    def send_part(self, part: Part) -> asyncio.Future[bool]:
        """As `Broker.send`, for a part of a long message."""
