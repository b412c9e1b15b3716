"""Saved queries of a page: its address under a name, for oneself or for all."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.guard import now_ms
from dashboards.language import Text
from pipeline.actions.console.saved_queries import MAX_NAME, delete_query, save_query, saved_queries
from pipeline.store.accounts.roles import Right, User, allowed


def panel(_: Text, user: User, page: str) -> None:
    """Show the saved queries of this page: open, save, delete."""
    services = session.services()
    with st.popover(_("Saved queries"), icon=":material/bookmark:", width="stretch"):
        queries = saved_queries(services.db, user, page)
        if not queries:
            st.caption(_("No query is saved yet."))
        for query in queries:
            row = st.columns([5, 1], vertical_alignment="center")
            owner = "" if query.owner == user.name else f" · {query.owner}"
            others = " · " + _("shared") if query.shared else ""
            opens = f'<a href="?{escape(query.address)}" target="_self" style="color:var(--accent)">'
            row[0].html(f"{opens}{escape(query.name)}</a>{escape(owner + others)}")
            mine = query.owner == user.name or allowed(user, Right.ADMINISTER)
            if mine and row[1].button("", icon=":material/delete:", help=_("Delete"), key=f"forget_{query.id}"):
                with session.told():
                    delete_query(services.db, user, query.id, now_ms())
                    st.rerun()
        with st.form("save", border=False, clear_on_submit=True):
            name = st.text_input(_("Save this view as"), max_chars=MAX_NAME)
            shared = st.checkbox(_("Share with all users"))
            if st.form_submit_button(_("Save"), icon=":material/bookmark_add:"):
                with session.told():
                    save_query(services.db, user, page, name, urlencode(st.query_params.to_dict()), shared, now_ms())
                    st.rerun()
