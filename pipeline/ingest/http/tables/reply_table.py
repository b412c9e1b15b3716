"""`backend.ReplyBox` on the operational database. It works in threads, so the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pipeline.actions.replies import bringing
from pipeline.actions.replies.bringing import Waiting
from pipeline.store.database import Database


class ReplyTable:
    """Reads what waits for ports, and notes what they have."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def waiting(self, port: str) -> Sequence[Waiting]:
        """See `ReplyBox`."""

        def read() -> Sequence[Waiting]:
            with self._db.read() as connection:
                return bringing.waiting(connection, port)

        return await asyncio.to_thread(read)

    async def take(self, port: str, idents: Sequence[str], now: int) -> int:
        """See `ReplyBox`."""

        def note() -> int:
            with self._db.write() as connection:
                return bringing.take(connection, port, idents, now)

        return await asyncio.to_thread(note)
