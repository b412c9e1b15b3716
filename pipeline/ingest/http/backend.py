"""The collaborators that the API needs from the rest of the pipeline. A test replaces them.

All of them are called in the API's event loop and never block it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from pipeline.actions.conduct.appeals import Appeal
from pipeline.actions.replies.bringing import Waiting
from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.errors import AntispamError
from pipeline.events import Complaint
from pipeline.ingest.broker import Broker
from pipeline.ingest.http.problems import unavailable
from pipeline.rules.consents import Consent
from pipeline.rules.ports import Ports

DATABASE_SECONDS = 10.0  # how long a request waits for the operational database


@asynccontextmanager
async def database_in_time() -> AsyncIterator[None]:
    """Bounds what asks the operational database. Raises Problem 503 when it cannot be reached in time."""
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            yield
    except (AntispamError, TimeoutError):
        raise unavailable("the operational database") from None


class SubmissionLookup(Protocol):
    """Finds submissions in the operational database. Every method raises AntispamError when it cannot be read."""

    async def digests(self, idents: Sequence[str]) -> Mapping[tuple[str, str], str]:
        """(sender, id) -> digest of the submissions with these ids, of any port. It may hold further submissions."""

    async def senders(self, port: str, ident: str) -> Sequence[str]:
        """The sender fields that begin with `port` and have used this id."""

    async def status(self, sender: str, ident: str) -> SubmissionStatus | None:
        """The status of the submission with this sender field and id."""


class ConsentRecord(Protocol):
    """The record of consents in the operational database."""

    async def record(self, port: str, consents: Sequence[Consent], now: int) -> Sequence[str | None]:
        """Record the consents of a port and publish them. Returns the fault of each, or None.

        Raises AntispamError when the database cannot be written.
        """


class ReplyBox(Protocol):
    """Subscribers' messages in the operational database. Raises AntispamError when it does not answer."""

    async def waiting(self, port: str) -> Sequence[Waiting]:
        """The oldest messages that the port has not taken yet."""

    async def take(self, port: str, idents: Sequence[str], now: int) -> int:
        """Note that the port has these messages; returns how many were waiting."""


class AppealDesk(Protocol):
    """The appeals in the operational database. Raises AntispamError when it does not answer."""

    async def file(self, port: str, submission: str | None, text: str, now: int) -> Appeal | str:
        """File an appeal of a port. Returns it, or why there is nothing to appeal against."""

    async def find(self, port: str, ident: int) -> Appeal | None:
        """An appeal of this port."""


class ComplaintIntake(Protocol):
    """The intake of complaints in the operational database."""

    async def receive(self, complaints: Sequence[Complaint], now: int) -> Sequence[bool]:
        """Take complaints in one transaction. Returns for each whether it is new.

        Raises AntispamError when the database cannot be written.
        """


@dataclass(frozen=True, slots=True)
class Backend:
    """Everything the API depends on.

    `ports` returns the ports of the configuration in force, or None before the first configuration. `not_ready` returns
    the names of the parts that are missing before requests can be served. `clock` returns epoch seconds.
    """

    broker: Broker
    lookup: SubmissionLookup
    consents: ConsentRecord
    replies: ReplyBox
    complaints: ComplaintIntake
    appeals: AppealDesk
    ports: Callable[[], Ports | None]
    not_ready: Callable[[], Sequence[str]]
    clock: Callable[[], float]
