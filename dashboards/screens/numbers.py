"""Numbers: the orders about persons' numbers to BOSS, HLR and other networks; a report, a restoration, a comparison.

Numbers are shown without their middle digits. The address keeps the filters, the page and the chosen order, but no
number.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import session
from dashboards.address import chosen_row, given, keep
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import at_right, table
from dashboards.words import clock, count
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.orders import desk
from pipeline.actions.orders.order import OrderDeed, OrderKind, OrderState
from pipeline.actions.orders.parties import Parties, load_parties
from pipeline.order_exchange import BOSS, HLR
from pipeline.store.accounts.roles import User
from pipeline.text.numbers import masked

SECTIONS = {
    "orders": N_("Orders"),
    "restore": N_("Restore a number"),
    "stop": N_("Report a number"),
    "compared": N_("Reconciliation"),
}
STATES = {
    OrderState.OPEN: N_("to be sent"),
    OrderState.SENT: N_("waits for its answer"),
    OrderState.CONFIRMED: N_("confirmed"),
    OrderState.REFUSED: N_("not confirmed"),
    OrderState.GIVEN_UP: N_("given up"),
    OrderState.CANCELLED: N_("withdrawn"),
}
KINDS = {
    OrderKind.SUSPECT: N_("suspect"),
    OrderKind.CLEAR: N_("may be restored"),
    OrderKind.OFF: N_("stop"),
    OrderKind.ON: N_("restore"),
    OrderKind.ALERT: N_("alert to its network"),
}
PARTIES = {BOSS: N_("BOSS"), HLR: N_("HLR")}
EVERY = ""  # the option of a filter that filters nothing
PAGE = 100


def page() -> None:
    """Show the page of numbers."""
    user, _ = session.user(), session.text()
    st.title(_("Numbers"))
    st.caption(
        _("Persons' numbers that send spam: what BOSS, the HLR and other networks are asked, and their answers.")
    )
    section = st.segmented_control(
        _("Section"),
        list(SECTIONS),
        default=given("section", list(SECTIONS), "orders"),
        format_func=lambda each: _(SECTIONS[each]),
        key="numbers_section",
        required=True,
        label_visibility="collapsed",
    )
    keep("section", None if section == "orders" else section)
    parties = load_parties(session.services().settings)
    if not parties.exchanges:
        told = _("No exchange is set (ANTISPAM_ORDER_EXCHANGES): nobody is asked about a number.")
        st.warning(told, icon=":material/link_off:")
    if section == "orders":
        _orders(_, user, parties)
    elif section == "restore":
        _restore(_, user, parties)
    elif section == "stop":
        _stop(_, user, parties)
    else:
        _compared(_, user)


def _orders(_: Text, user: User, parties: Parties) -> None:
    services = session.services()
    zone = services.settings.console_zone
    wanted = _wanted(_, parties)
    counts = desk.counts(services.db, user, wanted)
    total = sum(n for state, n in counts.items() if not wanted.states or state in wanted.states)
    if counts:
        st.caption(" · ".join(f"{_(STATES[state])}: {count(counts[state])}" for state in STATES if state in counts))
    turned = st.session_state.get("numbers_page", 1)
    if (turned - 1) * PAGE >= max(total, 1):
        turned = 1
    rows = desk.orders(services.db, user, wanted, PAGE, (turned - 1) * PAGE)
    if not rows:
        st.info(_("No order is like that."), icon=":material/inbox:")
        return
    said = Sentences(services.db, session.chosen_language())
    frame = table(
        [
            (
                clock(zone, row.changed_at),
                masked(row.number),
                _(KINDS[OrderKind(row.kind)]),
                _party(_, row.party),
                _(STATES[OrderState(row.state)]),
                row.tries,
                masked(said.of(row.rule, row.values, row.reason)),
                masked(row.answer_reason),
            )
            for row in rows
        ],
        columns=[
            _("Changed"),
            _("Number"),
            _("Kind of order"),
            _("Party"),
            _("State"),
            _("Tries"),
            _("Reason"),
            _("What it answered"),
        ],
    )
    chosen = chosen_row("order", frame, [str(row.id) for row in rows], key=f"orders {rows[0].id} {rows[0].changed_at}")
    if total > PAGE:
        st.pagination(-(-total // PAGE), key="numbers_page")
    if chosen is None:
        st.caption(_("Choose an order to see all about its number. Times in {zone}.").format(zone=zone))
    else:
        _order(_, user, parties, rows[chosen], zone)


def _wanted(_: Text, parties: Parties) -> desk.Wanted:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = _choice(_, "state", _("State"), {state.value: _(told) for state, told in STATES.items()})
        kind = _choice(_, "kind", _("Kind of order"), {kind.value: _(told) for kind, told in KINDS.items()})
        asked = given("party", [st.query_params.get("party", EVERY)], EVERY)
        names = dict.fromkeys((*parties.exchanges, *([asked] if asked else ())))
        party = _choice(_, "party", _("Party"), {name: _party(_, name) for name in names})
        number = st.text_input(_("Number begins with"), max_chars=24, key="numbers_number", width=200).strip()
    return desk.Wanted((state,) if state else (), (kind,) if kind else (), party, number)


def _choice(_: Text, name: str, label: str, words: dict[str, str]) -> str:
    options = [EVERY, *words]
    index = options.index(given(name, options, EVERY))
    value = st.selectbox(
        label,
        options,
        index=index,
        format_func=lambda each: words.get(each, _("all")),
        key=f"numbers_{name}",
        width=200,
    )
    keep(name, value or None)
    return str(value)


def _order(_: Text, user: User, parties: Parties, row: Any, zone: str) -> None:
    services = session.services()
    st.header(_("Order {n}").format(n=row.id))
    due = _("sent again at {time}") if row.state == OrderState.OPEN else _("its answer is due by {time}")
    facts = [
        _("asked by {who} at {time}").format(who=masked(row.asked_by), time=clock(zone, row.asked_at)),
        due.format(time=clock(zone, row.due_at)) if row.due_at else "",
        _("evidence: {evidence}").format(evidence=masked(row.evidence)) if row.evidence else "",
        _("probation of {n} days").format(n=row.watch_days) if row.watch_days else "",
    ]
    st.caption(session.plain(" · ".join(filter(None, facts))))
    history = desk.history(services.db, user, row.number)
    frame = table(
        [
            (
                clock(zone, each.asked_at),
                _(KINDS[OrderKind(each.kind)]),
                _party(_, each.party),
                _(STATES[OrderState(each.state)]),
                clock(zone, each.changed_at),
            )
            for each in history
        ],
        columns=[_("Asked"), _("Kind of order"), _("Party"), _("State"), _("Changed")],
    )
    st.dataframe(frame, hide_index=True, height="content")
    if desk.may(row, OrderDeed.RETRY) and st.button(
        _("Send order {n} again").format(n=row.id), icon=":material/replay:", key="order_retry"
    ):
        with session.told():
            desk.retry(services.db, user, parties, row.id, now_ms())
            st.rerun()
    if desk.may(row, OrderDeed.CANCEL):
        with st.form("order_cancel", border=True):
            reason = st.text_input(_("Reason"), max_chars=200)
            if st.form_submit_button(_("Withdraw order {n}").format(n=row.id)):
                with session.told():
                    desk.cancel(services.db, user, parties, row.id, reason, now_ms())
                    st.rerun()


def _restore(_: Text, user: User, parties: Parties) -> None:
    st.caption(_("After an undertaking of its subscriber. BOSS is asked first, if it stopped the number."))
    with st.form("restore", border=True):
        left, right = st.columns([3, 1])
        number = left.text_input(_("Number"), max_chars=40, key="restore_number")
        days = right.number_input(_("Probation, days"), 1, desk.MAX_WATCH, parties.watch_days)
        undertaking = st.text_input(_("Where the undertaking is"), max_chars=300, key="restore_why")
        if st.form_submit_button(_("Restore and watch"), type="primary"):
            with session.told():
                asked = desk.restore_number(
                    session.services().db, user, parties, number, undertaking, int(days), now_ms()
                )
                if asked is None:
                    st.success(_("Restored; it is on the list of numbers on probation, from which you can take it."))
                else:
                    st.success(_("BOSS is asked to restore it: order {n}.").format(n=asked))


def _stop(_: Text, user: User, parties: Parties) -> None:
    st.caption(_("The number comes on the black list, and its network is asked to stop it. To undo it, restore it."))
    with st.form("stop", border=True):
        number = st.text_input(_("Number"), max_chars=40, key="stop_number")
        reason = st.text_input(_("Reason; its subscriber may read it"), max_chars=300, key="stop_why")
        if st.form_submit_button(_("List and report"), type="primary"):
            with session.told():
                asked = desk.stop_number(session.services().db, user, parties, number, reason, now_ms())
                if asked is None:
                    told = _("Listed. Nobody is asked: no exchange, on the white list, or asked already.")
                    st.warning(told, icon=":material/info:")
                else:
                    st.success(_("Listed and reported: order {n}.").format(n=asked))


def _compared(_: Text, user: User) -> None:
    services = session.services()
    zone = services.settings.console_zone
    rows = desk.reconciliations(services.db, user)
    if not rows:
        st.info(_("No daily list was compared yet."), icon=":material/inbox:")
        return
    frame = table(
        [
            (
                clock(zone, row.at),
                _party(_, row.party),
                count(row.ours),
                count(row.theirs),
                count(row.missing),
                count(row.extra),
            )
            for row in rows
        ],
        columns=[
            _("Compared"),
            _("With"),
            _("Stopped by us"),
            _("In its list"),
            _("Missing there, ordered again"),
            _("Only there"),
        ],
    )
    chosen = chosen_row(
        "list",
        frame,
        [row.digest[:16] for row in rows],
        height="content",
        key="compared",
        column_config=at_right(*frame.columns[2:]),
    )
    if chosen is None:
        st.caption(
            _("Choose a comparison to see the numbers that only the other side has. Times in {zone}.").format(zone=zone)
        )
        return
    extra = rows[chosen].extra_numbers
    if not extra:
        st.info(_("The other side has no number more."), icon=":material/check_circle:")
        return
    st.dataframe(table([(masked(number),) for number in extra], columns=[_("Only there")]), hide_index=True)
    if rows[chosen].extra > len(extra):
        st.caption(_("The first {n} are shown.").format(n=count(len(extra))))


def _party(_: Text, party: str) -> str:
    return _(PARTIES[party]) if party in PARTIES else party
