"""The thread in which senders write the database, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from pipeline.store.database import Database

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """Runs functions with the database as argument, one after another, in the one thread of `executor`."""

    def __init__(self, db: Database, executor: ThreadPoolExecutor) -> None:
        self._db, self._executor = db, executor

    async def run(self, work: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` with the database and these arguments in the thread, and return its result."""
        return await asyncio.wrap_future(self._executor.submit(work, self._db, *args, **kwargs))
