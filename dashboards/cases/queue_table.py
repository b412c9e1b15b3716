"""The queues of Review: what waits where, how long, and who works there; a reviewer chooses one to work in."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboards import session
from dashboards.address import chosen_row, given, keep
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import at_right, table
from dashboards.words import count, span, word
from pipeline.actions.review import places
from pipeline.actions.review.places import Place, Waiting
from pipeline.rules.messages import Templates
from pipeline.store.accounts.roles import User
from pipeline.store.database import Database

BY = {
    "queue": N_("Queue"),
    "risk": N_("Risk"),
    "category": N_("Category"),
    "lane": N_("Lane"),
    "level": N_("Escalation"),
    "port": N_("Port"),
    "campaign": N_("Campaign"),
    "person": N_("Assigned to"),
}
VIEW = "review_view"  # key of the choice of Review's view
_WITHOUT = {
    "queue": N_("no queue"),
    "category": N_("no category"),
    "campaign": N_("no campaign"),
    "person": N_("nobody"),
}
CASE = N_("Case")  # the place of one case is no row of a table
_VALUES = {
    "risk": {
        "high": N_("high, score 0.9 and more"),
        "middle": N_("middle, score 0.6 and more"),
        "low": N_("low"),
        "unknown": N_("no score"),
    },
    "lane": {"express": N_("express"), "bulk": N_("bulk")},
    "level": {"escalated": N_("escalated"), "second": N_("waits for a second opinion"), "usual": N_("not escalated")},
}


def page(_: Text, user: User, place: Place) -> None:
    """Show what waits by one kind of place; the address keeps the kind and the chosen row."""
    st.title(_("Queues"))
    by = st.segmented_control(
        _("Grouped by"),
        list(BY),
        default=given("by", list(BY), "queue"),
        format_func=lambda kind: _(BY[kind]),
        key="queues_by",
        required=True,
        label_visibility="collapsed",
    )
    keep("by", str(by))
    rows = places.waiting(session.services().db, user, now_ms(), str(by), place)
    if not rows:
        st.info(_("No case waits for review."), icon=":material/check_circle:")
        return
    chosen = _table(_, str(by), rows)
    if chosen is None:
        st.caption(_("Choose a row to work there."))
        return
    place_chosen = (str(by), rows[chosen].value)
    st.button(_("Work here"), type="primary", key="work_here", on_click=_work_here, args=place_chosen)


def _work_here(kind: str, value: str) -> None:
    """Open the deck at this place; a click sets the state of widgets before they are shown."""
    keep(kind, value)
    for name in ("view", "by", "row"):
        keep(name, None)
    st.session_state[VIEW] = "work"


def titles(db: Database, user: User) -> dict[str, Templates]:
    """The titles of the queues in the policy in force."""
    return {row.value: row.titles for row in places.waiting(db, user, now_ms(), "queue") if row.titles}


def place_words(_: Text, place: Place, names: Mapping[str, Templates], language: str) -> str:
    """A place in words: kind and value of each part."""
    parts = [
        f"{_(BY.get(kind, CASE))}: {value_words(_, kind, value, names.get(value), language)}"
        for kind, value in place.items()
    ]
    return " · ".join(parts)


def value_words(_: Text, kind: str, value: str, title: Templates | None, language: str) -> str:
    """The value of a kind of place in words."""
    if kind == "queue" and title:
        return title[language]
    if not value and kind in _WITHOUT:
        return _(_WITHOUT[kind])
    if value in _VALUES.get(kind, ()):
        return _(_VALUES[kind][value])
    return word(_, value) if kind == "category" else value


def _table(_: Text, by: str, rows: list[Waiting]) -> int | None:
    now, language = now_ms(), session.chosen_language()
    frame = table(
        [
            (
                value_words(_, by, row.value, row.titles, language),
                count(row.cases),
                count(row.free),
                count(row.messages),
                span(_, None if row.oldest is None else now - row.oldest),
                _left(_, row.next_due, now),
                ", ".join(f"{name} {count(cases)}" for name, cases in row.workers) or "–",
            )
            for row in rows
        ],
        columns=[
            _(BY[by]),
            _("Cases"),
            _("Free"),
            _("Messages"),
            _("Oldest waits"),
            _("Next limit in"),
            _("Who works there, cases in hand"),
        ],
    )
    right = at_right(*frame.columns[1:6])
    ids = [f"{by}:{row.value}" for row in rows]
    return chosen_row("row", frame, ids, key=f"queues_{by}", height="content", column_config=right)


def _left(_: Text, due: int | None, now: int) -> str:
    if due is None:
        return "–"
    return span(_, due - now) if due > now else _("overdue {time}").format(time=span(_, now - due))
