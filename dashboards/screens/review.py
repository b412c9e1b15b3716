"""Review: the deck of cases, operated by keyboard."""

from __future__ import annotations

import secrets
from pathlib import Path

import streamlit as st

from dashboards import deck, session
from dashboards.guard import now_ms
from pipeline.actions.console.overview import standing
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.console.why import why
from pipeline.store.accounts.roles import Right, User, allowed, require
from pipeline.store.database import Database

HAND = "hand"
REFRESH_SECONDS = 5
_HERE = Path(__file__).parent.parent
_HTML = '<div class="deck"></div><p class="spoken" role="status"></p>'


def page() -> None:
    """Show the review deck."""
    require(session.user(), Right.REVIEW)
    _deck()


def leave(db: Database, user: User, now: int) -> None:
    """Give back the cases of this session when its user opens another page."""
    hand = st.session_state.pop(HAND, None)
    if hand is not None:
        deck.leave(db, user, hand, now)


@st.fragment(run_every=REFRESH_SECONDS)
def _deck() -> None:
    user = session.user(active=False)
    _ = session.text()
    services, now = session.services(), now_ms()
    if HAND not in st.session_state:
        st.session_state[HAND] = deck.Hand(seen_at=now)
        st.session_state["hand_id"] = secrets.token_hex(4)
    hand: deck.Hand = st.session_state[HAND]
    key = f"deck-{st.session_state['hand_id']}"
    first = not hand.cards
    log = (st.session_state.get(key) or {}).get("log") or []
    touched = deck.apply(services.db, user, hand, log, now)
    if touched:
        session.user()  # a decision is activity
    deck.refill(services.db, user, hand, now, touched=touched or first)
    sentences = Sentences(services.db, session.chosen_language())
    deck.explain(hand, lambda cases: why(services.db, services.lake.cursor(), services.privacy, user, cases, sentences))
    _component()(
        key=key,
        data={
            "session": st.session_state["hand_id"],
            "acked": hand.acked,
            "failed": hand.failed,
            "cases": deck.cards(_, hand),
            "may_snooze": allowed(user, Right.SNOOZE_RULES),
            "waiting": standing(services.db, user, now).cases,
            "decided": hand.decided,
            "away": not hand.cases and now - hand.seen_at >= deck.AWAY_MS,
            "now": now,
            "undo_ms": deck.UNDO_MS,
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
