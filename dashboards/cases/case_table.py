"""The list of cases in Review: filters, sort, and what can be done with the selected ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from dashboards import session
from dashboards.address import given, keep
from dashboards.cases import case_detail, queue_table
from dashboards.cases.queue_table import BY, value_words
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import at_right, table
from dashboards.words import clock, count, fault, word
from pipeline.actions.review import assigning, bulk, places
from pipeline.actions.review.case_list import PAGE, SORTS, STATES, Found, ListedCase, list_cases
from pipeline.actions.review.places import Place
from pipeline.events import Verdict
from pipeline.rules.refusals import SENTENCES, Refusal
from pipeline.store.accounts.roles import User

RUN, LISTED = "bulk_run", "cases_listed"  # keys in the session state
ALL = "*"  # the option of a filter that filters nothing
AT_ONCE = 10  # cases decided between two looks at the cancel button
EVERY = 0.3  # seconds between them
STATE_WORDS = {
    "open": N_("not decided yet"),
    "free": N_("free"),
    "mine": N_("in my hand"),
    "held": N_("with others"),
    "decided": N_("decided"),
}
SORT_WORDS = {
    "urgency": N_("most urgent"),
    "due": N_("next limit"),
    "oldest": N_("oldest"),
    "newest": N_("newest"),
    "messages": N_("most messages"),
    "score": N_("highest score"),
    "port": N_("port"),
}
VERDICTS = {Verdict.RELEASE: N_("Release"), Verdict.REJECT: N_("Reject"), Verdict.BLACKLIST: N_("Blacklist")}


@dataclass(frozen=True)
class Listed:
    """A page of the list as it was read at a time (epoch ms), and what was asked for."""

    asked: tuple[object, ...]
    at: int
    found: Found


@dataclass
class Run:
    """A verdict on a selection: cases still to be decided with their `last_member`, and what became of the others."""

    verdict: Verdict
    note: str
    todo: dict[str, int]
    total: int
    refusal: str = ""
    done: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def page(_: Text, user: User, place: Place) -> None:
    """Show the list; the address keeps filters, order, page and the opened case."""
    st.title(_("Cases"))
    state, sort = _filters(_, user, place)
    number = max(int(st.query_params.get("page", "1")), 1) if st.query_params.get("page", "1").isdecimal() else 1
    listed = _listed(user, place, state, sort, number)
    found = listed.found
    if not found.total:
        st.info(_("No case is like that."), icon=":material/check_circle:")
    chosen = _table(_, found, f"cases {listed.at}") if found.cases else []
    _pages(_, listed, number)
    if st.session_state.get(RUN):
        _told(_, user)
    elif chosen:
        _deeds(_, user, chosen)
    opened = chosen[0].id if len(chosen) == 1 else st.query_params.get("open") if not chosen else None
    keep("open", opened)
    if opened:
        case_detail.show(_, user, opened)
    elif not chosen and found.cases:
        st.caption(_("Choose a case to open it, or several to decide them together."))


def _listed(user: User, place: Place, state: str, sort: str, number: int) -> Listed:
    """The page of the list as it was read; it is read again for another filter, by Refresh, and after a deed.

    A selection is of rows: if these moved under it, a verdict would decide other cases than those that were chosen.
    """
    asked = (user.name, tuple(sorted(place.items())), state, sort, number)
    kept: Listed | None = st.session_state.get(LISTED)
    if kept is None or kept.asked != asked:
        now = now_ms()
        kept = Listed(asked, now, list_cases(session.services().db, user, now, place, state, sort, number - 1))
        st.session_state[LISTED] = kept
    return kept


def _read_again() -> None:
    st.session_state.pop(LISTED, None)


def _filters(_: Text, user: User, place: Place) -> tuple[str, str]:
    """State and order; the other filters are the place."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = _choice("state", _("State"), {name: _(STATE_WORDS[name]) for name in STATES})
        sort = _choice("sort", _("Order"), {name: _(SORT_WORDS[name]) for name in SORTS})
        with st.popover(_("Filter")):
            for kind in BY:
                _filter(_, user, place, kind)
    return state, sort


def _choice(name: str, label: str, words: dict[str, str]) -> str:
    """A choice that the address keeps; the first one is not written there."""
    options = list(words)
    index = options.index(given(name, options, options[0]))
    value = st.selectbox(
        label, options, index=index, format_func=lambda option: words[option], key=f"cases_{name}", width=200
    )
    keep(name, None if value == options[0] else value)
    return str(value)


def _filter(_: Text, user: User, place: Place, kind: str) -> None:
    rows = {row.value: row for row in places.waiting(session.services().db, user, now_ms(), kind, place)}
    key, language = f"cases_of_{kind}", session.chosen_language()
    options = [ALL, *rows, *({place[kind]} - rows.keys() if kind in place else ())]
    st.session_state[key] = place.get(kind, ALL)  # the address is right, also after a click on Everywhere

    def told(value: str) -> str:
        if value == ALL:
            return word(_, "all")
        row = rows.get(value)
        titles, cases = (row.titles, row.cases) if row else (None, 0)
        return f"{value_words(_, kind, value, titles, language)} · {count(cases)}"

    def filtered() -> None:
        value = st.session_state[key]
        keep(kind, None if value == ALL else value)

    st.selectbox(_(BY[kind]), options, format_func=told, key=key, on_change=filtered)


def _table(_: Text, found: Found, key: str) -> list[ListedCase]:
    """The table; returns the selected cases."""
    zone, language = session.services().settings.console_zone, session.chosen_language()
    names = queue_table.titles(session.services().db, session.user(active=False))
    frame = table(
        [
            (
                case.content,
                count(case.messages),
                case.port,
                _risk(case),
                value_words(_, "category", case.category or "", None, language),
                value_words(_, "queue", case.queue, names.get(case.queue), language),
                clock(zone, case.due_at),
                case.claimed_by or "–",
                case.assigned_to or "–",
                word(_, case.verdict),
            )
            for case in found.cases
        ],
        columns=[
            _("Text, masked"),
            _("Messages"),
            _("Port"),
            _("Score"),
            _("Category"),
            _("Queue"),
            _("Limit ({zone})").format(zone=zone),
            _("In hand of"),
            _("Assigned to"),
            _("Verdict"),
        ],
    )
    shown = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=key,
        height=min(36 * (len(found.cases) + 1) + 2, 420),
        column_config={
            _("Text, masked"): st.column_config.TextColumn(width="large"),
            **at_right(_("Messages"), _("Score")),
        },
    )
    return [found.cases[row] for row in shown["selection"]["rows"] if row < len(found.cases)]


def _risk(case: ListedCase) -> str:
    return "–" if case.score is None else f"{case.score:.2f}"


def _pages(_: Text, listed: Listed, number: int) -> None:
    found, zone = listed.found, session.services().settings.console_zone
    last = max((found.total + PAGE - 1) // PAGE, 1)
    with st.container(horizontal=True, vertical_alignment="center"):
        told = _("{cases} cases, {messages} messages at {time}")
        at = clock(zone, listed.at, date=False)
        st.caption(told.format(cases=count(found.total), messages=count(found.messages), time=at))
        st.button(_("Refresh"), icon=":material/refresh:", key="cases_refresh", on_click=_read_again)
        if last > 1:
            page_words = _("Page {number} of {last}")
            st.caption(page_words.format(number=count(number), last=count(last)))
            for label, to in ((_("Back"), number - 1), (_("Next"), number + 1)):
                if st.button(label, disabled=not 1 <= to <= last, key=f"cases_page_{to > number}"):
                    keep("page", str(to))
                    st.rerun()


def _deeds(_: Text, user: User, chosen: Sequence[ListedCase]) -> None:
    """What can be done with the selected cases, after their messages were counted."""
    db = session.services().db
    with session.told(), st.container(border=True):
        weighed = bulk.weigh(db, user, [case.id for case in chosen], now_ms())
        told = _("A verdict decides: cases {cases}, messages {messages}, ports {ports}.")
        numbers = {"cases": count(weighed.cases), "messages": count(weighed.messages), "ports": count(weighed.ports)}
        st.markdown(f"**{told.format(**numbers)}**")
        if weighed.left:
            with_others = _("It leaves {left} of the selected: with others, decided, or for a senior reviewer.")
            st.caption(with_others.format(left=count(weighed.left)))
        row = st.columns(2)
        note = row[0].text_input(_("Note"), max_chars=1000, key="bulk_note")
        language = session.chosen_language()
        refusal = row[1].selectbox(
            _("Reason for the sender"),
            ["", *Refusal],
            format_func=lambda each: SENTENCES[Refusal(each)][language] if each else "–",
            key="bulk_refusal",
        )
        with st.container(horizontal=True):
            for verdict, label in VERDICTS.items():
                with st.popover(_(label), disabled=not weighed.cases):
                    confirm = _("{verdict}: cases {cases}, messages {messages}")
                    st.write(_("Each case gets this verdict. It can be taken back for ten seconds."))
                    if st.button(confirm.format(verdict=_(label), **numbers), key=f"bulk_{verdict}", type="primary"):
                        todo = {case.id: case.last_member for case in chosen}
                        st.session_state[RUN] = Run(verdict, note, todo, len(todo), refusal)
                        st.rerun()
            _assign(_, user, chosen)


def _assign(_: Text, user: User, chosen: Sequence[ListedCase]) -> None:
    db = session.services().db
    with st.popover(_("Hand over")):
        to = st.selectbox(
            _("To"),
            ["", *assigning.reviewers(db, user)],
            format_func=lambda name: name or _("whoever is free"),
            key="assign_to",
        )
        if st.button(_("Hand over"), key="assign", type="primary"):
            with session.told():
                assigning.assign(db, user, [case.id for case in chosen], to or None, now_ms())
                _read_again()
                st.rerun()


def _told(_: Text, user: User) -> None:
    """The verdict on a selection: its progress, then what became of it."""
    run: Run = st.session_state[RUN]
    if run.todo:
        _progress(user)
        return
    with st.container(border=True):
        told = _("{done} of {total} cases decided: {verdict}.")
        st.markdown(told.format(done=count(len(run.done)), total=count(run.total), verdict=word(_, run.verdict)))
        if run.left:
            with st.expander(_("{left} left open").format(left=count(len(run.left)))):
                st.code("\n".join(run.left.values()), language=None, wrap_lines=True)
        with st.container(horizontal=True):
            if run.done and st.button(_("Take back"), key="bulk_undo"):
                kept = bulk.undo_some(session.services().db, user, run.done, now_ms())
                run.left = {case: fault(_, error) for case, error in kept.items()}
                run.done = [case for case in run.done if case in run.left]
                st.rerun()
            if st.button(_("Close"), key="bulk_close", type="primary"):
                del st.session_state[RUN]
                _read_again()
                st.rerun()


@st.fragment(run_every=EVERY)
def _progress(user: User) -> None:
    _, run = session.text(), st.session_state.get(RUN)
    if run is None or not run.todo:
        st.rerun()
    done = run.total - len(run.todo)
    st.progress(done / run.total, _("{done} of {total} cases").format(done=count(done), total=count(run.total)))
    if st.button(_("Cancel the rest"), key="bulk_cancel"):
        run.left |= dict.fromkeys(run.todo, _("cancelled"))
        run.todo.clear()
    some = dict(list(run.todo.items())[:AT_ONCE])
    left = bulk.decide_some(session.services().db, user, some, run.verdict, run.note, now_ms(), run.refusal)
    for case in some:
        del run.todo[case]
    run.left |= {case: fault(_, error) for case, error in left.items()}
    run.done += [case for case in some if case not in left]
    if not run.todo:
        st.rerun()
