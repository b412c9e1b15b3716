"""The filters in force, each with a button that takes it away, and the way to another one.

What fits is shown while the reader types: of the 100 values of the column with most messages in the period.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import session
from dashboards.address import keep
from dashboards.explored.names import FILTERED, LONGEST, NAMES
from dashboards.guard import now_ms
from dashboards.language import Text
from dashboards.words import count, fault, word
from pipeline.actions.explore.filters import COLUMNS, Filters
from pipeline.actions.explore.subjects import enterprise_names
from pipeline.actions.explore.sums import MAX_TOP, Top, explore
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.store.accounts.roles import User

PAUSE = "300ms"  # without a key before the page answers
SHOWN = 8  # values that fit
KEPT_MS = MINUTE_MS  # how long the values of a column are kept
VALUES = "filter_values"  # the key of the values that are kept: whose they are, when they were asked for, the values


def show(_: Text, user: User, filters: Filters) -> None:
    """Show them."""
    given = [name for name in FILTERED if st.query_params.get(name)]
    names = enterprise_names(session.services().db, user) if "enterprise" in given else {}
    with st.container(horizontal=True, vertical_alignment="center"):
        for name in given:
            value = st.query_params[name]
            shown = names.get(value, value) if name == "enterprise" else word(_, value)
            label = _(NAMES[name])
            if st.button(f"{label}: {session.plain(shown[:40])}", icon=":material/close:", key=f"chip_{name}"):
                keep(name, None)
                st.rerun()
        with st.popover(_("Add a filter"), icon=":material/filter_alt:"):
            _add(_, user, filters)


def _add(_: Text, user: User, filters: Filters) -> None:
    name = str(st.selectbox(_("Column"), FILTERED, format_func=lambda name: _(NAMES[name])))
    typed = st.text_input(
        _("Value"),
        max_chars=LONGEST,
        live=PAUSE,
        key=f"value_{name}_{len([each for each in FILTERED if st.query_params.get(each)])}",
        help=_("A number is hashed first; the address keeps the hash only."),
    )
    typed = (typed or "").strip()
    if not typed:
        return
    if name in COLUMNS:
        for value, shown, messages in _fitting(_, user, filters, name, typed):
            if st.button(session.plain(f"{shown[:60]} · {messages}"), key=f"fits_{name}_{value}", width="stretch"):
                keep(name, value)
                st.rerun()
    if st.button(_("Filter"), type="primary", help=_("Take the value as it is typed.")):
        keep(name, session.services().privacy.number(typed) if name == "number" else typed)
        st.rerun()


def _fitting(_: Text, user: User, filters: Filters, name: str, typed: str) -> list[tuple[str, str, str]]:
    """Those of the 100 values with most messages that contain what is typed: value, its words, its messages."""
    try:
        values = _values(user, filters, name)
    except AntispamError as error:
        st.caption(session.plain(fault(_, error)))
        return []
    names = enterprise_names(session.services().db, user) if name == "enterprise" else {}
    fitting = []
    for top in values:
        shown = names.get(top.value, top.value) if name == "enterprise" else word(_, top.value)
        if top.value and typed.casefold() in f"{top.value} {shown} {top.example}".casefold():
            fitting.append((top.value, top.example or shown, count(top.now.messages)))
    return fitting[:SHOWN]


def _values(user: User, filters: Filters, name: str) -> Sequence[Top]:
    """The 100 values of a column with most messages. They are kept for a minute: each pause in typing asks for them."""
    of, now = (user, filters, name), now_ms()
    kept = st.session_state.get(VALUES)
    if kept is None or kept[0] != of or now - kept[1] > KEPT_MS:
        services = session.services()
        found = explore(services.db, services.lake.cursor(), user, filters, name, first=MAX_TOP)
        kept = st.session_state[VALUES] = (of, now, found.top)
    values: Sequence[Top] = kept[2]
    return values
