"""Review: the deck of cases, operated by keyboard; the queues in which cases wait; the list of cases."""

from __future__ import annotations

import secrets
from pathlib import Path

import streamlit as st

from dashboards import deck, session
from dashboards.address import given, keep
from dashboards.cases import case_table, own_table, queue_table, reviewer_table
from dashboards.cases.queue_table import place_words
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.words import count, span
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.console.why import why
from pipeline.actions.quality.shift import Shift, shift
from pipeline.actions.review import places
from pipeline.actions.review.places import Place
from pipeline.store.accounts.roles import Right, User, allowed, require
from pipeline.store.database import Database

HAND = "hand"
REFRESH_SECONDS = 5
VIEWS = {"work": N_("Work"), "queues": N_("Queues"), "cases": N_("Cases"), "mine": N_("My verdicts")}
LEADS = {"reviewers": N_("Reviewers")}  # views of senior reviewers
_HERE = Path(__file__).parent.parent
_HTML = '<div class="deck"></div><p class="spoken" role="status"></p>'


def page() -> None:
    """Show the deck or the queues; the address keeps which, and the place where the reviewer works."""
    user, _ = session.user(), session.text()
    require(user, Right.REVIEW)
    place = {kind: value for kind, value in st.query_params.items() if kind in places.KINDS}
    views = VIEWS | LEADS if allowed(user, Right.REVIEW_SECOND) and not user.scope else VIEWS
    view = _head(_, user, place, views)
    if view == "queues":
        queue_table.page(_, user, place)
    elif view == "cases":
        case_table.page(_, user, place)
    elif view == "mine":
        own_table.page(_, user)
    elif view == "reviewers":
        reviewer_table.page(_, user)
    else:
        _deck(place)


def leave(db: Database, user: User, now: int) -> None:
    """Give back the cases of this session when its user opens another page."""
    hand = st.session_state.pop(HAND, None)
    if hand is not None:
        deck.leave(db, user, hand, now)


def _head(_: Text, user: User, place: Place, views: dict[str, str]) -> str:
    """The choice of the view, and the place with a way out of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control(
            _("View"),
            list(views),
            default=given("view", list(views), "work"),
            format_func=lambda view: _(views[view]),
            key=queue_table.VIEW,
            required=True,
            label_visibility="collapsed",
        )
        keep("view", None if view == "work" else str(view))
        if place and view not in ("mine", *LEADS):
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
    deck.explain(
        hand, lambda cases: why(services.db, services.lake.cursor(), services.privacy, user, cases, sentences), now
    )
    deck.look_beside(services.db, user, hand, now)
    here = places.here(services.db, user, now, place)
    st.caption(_shift(_, shift(services.db, user, now)))
    away = not hand.cases and now - hand.seen_at >= deck.AWAY_MS
    _component()(
        key=key,
        data={
            "session": st.session_state["hand_id"],
            "user": user.name,
            "acked": hand.acked,
            "failed": deck.failures(_, hand),
            "cases": deck.cards(_, hand),
            "ports": deck.ports(_, hand),
            "conditions": deck.conditions(hand),
            "may_snooze": allowed(user, Right.SNOOZE_RULES),
            "may_search": allowed(user, Right.SEARCH),
            "may_list": allowed(user, Right.EDIT_LISTS),
            "may_add_words": allowed(user, Right.AUTHOR_POLICY),
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
            "refusals": deck.refusals(session.chosen_language()),
        },
        default={"log": []},
        on_log_change=lambda: None,
    )


def _shift(_: Text, now: Shift) -> str:
    """The shift in one line."""
    told = _("Last hour: {mine} verdicts by you, {all} by all, {came} cases came; {waiting} wait").format(
        mine=count(now.mine), all=count(now.all), came=count(now.came), waiting=count(now.waiting)
    )
    if now.waiting and now.done_in is not None:
        told += " · " + _("at this pace done in {time}").format(time=span(_, now.done_in))
    elif now.waiting:
        told += " · " + _("more come than are decided")
    people = session.plain(", ".join(now.on))
    return f"{told} · " + (_("on: {people}").format(people=people) if people else _("nobody gave a verdict in 15 min"))


@st.cache_resource(show_spinner=False)
def _component():  # type: ignore[no-untyped-def]
    read = [(_HERE / name).read_text(encoding="utf-8") for name in ("deck.css", "deck.js")]
    return st.components.v2.component("antispam.deck", html=_HTML, css=read[0], js=read[1])
