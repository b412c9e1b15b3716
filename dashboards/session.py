"""The session of a page: its user, language and services, and the display of refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import streamlit as st

from dashboards import language
from dashboards.guard import COOKIE, leading, now_ms, page_with
from dashboards.language import Text
from dashboards.words import fault
from pipeline.errors import AntispamError
from pipeline.lake.privacy import Privacy
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store.accounts.roles import User
from pipeline.store.accounts.sessions import user_of
from pipeline.store.database import Database, database


@dataclass(frozen=True)
class Services:
    """The services that all sessions of the process share."""

    settings: Settings
    db: Database
    lake: LakeReader
    privacy: Privacy


@st.cache_resource(show_spinner=False)
def services() -> Services:
    """The services of this process, made once."""
    settings = Settings()
    return Services(settings, database(settings), LakeReader(settings), Privacy(settings.privacy_secret))


def token() -> str:
    """The session's token from the cookie of the WebSocket; empty without a cookie."""
    return str(st.context.cookies.get(COOKIE, ""))


def user(*, active: bool = True) -> User:
    """The signed-in user; ends the page if the session is over. A page that refreshes itself passes `active=False`."""
    found = user_of(services().db, token(), now_ms(), active=active)
    if found is None or found.must_change:
        _ = text()
        st.warning(_("Your session is over."), icon=":material/lock:")
        here = urlsplit(st.context.url or "/").path
        st.link_button(_("Sign in"), leading("/login", page_with(here, urlencode(st.query_params.to_dict()))))
        st.stop()
    return found


def chosen_language() -> str:
    """The language of this browser."""
    return language.preferred(st.context.cookies.get(language.COOKIE), st.context.headers.get("Accept-Language"))


def text() -> Text:
    """The translator of this browser."""
    return language.text(chosen_language())


@contextmanager
def told() -> Iterator[None]:
    """Show the refusal of a service as a line at this place of the page."""
    try:
        yield
    except AntispamError as error:
        st.error(plain(fault(text(), error)), icon=":material/block:")


def plain(words: str) -> str:
    """The text with markdown escaped, so that Streamlit shows it unchanged: it may quote a user or a message."""
    return "".join("\\" + c if c in r"\`*_{}[]()<>#+-.!|~$:" else c for c in words)
