"""Review: the deck of cases, operated by keyboard; the queues in which cases wait; the list of cases."""

from __future__ import annotations

import secrets
from pathlib import Path

import streamlit as st

from dashboards import deck, session
from dashboards.address import given, keep
from dashboards.cases import case_table, queue_table
from dashboards.cases.queue_table import place_words
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.console.why import why
from pipeline.actions.review import places
from pipeline.actions.review.places import Place
from pipeline.store.accounts.roles import Right, User, allowed, require
from pipeline.store.database import Database

HAND = "hand"
REFRESH_SECONDS = 5
VIEWS = {"work": N_("Work"), "queues": N_("Queues"), "cases": N_("Cases")}
_HERE = Path(__file__).parent.parent
_HTML = '<div class="deck"></div><p class="spoken" role="status"></p>'


def page() -> None:
    """Show the deck or the queues; the address keeps which, and the place where the reviewer works."""
    user, _ = session.user(), session.text()
    require(user, Right.REVIEW)
    place = {kind: value for kind, value in st.query_params.items() if kind in places.KINDS}
    view = _head(_, user, place)
    if view == "queues":
        queue_table.page(_, user, place)
    elif view == "cases":
        case_table.page(_, user, place)
    else:
        _deck(place)


def leave(db: Database, user: User, now: int) -> None:
    """Give back the cases of this session when its user opens another page."""
    hand = st.session_state.pop(HAND, None)
    if hand is not None:
        deck.leave(db, user, hand, now)


def _head(_: Text, user: User, place: Place) -> str:
    """The choice of the view, and the place with a way out of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control(
            _("View"),
            list(VIEWS),
            default=given("view", list(VIEWS), "work"),
            format_func=lambda view: _(VIEWS[view]),
            key=queue_table.VIEW,
            required=True,
            label_visibility="collapsed",
        )
        keep("view", None if view == "work" else str(view))
        if place:
            titles = queue_table.titles(session.services().db, user)
            told = place_words(_, place, titles, session.chosen_language())
            st.markdown(session.plain(told))
            if st.button(_("Everywhere"), icon=":material/close:"):
                for kind in place:
                    keep(kind, None)
                st.rerun()
    return str(view)


def _hand(user: User, place: Place, now: int) -> deck.Hand:
    """The hand of this session at the place; cases of another place are given back."""
    hand: deck.Hand | None = st.session_state.get(HAND)
    if hand is not None and hand.place != place:
        leave(session.services().db, user, now)
        hand = None
    if hand is None:
        hand = st.session_state[HAND] = deck.Hand(place=place, seen_at=now)
        st.session_state["hand_id"] = secrets.token_hex(4)
    return hand


@st.fragment(run_every=REFRESH_SECONDS)
def _deck(place: Place) -> None:
    user = session.user(active=False)
    _ = session.text()
    services, now = session.services(), now_ms()
    hand = _hand(user, place, now)
    key = f"deck-{st.session_state['hand_id']}"
    first = not hand.cards
    log = (st.session_state.get(key) or {}).get("log") or []
    touched = deck.apply(services.db, user, hand, log, now)
    if touched:
        session.user()  # a decision is activity
    deck.refill(services.db, user, hand, now, touched=touched or first)
    sentences = Sentences(services.db, session.chosen_language())
    deck.explain(hand, lambda cases: why(services.db, services.lake.cursor(), services.privacy, user, cases, sentences))
    here = places.here(services.db, user, now, place)
    away = not hand.cases and now - hand.seen_at >= deck.AWAY_MS
    _component()(
        key=key,
        data={
            "session": st.session_state["hand_id"],
            "acked": hand.acked,
            "failed": hand.failed,
            "cases": deck.cards(_, hand),
            "may_snooze": allowed(user, Right.SNOOZE_RULES),
            "waiting": here.cases,
            "decided": hand.decided,
            "away": away,
            "idle": deck.idle(_, here, away=away),
            "now": now,
            "undo_ms": deck.UNDO_MS,
            "undo_until": hand.undo_until,
            "zone": services.settings.console_zone,
            "language": "zh-CN" if session.chosen_language() == "zh" else "en-GB",
            "labels": deck.labels(_),
        },
        default={"log": []},
        on_log_change=lambda: None,
    )


@st.cache_resource(show_spinner=False)
def _component():  # type: ignore[no-untyped-def]
    read = [(_HERE / name).read_text(encoding="utf-8") for name in ("deck.css", "deck.js")]
    return st.components.v2.component("antispam.deck", html=_HTML, css=read[0], js=read[1])
