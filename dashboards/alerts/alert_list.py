"""The inbox of alerts: filters, the list, what can be done with the chosen ones, and one alert with its history."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import session
from dashboards.address import given, keep
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, span, word
from pipeline.actions.alerts import inbox
from pipeline.actions.alerts.evidence import evidence
from pipeline.actions.alerts.inbox import AlertRow, Wanted
from pipeline.actions.console.sentences import Sentences
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import AlertAbout, AlertLevel
from pipeline.store.accounts.roles import Right, User, allowed

PAGE = 200  # alerts on a page
SHOW = {
    "waiting": N_("nobody has taken"),
    "mine": N_("taken by me"),
    "taken": N_("taken"),
    "snoozed": N_("snoozed"),
    "closed": N_("closed"),
    "all": N_("all"),
}
LENGTHS = {HOUR_MS: N_("1 hour"), 4 * HOUR_MS: N_("4 hours"), DAY_MS: N_("1 day"), 7 * DAY_MS: N_("7 days")}
ABOUT = {
    AlertAbout.SENDER: N_("a sender of records"),
    AlertAbout.TRAFFIC: N_("all traffic"),
    AlertAbout.REVIEW: N_("review"),
}
PAGES = {
    "ports": N_("Open the port"),
    "review": N_("Open the cases"),
    "rules": N_("Open the rules"),
    "search": N_("Open the records"),
    "numbers": N_("Open the orders"),
    "complaints": N_("Open the complaints"),
    "overview": N_("Open the overview"),
}
CHANGES = {
    "raised": N_("raised"),
    "worse": N_("became worse"),
    "taken": N_("taken"),
    "given_back": N_("given back"),
    "noted": N_("note"),
    "snoozed": N_("snoozed"),
    "woken": N_("snooze ended"),
    "escalated": N_("escalated: nobody took it in time"),
    "over": N_("over"),
    "closed": N_("closed"),
    "reopened": N_("opened again"),
}


def page(_: Text, user: User) -> None:
    """Show the inbox; the address keeps filters, page and the opened alert."""
    services = session.services()
    zone, now = services.settings.console_zone, now_ms()
    wanted = _filters(_)
    asked = st.query_params.get("page", "1")
    number = max(int(asked), 1) if asked.isdecimal() and len(asked) < 6 else 1
    rows, total = inbox.list_alerts(services.db, user, now, wanted, PAGE, (number - 1) * PAGE)
    if not total:
        told = _("No alert waits.") if wanted == Wanted() else _("No alert is like that.")
        st.info(told, icon=":material/notifications_off:")
        keep("open", None)
        return
    st.caption(
        _("{n} alerts at {time}, {zone}; the escalated and the worst first").format(
            n=count(total), time=clock(zone, now, date=False), zone=zone
        )
    )
    said = Sentences(services.db, session.chosen_language())
    chosen = _table(_, rows, said, zone)
    if total > PAGE:
        turned = st.pagination(-(-total // PAGE), key="alerts_page", default=number)
        if turned != number:
            keep("page", str(turned))
            st.rerun()
    if chosen and allowed(user, Right.ACKNOWLEDGE_ALERTS):
        _actions(_, user, chosen)
    elif allowed(user, Right.ACKNOWLEDGE_ALERTS):
        st.caption(_("Choose alerts to take them on, to snooze or to close them."))
    opened = chosen[0].id if len(chosen) == 1 else None if chosen else st.query_params.get("open")
    keep("open", opened)
    if opened is not None:
        _one(_, user, opened, said, zone)


def subject_words(_: Text, about: str, subject: str) -> str:
    """The subject for a reader; the hash of a number is no name."""
    if about in ABOUT:
        return _(ABOUT[AlertAbout(about)])
    if about == AlertAbout.COMPLAINTS:
        return _("complaints of {channel}").format(channel=word(_, subject))
    return subject


def _filters(_: Text) -> Wanted:
    shows, levels = list(inbox.SHOWN), ["", *(level.value for level in AlertLevel)]
    row = st.columns([3, 1.2, 1.5, 1.5], vertical_alignment="bottom")
    show = row[0].segmented_control(
        _("Show"),
        shows,
        default=given("show", shows, "waiting"),
        format_func=lambda each: _(SHOW[each]),
        key="alerts_show",
        required=True,
    )
    level = row[1].selectbox(
        _("Level"),
        levels,
        index=levels.index(given("level", levels, "")),
        format_func=lambda each: word(_, each or "all"),
        key="alerts_level",
    )
    rule = row[2].text_input(_("Rule"), max_chars=128, key="rule", bind="query-params")
    subject = row[3].text_input(_("Subject"), max_chars=64, key="subject", bind="query-params")
    keep("show", None if show == "waiting" else str(show))
    keep("level", level or None)
    return Wanted(str(show), level, rule.strip(), subject.strip())


def _table(_: Text, rows: Sequence[AlertRow], said: Sentences, zone: str) -> list[AlertRow]:
    frame = table(
        [
            (
                word(_, a.level),
                subject_words(_, a.about, a.subject),
                said.of(a.rule, a.values, a.message),
                clock(zone, a.at),
                clock(zone, a.last_at),
                a.times,
                _standing(_, a, zone),
            )
            for a in rows
        ],
        columns=["level", "subject", "message", "since", "last", "times", "standing"],
    )
    asked = st.query_params.get("open")
    idents = [a.id for a in rows]
    first = [idents.index(asked)] if asked in idents else []
    shown = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": first, "columns": [], "cells": []}},
        height="content" if len(rows) < 12 else 440,
        key=f"alerts-{len(rows)}-{rows[0].id if rows else ''}-{rows[0].state if rows else ''}",
        column_config={
            "level": st.column_config.TextColumn(_("Level"), width=70),
            "subject": st.column_config.TextColumn(_("Subject"), width=140),
            "message": st.column_config.TextColumn(_("What is wrong"), width=430),
            "since": st.column_config.TextColumn(_("Since"), width=150),
            "last": st.column_config.TextColumn(_("Last heard"), width=150),
            "times": st.column_config.NumberColumn(_("Heard, times"), format="localized", width=80),
            "standing": st.column_config.TextColumn(_("Stands"), width=220),
        },
    )
    return [rows[n] for n in shown["selection"]["rows"] if n < len(rows)]


def _standing(_: Text, a: AlertRow, zone: str) -> str:
    if a.state == "closed":
        return _("closed {time}").format(time=clock(zone, a.closed_at))
    if a.snoozed_until is not None:
        return _("snoozed until {time}").format(time=clock(zone, a.snoozed_until))
    if a.assigned_to:
        return _("taken by {name}").format(name=a.assigned_to)
    return _("escalated") if a.escalated_at is not None else _("waits")


def _actions(_: Text, user: User, chosen: Sequence[AlertRow]) -> None:
    db, now = session.services().db, now_ms()
    ids = [a.id for a in chosen]
    closed = [a.id for a in chosen if a.state == "closed"]
    taken = all(a.state == "taken" for a in chosen)
    n = count(len(ids))
    with st.container(horizontal=True, vertical_alignment="center"), session.told():
        if closed:
            if st.button(_("Open {n} again").format(n=count(len(closed))), key="alerts_reopen"):
                inbox.reopen(db, user, closed, now)
                st.rerun()
            return
        if st.button(_("Take {n}").format(n=n), type="primary", key="alerts_take"):
            inbox.take(db, user, ids, now)
            st.rerun()
        if taken and st.button(_("Give back"), key="alerts_give_back"):
            inbox.give_back(db, user, ids, now)
            st.rerun()
        with st.popover(_("Give to…")):
            people = inbox.operators(db, user)
            person = st.selectbox(_("Person"), people, index=None, key="alerts_person")
            if st.button(_("Give"), type="primary", key="alerts_give", disabled=person is None):
                inbox.take(db, user, ids, now, person)
                st.rerun()
        with st.popover(_("Snooze until…")):
            lengths = list(LENGTHS)
            length = st.selectbox(_("Length"), lengths, format_func=lambda ms: _(LENGTHS[ms]), key="alerts_length")
            st.caption(_("It is back at that time, or earlier if it becomes worse. Taking it ends the snooze."))
            if st.button(_("Snooze {n}").format(n=n), type="primary", key="alerts_snooze"):
                inbox.snooze(db, user, ids, now + length, now)
                st.rerun()
        with st.popover(_("Close")):
            note = st.text_input(_("Note"), max_chars=inbox.MAX_NOTE, key="alerts_close_note")
            st.caption(_("If it is heard again, a new alert is raised. A closed alert can be opened again."))
            if st.button(_("Close {n}").format(n=n), type="primary", key="alerts_close"):
                inbox.close(db, user, ids, note, now)
                st.rerun()


def _one(_: Text, user: User, ident: str, said: Sentences, zone: str) -> None:
    services = session.services()
    with session.told():
        a, history = inbox.find_alert(services.db, user, ident)
        with st.container(border=True):
            st.header(f"{word(_, a.level)} · {session.plain(subject_words(_, a.about, a.subject))}")
            st.write(session.plain(said.of(a.rule, a.values, a.message)))
            st.caption(
                _("Since {since}, last heard {last} ({length}), {times} times; rule {rule}; times in {zone}").format(
                    since=clock(zone, a.at),
                    last=clock(zone, a.last_at),
                    length=span(_, a.last_at - a.at),
                    times=count(a.times),
                    rule=session.plain(a.rule),
                    zone=zone,
                )
            )
            path = evidence(a.rule, a.about, a.subject, a.at, a.last_at, zone)
            label = _(PAGES[path[1:].partition("?")[0]])
            st.markdown(f"[{label} :material/open_in_new:]({path})")
            for deed in history:
                said_so = f" — {session.plain(deed.note)}" if deed.note else ""
                what = _(CHANGES.get(deed.change, deed.change))
                st.markdown(f"- {clock(zone, deed.at)} · {what} · {session.plain(deed.actor)}{said_so}")
            if allowed(user, Right.ACKNOWLEDGE_ALERTS):
                with st.form("alert_note", clear_on_submit=True, border=False):
                    row = st.columns([5, 1], vertical_alignment="bottom")
                    note = row[0].text_input(_("Note"), max_chars=inbox.MAX_NOTE)
                    if row[1].form_submit_button(_("Add"), width="stretch") and note.strip():
                        inbox.note(services.db, user, ident, note, now_ms())
                        st.rerun()
