"""The guard of the console: ASGI middleware that demands a session for every HTTP request and WebSocket.

Without a session, only the paths in `OPEN` are served. Streamlit's own pages and its WebSocket are behind the guard
too. Requests that change something and the WebSocket must come from a page of the console, because browsers also
send the cookie from pages on other ports of the same host.
"""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from time import time
from urllib.parse import urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.process.http_connections import known
from pipeline.store.accounts.roles import User
from pipeline.store.accounts.sessions import user_of
from pipeline.store.database import Database

COOKIE = "antispam_session"
OPEN = frozenset({"/login", "/health", "/language/zh", "/language/en"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_WANTED = 1500  # characters of a page's address that is kept through the sign-in
PORTS = {"http": 80, "https": 443}
WITH_ONE_TIME_PASSWORD = frozenset({"/password", "/logout"})

# Streamlit's pages need inline styles and blob scripts; these headers forbid frames.
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'",
}


def now_ms() -> int:
    """The current time, epoch ms."""
    return int(time() * 1000)


class Guard:
    """Middleware. `clock` returns epoch ms. `address` is the console's public address if it is not the Host header."""

    def __init__(
        self, app: ASGIApp, db: Database, clock: Callable[[], int] = now_ms, address: str | None = None
    ) -> None:
        self._app = app
        self._db = db
        self._clock = clock
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        refusal: Response | None = None
        changes = scope["type"] == "websocket" or scope["method"] not in READS
        if changes and not same_origin(scope, self._address):
            refusal = PlainTextResponse("refused: not from the console's own address (ANTISPAM_CONSOLE_URL)", 403)
        elif path not in OPEN:
            user = await self._user(Headers(scope=scope))
            if user is None:
                refusal = _to_sign_in(scope)
            elif user.must_change and path not in WITH_ONE_TIME_PASSWORD:
                refusal = RedirectResponse(leading("/password", _wanted(scope)), 303)
            if user is not None:
                known(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "sign in"})
        else:
            await refusal(scope, receive, _with_headers(send))

    async def _user(self, headers: Headers) -> User | None:
        token = cookie_of(headers.get("cookie", ""))
        if token is None:
            return None
        # Not active: assets, media and reconnecting sockets pass here too. Pages report activity themselves.
        return await run_in_threadpool(user_of, self._db, token, self._clock(), active=False)


def cookie_of(header: str) -> str | None:
    """The session's token in a Cookie header; None without a token."""
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and found.value else None


def same_origin(scope: Scope, address: str | None) -> bool:
    """True if the request comes from a page of the console: same scheme, host and port.

    Browsers send Origin with every POST and WebSocket; programs may omit it.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
    own = _origin(address or f"{scheme}://{headers.get('host', '')}")
    return own is not None and _origin(origin) == own


def _origin(address: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http address; None for an invalid address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port


def _to_sign_in(scope: Scope) -> Response:
    headers = Headers(scope=scope)
    if scope.get("method") == "GET" and "text/html" in headers.get("accept", ""):
        return RedirectResponse(leading("/login", _wanted(scope)), 303)
    return PlainTextResponse("sign in", 401)


def _wanted(scope: Scope) -> str:
    return page_with(scope["path"], scope["query_string"].decode("latin-1"))


def page_with(path: str, query: str) -> str:
    """The address of a page with its filters."""
    return f"{path}?{query}" if query else path


def leading(form: str, wanted: str) -> str:
    """The address of a form (`/login`, `/password`) that leads on to the wanted page."""
    return form if wanted == "/" or len(wanted) > MAX_WANTED else f"{form}?{urlencode({'to': wanted})}"


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
