"""What the API needs of the rest of the pipeline: the collaborators that a test replaces.

All of them are called in the API's event loop and never block it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.events import Priority, Submission
from pipeline.rules.ports import Ports

DATABASE_SECONDS = 10.0  # a request waits for the operational database so long


@dataclass(frozen=True, slots=True)
class Lag:
    """Submissions of a lane acknowledged and not decided yet, and seconds until they may be under the limit."""

    behind: int = 0
    seconds: int = 1


class Broker(Protocol):
    """The broker that takes submissions."""

    def send(self, submission: Submission, ports: Ports) -> asyncio.Future[bool]:
        """Send a submission; the future is True once the broker has it, False once that has failed."""

    def lag(self, priority: Priority) -> Lag:
        """How far the processor is behind in a lane."""


class SubmissionLookup(Protocol):
    """Finds submissions in the operational database. Every method raises AntispamError when it cannot be read."""

    async def digests(self, idents: Sequence[str]) -> Mapping[tuple[str, str], str]:
        """(sender, id) -> digest of every submission with one of these ids, of any port; others may be among them."""

    async def senders(self, port: str, ident: str) -> Sequence[str]:
        """The sender fields that begin with `port` and have used this id."""

    async def status(self, sender: str, ident: str) -> SubmissionStatus | None:
        """The status of the submission with this sender field and id."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What the API stands on.

    `ports` gives the ports of the configuration in force, None before the first one. `not_ready` names
    what is missing before requests can be served. `clock` gives epoch seconds.
    """

    broker: Broker
    lookup: SubmissionLookup
    ports: Callable[[], Ports | None]
    not_ready: Callable[[], Sequence[str]]
    clock: Callable[[], float]
