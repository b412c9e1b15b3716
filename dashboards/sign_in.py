"""Signing in and out, changing a password, choosing a language: plain HTML forms, no script.

The guard (guard.py) checks that a POST comes from a page of the console. A form has at most MAX_FORM bytes. Password
checks are slow by design, so they wait in a short queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboards import language
from dashboards.guard import COOKIE, cookie_of, leading, now_ms
from dashboards.language import LANGUAGES, N_, Text
from dashboards.words import fault
from pipeline.errors import AntispamError, UnavailableError
from pipeline.process.http_connections import network
from pipeline.store.accounts.sessions import SESSION_MS, sign_out, user_of
from pipeline.store.accounts.users import LONGEST, SHORTEST, change_password, sign_in
from pipeline.store.database import Database

REFUSED = N_(
    "Name or password is wrong, or the account is disabled. "
    "After five failures each further try must wait longer, 15 minutes at most."
)
MAX_FORM = 4096
MAX_WAITING = 32  # sign-ins in the queue; further ones are answered 503
_PAGE = Template(Path(__file__).with_name("sign_in.html").read_text(encoding="utf-8"))
_PALETTE = Path(__file__).with_name("palette.css").read_text(encoding="utf-8")
_CSP = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


class SignIn:
    """The routes outside Streamlit's pages. A process has one instance."""

    def __init__(self, db: Database, public: str | None = None) -> None:
        self._db = db
        self._public = public  # the console's public address behind a proxy
        self._limiter: CapacityLimiter | None = None
        self._waiting = 0

    def routes(self) -> list[Route]:
        """The routes for `st.App(routes=…)`."""
        return [
            Route("/login", self.login, methods=["GET", "POST"]),
            Route("/password", self.password, methods=["GET", "POST"]),
            Route("/logout", self.logout, methods=["GET", "POST"]),
            Route("/language/{to}", choose_language),
            Route("/health", self.health),
            Route("/overview", lambda _: RedirectResponse("/", 303)),  # Streamlit serves its first page at /
        ]

    async def login(self, request: Request) -> Response:
        """Show the form. A POST with the right name and password sets the cookie."""
        _ = language_of(request)
        wanted = own_page(request.query_params.get("to", ""))
        if request.method != "POST":
            return _page(request, _("Sign in"), _login_form(_, "", wanted))
        form = await _form(request)
        if form is None:
            return PlainTextResponse("refused", 403)
        name = form.get("name", "")
        try:
            token = await self._slowly(
                partial(sign_in, self._db, name, form.get("password", ""), now_ms(), self._client(request))
            )
        except UnavailableError:
            return PlainTextResponse("the operational database does not answer", 503, {"Retry-After": "5"})
        except AntispamError:
            told = _(REFUSED)
            return _page(request, _("Sign in"), _login_form(_, name, wanted), told, 401)
        if token is None:
            return PlainTextResponse("too many sign-ins at once", 503, {"Retry-After": "2"})
        return self._with_session(request, token, wanted)

    async def password(self, request: Request) -> Response:
        """Change the user's own password. After a one-time password, this is the only open page."""
        _ = language_of(request)
        token = cookie_of(request.headers.get("cookie", "")) or ""
        user = await to_thread.run_sync(partial(user_of, self._db, token, now_ms()))
        if user is None:
            return RedirectResponse("/login", 303)
        title, wanted = _("Change password"), own_page(request.query_params.get("to", ""))
        if request.method != "POST":
            return _page(request, title, _password_form(_, user.must_change, wanted))
        form = await _form(request)
        if form is None:
            return PlainTextResponse("refused", 403)
        old, new = None if user.must_change else form.get("old", ""), form.get("new", "")
        form_of = _password_form(_, user.must_change, wanted, form)
        if new != form.get("again", ""):
            return _page(request, title, form_of, _("The two new passwords differ."), 400)
        try:
            fresh = await self._slowly(partial(change_password, self._db, user, old, new, now_ms()))
        except UnavailableError:
            return PlainTextResponse("the operational database does not answer", 503, {"Retry-After": "5"})
        except AntispamError as error:
            return _page(request, title, form_of, fault(_, error), 400)
        if fresh is None:
            return PlainTextResponse("too many sign-ins at once", 503, {"Retry-After": "2"})
        return self._with_session(request, fresh, wanted)

    def _with_session(self, request: Request, token: str, to: str) -> Response:
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=SESSION_MS // 1000,
            path="/",
            httponly=True,
            samesite="strict",
            secure=(self._public or "").startswith("https:") or request.url.scheme == "https",
        )
        return answer

    async def logout(self, request: Request) -> Response:
        """Ask for confirmation; a POST ends the session. If a GET ended it, any foreign page could sign users out."""
        _ = language_of(request)
        if request.method != "POST":
            return _page(request, _("Sign out"), _form_of("/logout", (), _("Sign out")))
        token = cookie_of(request.headers.get("cookie", ""))
        if token is not None:
            await to_thread.run_sync(sign_out, self._db, token, now_ms())
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    def _client(self, request: Request) -> str:
        """The client's network. Behind a proxy, it is that of the last X-Forwarded-For address, which the proxy adds.

        Some proxies add this address as a separate header line after the client's lines.
        """
        if self._public is not None:
            return network(",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()[:64])
        return network(request.client.host) if request.client else "?"

    async def health(self, _: Request) -> Response:
        """Answer 200 if the operational database answers, else 503."""
        try:
            await to_thread.run_sync(user_of, self._db, "", 0)
        except AntispamError:
            return JSONResponse({"ok": False, "database": "does not answer"}, 503)
        return JSONResponse({"ok": True})

    async def _slowly(self, check: partial[str]) -> str | None:
        """Run the check in separate threads, so that guesses do not block the pages. None if the queue is full."""
        if self._waiting >= MAX_WAITING:
            return None
        self._limiter = self._limiter or CapacityLimiter(2)
        self._waiting += 1
        try:
            return await to_thread.run_sync(check, limiter=self._limiter)
        finally:
            self._waiting -= 1


async def choose_language(request: Request) -> Response:
    """Store the language in a cookie and return to the previous page."""
    to = request.path_params["to"]
    if to not in LANGUAGES:
        return PlainTextResponse("unknown language", 404)
    came_from = urlsplit(request.headers.get("referer", ""))
    ours = came_from.netloc == request.headers.get("host")
    answer = RedirectResponse(own_page(came_from._replace(scheme="", netloc="").geturl() if ours else ""), 303)
    answer.set_cookie(language.COOKIE, to, max_age=365 * 86_400, path="/", samesite="lax", httponly=True)
    return answer


def own_page(address: str) -> str:
    """The address if it is a path of the console, with or without a query; else its first page."""
    foreign = not address.startswith("/") or address.startswith("//") or "\\" in address or not address.isprintable()
    return "/" if foreign else address


def language_of(request: Request) -> Text:
    """The translator of this browser."""
    return language.text(_language(request))


def _language(request: Request) -> str:
    return language.preferred(request.cookies.get(language.COOKIE), request.headers.get("accept-language"))


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None for an invalid form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return None
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=8)
    except (UnicodeDecodeError, ValueError):
        return None
    return {name: values[0] for name, values in fields.items()}


def _page(request: Request, title: str, form: str, told: str = "", status: int = 200) -> Response:
    chosen = _language(request)
    switch = " · ".join(
        f"<b>{name}</b>" if code == chosen else f'<a href="/language/{code}">{name}</a>'
        for code, name in LANGUAGES.items()
    )
    alert = f'<p class="told" role="alert">{escape(told)}</p>' if told else ""
    html = _PAGE.substitute(palette=_PALETTE, lang=chosen, title=escape(title), form=form, told=alert, switch=switch)
    return HTMLResponse(html, status, {"Content-Security-Policy": _CSP, "Cache-Control": "no-store"})


def _login_form(_: Text, name: str, wanted: str) -> str:
    focus = ("", "autofocus") if name else ("autofocus", "")
    typed = f'value="{escape(name[:64])}" autocomplete="username"'
    fields = (
        _field(_("Name"), f'name="name" {typed} {focus[0]}'),
        _field(_("Password"), f'name="password" type="password" autocomplete="current-password" {focus[1]}'),
    )
    return _form_of(leading("/login", wanted), fields, _("Sign in"))


def _password_form(_: Text, must_change: bool, wanted: str, typed: Mapping[str, str] = MappingProxyType({})) -> str:
    """The form, with the new passwords that were just typed. Only a wrong present password is typed again.

    The user signed in with the one-time password, so the form does not ask for it again.
    """
    why = _("This is a one-time password. Choose your own before you go on.") if must_change else ""
    rule = _("At least {n} characters, not your name.").format(n=SHORTEST)
    new = f'type="password" autocomplete="new-password" minlength="{SHORTEST}"'
    kept = {name: f'value="{escape(typed.get(name, "")[:LONGEST])}"' for name in ("new", "again")}
    present = _field(_("Present password"), 'name="old" type="password" autocomplete="current-password" autofocus')
    fields = (
        "" if must_change else present,
        _field(_("New password"), f'name="new" {new} {kept["new"]} {"autofocus" if must_change else ""}'),
        f"<small>{escape(rule)}</small>",
        _field(_("New password again"), f'name="again" {new} {kept["again"]}'),
    )
    return f"<p>{escape(why)}</p>" + _form_of(leading("/password", wanted), fields, _("Change password"))


def _field(label: str, attributes: str) -> str:
    return f'<label>{escape(label)}<input maxlength="200" required {attributes}></label>'


def _form_of(action: str, fields: Iterable[str], button: str) -> str:
    return f'<form method="post" action="{escape(action)}">{"".join(fields)}<button>{escape(button)}</button></form>'
