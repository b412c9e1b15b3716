"""The script that Streamlit runs for each session: user, rights, page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboards import session
from dashboards.guard import now_ms
from dashboards.language import LANGUAGES
from dashboards.screens import (
    alerts,
    audit,
    backtest,
    channels,
    complaints,
    consents,
    explore,
    lists,
    numbers,
    overview,
    policy,
    ports,
    review,
    rules,
    search,
    users,
)
from dashboards.words import word
from pipeline.store.accounts.roles import Right, User, allowed

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

STYLE = f"""<style>
{Path(__file__).with_name("palette.css").read_text(encoding="utf-8")}
.stMainBlockContainer {{ padding: 4.25rem 2rem 2rem; max-width: 1560px }}
.who {{ position: fixed; top: 0; right: 1.25rem; height: 3.75rem; z-index: 1000000; display: flex; gap: 1rem;
  align-items: center; font-size: .875rem; color: var(--soft); white-space: nowrap }}
.who a {{ color: var(--accent); text-decoration: none }} .who a:hover {{ text-decoration: underline }}
.who b {{ color: var(--ink); font-weight: 600 }}
.stApp:has([data-testid="stSidebar"][data-collapsed="false"]) .who,
[data-testid="stSidebar"][data-collapsed="true"] {{ visibility: hidden }}
h1 {{ font-size: 1.35rem !important; padding: 0 0 .25rem !important }}
h2 {{ font-size: 1rem !important; padding: .25rem 0 !important }}
[data-testid="stMetricValue"] {{ font-size: 1.5rem; font-variant-numeric: tabular-nums }}
[data-testid="stMetricLabel"] p {{ white-space: normal }}
:has(> .st-key-window), .st-key-window {{ flex: none !important; height: max(18rem, 100vh - 28rem) !important }}
.st-key-window {{ overflow: clip !important }}
[data-testid="stElementContainer"][data-stale="true"] {{ opacity: 1 !important }}
[data-testid="stCaptionContainer"] {{ color: var(--soft) !important; opacity: 1 !important }}
[data-testid="stButtonGroup"] button[aria-checked="true"] {{ color: var(--accent) !important }}
[data-testid="stButtonGroup"] :has(> button) {{ flex-wrap: wrap; overflow: visible !important; mask: none !important }}
</style>"""
MENU = Path(__file__).with_name("menu.js").read_text(encoding="utf-8")


def main() -> None:
    """Build the navigation for the user and run the chosen page."""
    st.set_page_config(page_title="antispam", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide")
    user = session.user()
    _ = session.text()
    # Streamlit shows the pages of the section without a name side by side, and the others in menus, in which an
    # icon would be read aloud as a word.
    daily, senders, policies, office = "", _("Senders"), _("Policy and lists"), _("Administration")
    pages: dict[str, list[Page]] = {}
    for section, path, title, icon, right, module in (
        (daily, "overview", _("Overview"), ":material/monitoring:", Right.SEE_TRAFFIC, overview),
        (daily, "review", _("Review"), ":material/rule:", Right.REVIEW, review),
        (daily, "alerts", _("Alerts"), ":material/notifications:", Right.SEE_TRAFFIC, alerts),
        (daily, "search", _("Search"), ":material/search:", Right.SEARCH, search),
        (daily, "explore", _("Explore"), ":material/query_stats:", Right.SEARCH, explore),
        (senders, "ports", _("Ports"), None, Right.SEE_TRAFFIC, ports),
        (senders, "channels", _("Channels"), None, Right.SEE_TRAFFIC, channels),
        (senders, "complaints", _("Complaints"), None, Right.SEARCH, complaints),
        (senders, "numbers", _("Numbers"), None, Right.EDIT_LISTS, numbers),
        (senders, "consents", _("Consents"), None, Right.EDIT_LISTS, consents),
        (policies, "policy", _("Policy"), None, Right.SEARCH, policy),
        (policies, "rules", _("Rules"), None, Right.SEE_TRAFFIC, rules),
        (policies, "lists", _("Lists"), None, Right.EDIT_LISTS, lists),
        (policies, "backtest", _("Backtest"), None, Right.SEARCH, backtest),
        (office, "users", _("Users"), None, Right.ADMINISTER, users),
        (office, "audit", _("Audit"), None, Right.ADMINISTER, audit),
    ):
        if allowed(user, right):
            page = st.Page(module.page, title=title, icon=icon, url_path=path, default=path == "overview")
            pages.setdefault(section, []).append(page)
    chosen = st.navigation(pages, position="top")
    st.set_page_config(page_title=f"{chosen.title} · antispam")
    _who(user)
    if chosen.url_path != "review":
        review.leave(session.services().db, user, now_ms())
    with session.told():
        chosen.run()


def _who(user: User) -> None:
    """The corner of the page: user, language, password, sign-out."""
    _ = session.text()
    links = {f"/language/{code}": name for code, name in LANGUAGES.items() if code != session.chosen_language()} | {
        "/password": _("Password"),
        "/logout": _("Sign out"),
    }
    anchors = "".join(f'<a href="{path}" target="_self">{escape(label)}</a>' for path, label in links.items())
    name, role = escape(user.name), escape(word(_, user.role))
    script = f"<script>document.documentElement.lang = '{session.chosen_language()}';{MENU}</script>"
    account = escape(_("Account"))
    who = f'<nav class="who" aria-label="{account}"><span><b>{name}</b> {role}</span>{anchors}</nav>'
    st.html(STYLE + who + script, unsafe_allow_javascript=True)


main()
