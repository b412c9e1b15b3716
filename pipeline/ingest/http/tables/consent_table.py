"""`backend.ConsentRecord` on the operational database. It writes in threads, so the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pipeline.rules.consents import Consent
from pipeline.store.database import Database
from pipeline.store.registry.consents import record_for_port


class ConsentTable:
    """Records consents and publishes them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def record(self, port: str, consents: Sequence[Consent], now: int) -> Sequence[str | None]:
        """See `ConsentRecord`."""
        return await asyncio.to_thread(record_for_port, self._db, port, consents, now)
