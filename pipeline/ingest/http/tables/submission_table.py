"""`backend.SubmissionLookup` on the operational database. Queries run in threads, so the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from pipeline.actions.status.statuses import digests, senders_of, status_of
from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.errors import UnavailableError
from pipeline.ingest.http.backend import DATABASE_SECONDS
from pipeline.store.database import Database

Key = tuple[str, str]  # sender, id
T = TypeVar("T")


class SubmissionTable:
    """Looks up submissions in the operational database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._digests = _Digests(lambda idents: self._read(lambda connection: digests(connection, idents)))

    async def digests(self, idents: Sequence[str]) -> Mapping[Key, str]:
        """See `SubmissionLookup`."""
        return await self._digests.find(idents)

    async def senders(self, port: str, ident: str) -> Sequence[str]:
        """See `SubmissionLookup`."""
        return await asyncio.to_thread(self._read, lambda connection: senders_of(connection, port, ident))

    async def status(self, sender: str, ident: str) -> SubmissionStatus | None:
        """See `SubmissionLookup`."""
        return await asyncio.to_thread(self._read, lambda connection: status_of(connection, sender, ident))

    def _read(self, query: Callable[[Connection], T]) -> T:
        with self._db.read() as connection:
            return query(connection)


class _Digests:
    """Looks up digests by id. Lookups that wait at the same time share a query, so a busy second needs only a few."""

    def __init__(self, query: Callable[[Sequence[str]], Mapping[Key, str]]) -> None:
        self._query = query
        self._waiting: list[tuple[Sequence[str], asyncio.Future[Mapping[Key, str]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def find(self, idents: Sequence[str]) -> Mapping[Key, str]:
        """See `SubmissionLookup.digests`. Raises AntispamError when the database takes too long."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Mapping[Key, str]] = loop.create_future()
        self._waiting.append((idents, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        try:
            return await asyncio.wait_for(future, DATABASE_SECONDS)
        except TimeoutError:
            raise UnavailableError("operational database: no answer in time") from None

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                found = await asyncio.to_thread(self._query, [ident for idents, _ in asked for ident in idents])
            except Exception as error:  # noqa: BLE001 - each waiting lookup raises it
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
                continue
            for _, future in asked:
                if not future.done():
                    future.set_result(found)
