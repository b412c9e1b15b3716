"""The page of a process: `/health`, `/ready` and `/metrics` over HTTP.

The API has these routes among its own. Every other process serves them from a separate thread. The page never disturbs
the work: if its address is taken, the thread tries again while the process works without a page. Connections are
bounded (http_connections.py).
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.process import pages, readiness
from pipeline.process.http_connections import allow_descriptors, configuration
from pipeline.process.http_server import Server, within

AGAIN = 1.0  # seconds between attempts to bind the address
CLIENT_SECONDS = 5.0  # for a client to send its request
CLOSING_SECONDS = 1  # for unfinished answers when the page closes
_log = structlog.get_logger()


def routes(roles: Sequence[str], ready: Callable[[], Mapping[str, object]]) -> list[Route]:
    """The three routes of a process that runs `roles`.

    `ready` returns the body of `/ready`; its field `ready` decides between 200 and 503.
    """

    async def health(_: Request) -> Response:
        return _answer(200, {"status": "ok", "roles": roles})

    async def readiness(_: Request) -> Response:
        body = ready()
        return _answer(200 if body["ready"] else 503, body)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [Route("/health", health), Route("/ready", readiness), Route("/metrics", metrics)]


class Page:
    """The page of a process with these `roles`, served from construction to `close`. Port 0 takes a free port.

    While the page is served, the file `note` holds its address (pages.py).
    """

    def __init__(self, host: str, port: int, roles: Sequence[str], note: Path | None = None) -> None:
        self._address = (host, port)
        self._note = note
        self._roles = list(roles)
        self._serving = threading.Event()
        self._port: int | None = None
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        allow_descriptors()
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def port(self, timeout: float) -> int | None:
        """The port of the page; waits up to `timeout` seconds for it. None without one."""
        self._serving.wait(timeout)
        return self._port

    def close(self) -> None:
        """Stop serving and release the address."""
        with suppress(RuntimeError):  # the loop is closed: the page was closed before
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(CLIENT_SECONDS)
        if self._note is not None:
            with suppress(OSError):
                self._note.unlink(missing_ok=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        listener = await self._bind()
        if listener is None:
            return
        self._port = listener.getsockname()[1]
        self._serving.set()
        _log.info("page_served", host=self._address[0], port=self._port)
        if self._note is not None:
            self._leave_note(self._note, self._port)
        app = Starlette(routes=routes(self._roles, _parts), exception_handlers={404: _unknown})
        config = configuration(app, CLIENT_SECONDS, CLOSING_SECONDS)
        await Server(config, self._closing).serve(sockets=[listener])

    def _leave_note(self, path: Path, port: int) -> None:
        try:
            pages.write(path, self._address[0], port, self._roles)
        except OSError as error:
            _log.error("page_not_noted", file=str(path), cause=error.strerror)

    async def _bind(self) -> socket.socket | None:
        told = False
        while not self._closing.is_set():
            try:
                return socket.create_server(self._address)
            except OSError as error:
                if not told:
                    _log.error("page_not_served", host=self._address[0], port=self._address[1], cause=error.strerror)
                told = True
                await within(AGAIN, self._closing)
        return None


def _parts() -> dict[str, object]:
    """A process is ready when all its parts are."""
    parts = readiness.states()
    return {
        "ready": bool(parts) and all(parts.values()),
        "parts": parts,
        "waits_for": readiness.waits(),
        "epochs": readiness.epochs(),
    }


async def _unknown(_request: Request, _error: Exception) -> Response:
    return _answer(404, {"error": "/health, /ready or /metrics"})


def _answer(status: int, body: Mapping[str, object]) -> Response:
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": "5"} if status == 503 else {})
    return Response(msgspec.json.encode(body), status, headers, "application/json")
