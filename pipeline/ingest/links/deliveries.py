"""Brings reports and replies from the database to the links of their ports, and the ports' answers back.

A port gets them over whichever of its links is up, those of the same account and protocol. They stay in the database
until the port has answered, so neither a lost link nor a killed process loses one. While the database does not answer,
links go on taking submissions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from time import time
from typing import Protocol

import structlog
from sqlalchemy import select

from pipeline.actions.status import link_outcomes
from pipeline.actions.status.link_deliveries import Answers, Waiting, Wish, lease, settle
from pipeline.errors import AntispamError
from pipeline.ingest.links.account import Account
from pipeline.ingest.links.link import Link
from pipeline.ingest.links.sgip_caller import SgipCaller
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

EVERY = 0.5  # seconds between looks for more
GATHER = 0.02  # seconds in which answers gather that share one transaction
LEASED = 200  # deliveries of one account and protocol in memory
_log = structlog.get_logger()

Turn = Callable[[Answers, Sequence[Wish], int], Mapping[Wish, Sequence[Waiting]]]


class DeliveryStore:
    """What waits, in the operational database. It is opened when it first answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._db: Database | None = None
        self._opening = Lock()

    def turn(self, answers: Answers, wishes: Sequence[Wish], now: int) -> Mapping[Wish, Sequence[Waiting]]:
        """Store the answers, make new reports, and lease what waits. Raises AntispamError."""
        db = self.db
        if not any(answers):
            with db.read() as connection:
                tables = schema.link_outcomes, schema.link_deliveries
                if not any(connection.execute(select(table.c.id).limit(1)).first() for table in tables):
                    return {}
        with db.write() as connection:
            settle(connection, answers, now)
            link_outcomes.make_reports(connection, now, self._settings.record_zone)
            return lease(connection, wishes, now)

    @property
    def db(self) -> Database:
        """The database. Raises AntispamError."""
        with self._opening:
            self._db = self._db or open_database(self._settings)
            return self._db

    def close(self) -> None:
        """Close the database."""
        if self._db is not None:
            self._db.close()


class Links(Protocol):
    """The open links, with the account of each."""

    def logged_in(self) -> Iterable[tuple[Link | SgipCaller, Account]]:
        """Those that have logged in."""


class Deliveries:
    """See the module. `turn` is that of a `DeliveryStore`; it is called in a thread."""

    def __init__(self, turn: Turn, clock: Callable[[], float] = time) -> None:
        self._turn, self._clock = turn, clock
        self._waiting: dict[tuple[str, str], deque[Waiting]] = {}  # leased, by account and protocol
        self._links: dict[tuple[str, str], list[Link | SgipCaller]] = {}
        self._of: dict[int, tuple[str, str]] = {}  # what links have
        self._accepted: list[int] = []
        self._refused: list[int] = []
        self._unanswered: list[int] = []
        self._stirred = asyncio.Event()
        self._failing = False

    def answered(self, token: int, accepted: bool | None) -> None:
        """A port has answered, or its link has ended before."""
        key = self._of.pop(token, None)
        (self._unanswered if accepted is None else self._accepted if accepted else self._refused).append(token)
        if key is not None and accepted is not None:
            self._deliver(key)
        self._stirred.set()

    async def run(self, links: Links, closing: asyncio.Event) -> None:
        """Deliver until `closing` is set. Call `finish` when the links have ended."""
        while not closing.is_set():
            await self.step(links)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), EVERY)
                await asyncio.sleep(GATHER)

    async def finish(self) -> None:
        """Give back what no port has answered."""
        for waiting in self._waiting.values():
            self._unanswered += [one.id for one in waiting]
        self._waiting.clear()
        await self._exchange(())

    async def step(self, links: Links) -> None:
        """Store answers, lease more for the links that are up, and deliver it."""
        ports: dict[tuple[str, str], str] = {}
        self._links = {}
        for link, account in links.logged_in():
            if link.receives:
                ports[account.name, link.protocol] = account.port
                self._links.setdefault((account.name, link.protocol), []).append(link)
        for key in [key for key in self._waiting if key not in ports]:
            self._unanswered += [one.id for one in self._waiting.pop(key)]
        wishes = []
        for (name, protocol), port in ports.items():
            room = LEASED - len(self._waiting.get((name, protocol), ()))
            if room > LEASED // 2:
                wishes.append(Wish(name, port, protocol, room))
        for wish, found in (await self._exchange(wishes)).items():
            key = wish.account, wish.protocol
            self._waiting.setdefault(key, deque()).extend(found)
            self._deliver(key)

    async def _exchange(self, wishes: Sequence[Wish]) -> Mapping[Wish, Sequence[Waiting]]:
        answers = Answers(self._accepted, self._refused, self._unanswered)
        self._accepted, self._refused, self._unanswered = [], [], []
        self._stirred.clear()
        try:
            found = await asyncio.to_thread(self._turn, answers, wishes, int(self._clock() * 1000))
        except AntispamError as error:
            self._accepted += answers.accepted
            self._refused += answers.refused
            self._unanswered += answers.unanswered
            if not self._failing:
                _log.error("link_deliveries_not_read", cause=str(error))
            self._failing = True
            return {}
        self._failing = False
        return found

    def _deliver(self, key: tuple[str, str]) -> None:
        """Deliver what the links of an account have room for."""
        waiting, links = self._waiting.get(key), self._links.get(key)
        while waiting and links:
            link = max(links, key=lambda one: one.free)
            if link.free == 0:
                return
            one = waiting.popleft()
            self._of[one.id] = key
            link.deliver(one.id, one.content)
