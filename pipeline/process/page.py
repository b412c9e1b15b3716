"""The page of a process: `/health`, `/ready` and `/metrics` over HTTP, from a thread of its own.

It never stands in the way of the work: while its address is taken it asks for it again and again, and the
process goes on without a page. Who connects and says nothing holds little: of CLIENTS connections the oldest
gives way to the next, each is over after CLIENT_SECONDS, and a request has at most HEAD_BYTES.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pipeline.process import pages, readiness

AGAIN = 1.0  # seconds between tries to get the address
CLIENTS = 32  # connections at once
CLIENT_SECONDS = 5.0  # from a client's connection to the end of its answer
HEAD_BYTES = 16_384  # of a request
_log = structlog.get_logger()


class Page:
    """The page at `host`:`port` (0 takes a free one), telling of `roles`; serves from construction to `close`.

    While it serves, its address stands in the file `note` (pages.py).
    """

    def __init__(self, host: str, port: int, roles: Sequence[str], note: Path | None = None) -> None:
        self._address = (host, port)
        self._note = note
        self._roles = list(roles)
        self._ended = threading.Event()
        self._serving = threading.Event()
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()

    def port(self, timeout: float) -> int | None:
        """The port it serves, at the latest after `timeout` seconds; None while it has none."""
        return self._server.server_port if self._serving.wait(timeout) and self._server else None

    def close(self) -> None:
        """End it and give the address back."""
        self._ended.set()
        self._thread.join(CLIENT_SECONDS)
        if self._note is not None:
            with suppress(OSError):
                self._note.unlink(missing_ok=True)

    def _run(self) -> None:
        server = self._bind()
        if server is None:
            return
        with server:
            self._server = server
            self._serving.set()
            _log.info("page_served", host=self._address[0], port=server.server_port)
            if self._note is not None:
                self._leave_note(self._note, server.server_port)
            # Not serve_forever: its shutdown() never returns when it comes before the serving.
            while not self._ended.is_set():
                server.handle_request()
                server.end_slow()

    def _leave_note(self, path: Path, port: int) -> None:
        try:
            pages.write(path, self._address[0], port, self._roles)
        except OSError as error:
            _log.error("page_not_noted", file=str(path), cause=error.strerror)

    def _bind(self) -> _Server | None:
        told = False
        while not self._ended.is_set():
            try:
                return _Server(self._address, _handler(self._roles))
            except OSError as error:
                if not told:
                    _log.error("page_not_served", host=self._address[0], port=self._address[1], cause=error.strerror)
                told = True
                self._ended.wait(AGAIN)
        return None


class _Server(ThreadingHTTPServer):
    timeout = 0.2  # seconds until it looks whether it is to end
    daemon_threads = True
    request_queue_size = 128  # a crowd must not fill it: the kernel would let the next wait for seconds
    block_on_close = False  # a slow client does not delay the end of the process

    def __init__(self, *args: Any) -> None:
        self._lock = threading.Lock()
        self._open: dict[Any, float] = {}  # socket -> since when; the oldest first
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, as the base does; the oldest of too many connections ends."""
        with self._lock:
            self._open[request] = monotonic()
            if len(self._open) > CLIENTS:
                self._end(next(iter(self._open)))
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Its thread is done with it."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def end_slow(self) -> None:
        """End the connections that have had their time."""
        with self._lock:
            for request in [one for one, since in self._open.items() if monotonic() - since > CLIENT_SECONDS]:
                self._end(request)

    def _end(self, request: Any) -> None:
        del self._open[request]
        with suppress(OSError):  # gone already
            request.shutdown(socket.SHUT_RDWR)  # its thread wakes and closes it

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no event of ours."""
        _log.debug("page_client_lost")


def _handler(roles: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_SECONDS
        server_version, sys_version = "antispam", ""

        def setup(self) -> None:
            """Of the request's octets only so many are there to be read."""
            super().setup()
            self.rfile = BytesIO(self._head())

        def _head(self) -> bytes:
            head = b""
            while b"\r\n\r\n" not in head and len(head) <= HEAD_BYTES:
                piece = self.connection.recv(4096)
                head += piece
                if not piece:
                    break
            return head if len(head) <= HEAD_BYTES else b""

        def do_GET(self) -> None:
            """One of the three, or 404."""
            match self.path:
                case "/health":
                    self._answer(200, msgspec.json.encode({"status": "ok", "roles": roles}))
                case "/ready":
                    parts = readiness.states()
                    ready = bool(parts) and all(parts.values())
                    self._answer(
                        200 if ready else 503,
                        msgspec.json.encode({"ready": ready, "parts": parts, "waits_for": readiness.waits()}),
                    )
                case "/metrics":
                    self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
                case _:
                    self._answer(404, b'{"error":"/health, /ready or /metrics"}')

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """No line for each scrape."""

    return Handler
