"""HTTP connections with bounds: on time, octets, header fields and the number of connections.

uvicorn alone waits for ever for the end of a request's head, stores any number of octets of it, and counts a silent
connection like a working one. A thousand half-sent requests shut everybody out.

A connection is a stranger's until the application knows its client (`known`: by a valid key or a session). A
stranger's request must arrive completely within `head_seconds`. If STRANGERS such connections are open, a new one
closes the oldest connection of the address with the most. A client with a key sends it in the first packet, so it is
known long before that.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import MutableMapping
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline import metrics

HEAD_BYTES = 16_384  # of a request's first line and headers
HEAD_FIELDS = 64
PIPELINED = 16  # requests sent ahead of their answers on one connection
STRANGERS = 256
CONNECTIONS = 1024  # of known clients; the next request gets 503
LINGER = 2.0  # seconds for a client to finish sending after our answer, so that it can read the answer
WRITE_SECONDS = 30.0  # for a client to read an answer
IDLE_SECONDS = 5  # between two requests on a connection
_DESCRIPTORS = 8192
_KNOWN = "antispam.known"
_logger = logging.getLogger("antispam.http")
_logger.setLevel(logging.ERROR)  # uvicorn logs a warning for each bad request, so strangers could fill the log


def known(scope: MutableMapping[str, Any]) -> None:
    """Mark the client of this request as known. Does nothing on a server without these bounds."""
    tell = scope.get(_KNOWN)
    if tell is not None:
        tell()


def allow_descriptors() -> None:
    """Raise this process's limit of open files, often 1024, to the number its connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def configuration(app: ASGIApp, head_seconds: float, closing_seconds: int, **more: Any) -> uvicorn.Config:
    """A server of `app` with these bounds. It trusts no proxy headers and sends no Server header.

    A request's head must arrive within `head_seconds`. Unfinished answers get `closing_seconds` when the server ends.
    """
    return uvicorn.Config(
        app,
        http=bounded(head_seconds),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=CONNECTIONS + STRANGERS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=closing_seconds,
        **more,
    )


def bounded(head_seconds: float) -> type[HttpToolsProtocol]:
    """The protocol class for `uvicorn.Config(http=…)`. Servers with the same class share the limit for strangers."""
    strangers = _Strangers()

    class Connection(_Bounded):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(strangers, head_seconds, *args, **kwargs)

    return Connection


class _Strangers:
    """Strangers' connections by address, oldest first."""

    def __init__(self) -> None:
        self._by_address: dict[str, dict[_Bounded, None]] = {}
        self._count = 0

    def add(self, connection: _Bounded, address: str) -> None:
        if self._count >= STRANGERS:
            most = max(self._by_address.values(), key=len)
            next(iter(most)).end("crowded")
        self._by_address.setdefault(address, {})[connection] = None
        self._count += 1

    def remove(self, connection: _Bounded, address: str) -> None:
        of_address = self._by_address.get(address, {})
        if connection in of_address:
            del of_address[connection]
            self._count -= 1
            if not of_address:
                del self._by_address[address]


class _Refused(Exception):  # noqa: N818 - becomes a 431 or 400, no caller sees it
    """A head over its bounds. The parser turns it into an error of its own."""


class _Bounded(HttpToolsProtocol):
    """uvicorn's protocol with the bounds of this module."""

    def __init__(self, strangers: _Strangers, head_seconds: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _logger
        self._strangers = strangers
        self._head_seconds = head_seconds
        self._address = ""
        self._known = False
        self._in_head = True  # or before it
        self._in_body = False
        self._head_bytes = 0  # as received, including octets after the head in the same packet
        self._counted = 0  # octets of the header fields read so far
        self._too_large = False
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = network(self.client[0] if self.client else "")
        self._strangers.add(self, self._address)
        self._end_in(self._head_seconds, "slow")

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        if self._unread is not None:
            self._unread.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._deadline is None:  # the first octets after an idle time
                self._end_in(self._head_seconds, "slow")
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._counted = 0
        self.scope[_KNOWN] = self._become_known  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise _Refused
        self._in_head, self._in_body, self._head_bytes = False, True, 0
        if self._known:
            self._end_in(None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._in_body = True, False
        # The answer came before the end of the request; the last octets ended the idle time, so it restarts.
        answered = self.cycle is not None and self.cycle.response_complete  # none for a WebSocket
        self._end_in(IDLE_SECONDS if answered else None, "idle")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body:
            self._end_in(LINGER, "lingering")

    def handle_websocket_upgrade(self) -> None:
        self._leave()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """431 when the head was too large."""
        if not self._too_large:
            metrics.CONNECTIONS_ENDED.labels("invalid").inc()
            super().send_400_response(msg)
            return
        metrics.CONNECTIONS_ENDED.labels("large").inc()
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(WRITE_SECONDS, self.end, "unread")

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def end(self, why: str) -> None:
        """Close the connection now, without sending buffered octets."""
        metrics.CONNECTIONS_ENDED.labels(why).inc()
        self._leave()
        self.transport.abort()

    def _count(self, octets: int) -> None:
        self._counted += octets
        if self._counted > HEAD_BYTES or len(self.headers) > HEAD_FIELDS:
            self._too_large = True
            raise _Refused

    def _become_known(self) -> None:
        if not self._known:
            self._known = True
            self._leave()

    def _leave(self) -> None:
        self._strangers.remove(self, self._address)
        self._end_in(None)

    def _end_in(self, seconds: float | None, why: str = "") -> None:
        """Replace the deadline of the current wait; None removes it."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.end, why)


def network(address: str) -> str:
    """The address for counting; an IPv6 client owns a whole /64, so its /64 counts as one."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address or "?"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else parsed.exploded[:19]
    return str(parsed)
