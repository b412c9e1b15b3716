"""`backend.ComplaintIntake` on the operational database. It writes in threads, so the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from pipeline.actions.complaints.intake import take
from pipeline.events import Complaint
from pipeline.file_exchange import ComplaintShape
from pipeline.store.database import Database


class ComplaintTable:
    """Takes complaints; `shapes` are those of the settings."""

    def __init__(self, db: Database, shapes: Mapping[str, ComplaintShape]) -> None:
        self._db = db
        self._shapes = shapes

    async def receive(self, complaints: Sequence[Complaint], now: int) -> Sequence[bool]:
        """See `ComplaintIntake`."""
        return await asyncio.to_thread(self._take, complaints, now)

    def _take(self, complaints: Sequence[Complaint], now: int) -> Sequence[bool]:
        with self._db.write() as connection:
            return [take(connection, now, [complaint], self._shapes).new == 1 for complaint in complaints]
