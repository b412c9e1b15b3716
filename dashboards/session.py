"""What every page needs of its session: the user, the language, the services; and how a refusal is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st

from dashboards import language
from dashboards.guard import COOKIE, now_ms
from dashboards.language import Text
from pipeline.errors import AntispamError
from pipeline.lake.privacy import Privacy
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store.accounts.roles import User
from pipeline.store.accounts.sessions import user_of
from pipeline.store.database import Database, database


@dataclass(frozen=True)
class Services:
    """What the process has once."""

    settings: Settings
    db: Database
    lake: LakeReader
    privacy: Privacy


@st.cache_resource(show_spinner=False)
def services() -> Services:
    """The services of this process."""
    settings = Settings()
    return Services(settings, database(settings), LakeReader(settings), Privacy(settings.privacy_secret))


def token() -> str:
    """The session's token, from the cookie the browser opened its WebSocket with."""
    return str(st.context.cookies.get(COOKIE, ""))


def user(*, active: bool = True) -> User:
    """Who is signed in; a page whose session is over ends here. `active` is False where a page refreshes itself."""
    found = user_of(services().db, token(), now_ms(), active=active)
    if found is None or found.must_change:
        _ = text()
        st.warning(_("Your session is over."), icon=":material/lock:")
        st.link_button(_("Sign in"), "/login")
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
    """What a service refuses is shown as a line where it happens."""
    try:
        yield
    except AntispamError as error:
        st.error(_plain(str(error)), icon=":material/block:")


def _plain(words: str) -> str:
    """As text: a refusal may quote what somebody typed, and must not become markdown."""
    return "".join("\\" + c if c in r"\`*_{}[]()<>#+-.!|~$:" else c for c in words)


def plain(words: str) -> str:
    """A foreign text that Streamlit would read as markdown, as it is."""
    return _plain(words)
