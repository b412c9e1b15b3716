"""The HTTP server of a page or of the API: uvicorn, woken for its requests, its Date header and its end only.

uvicorn alone wakes ten times a second to look whether it shall end.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import uvicorn

DATE_SECONDS = 1.0  # between updates of the Date header


class Server(uvicorn.Server):
    """A uvicorn server that serves until `closing` is set. A signal ends it only where the caller sets `closing`."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing

    async def main_loop(self) -> None:
        """See uvicorn.Server."""
        while not self._closing.is_set():
            await self.on_tick(0)
            await within(DATE_SECONDS, self._closing)


async def within(seconds: float, event: asyncio.Event) -> None:
    """Wait for `event`, at most this many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
