"""Ports: state, tier, past actions."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import session
from dashboards.address import chosen_row
from dashboards.guard import now_ms
from dashboards.language import Text
from dashboards.table import table
from dashboards.words import clock, count, word
from pipeline.actions.console.search import Query, search
from pipeline.durations import DAY_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.rules.ports import PortEntry
from pipeline.store.accounts.roles import Right, User, allowed
from pipeline.store.registry import registry
from pipeline.store.registry.port_history import port_history

PAGE = 200
WEEK_MS = 7 * DAY_MS


def page() -> None:
    """Show the page of ports."""
    user, _ = session.user(), session.text()
    db = session.services().db
    st.title(_("Ports"))
    text = st.text_input(
        _("Search"),
        placeholder=_("beginning of a code, or part of a name or enterprise"),
        key="search",
        bind="query-params",
        max_chars=64,
        label_visibility="collapsed",
        icon=":material/search:",
    )
    entries = registry.ports(db, user, text.strip(), PAGE + 1)
    if not entries:
        st.info(_("No port fits.") if text else _("No port is registered."), icon=":material/inbox:")
        return
    frame = table(
        [
            (e.code, e.name, e.enterprise, word(_, e.state), word(_, e.tier), word(_, e.kind), e.channel)
            for e in entries[:PAGE]
        ],
        columns=[_("Code"), _("Name"), _("Enterprise"), _("State"), _("Tier"), _("Kind"), _("Channel")],
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        chosen = chosen_row(
            "port",
            frame,
            [e.code for e in entries[:PAGE]],
            key=f"ports_{text}",
            height="content" if len(entries) < 15 else 560,
        )
        if len(entries) > PAGE:
            st.caption(_("The first {n}; a longer search shows fewer.").format(n=PAGE))
    with right:
        if chosen is None:
            st.caption(_("Choose a port to see it, and to suspend or resume it."))
            return
        with session.told():
            _port(_, user, entries[chosen])


def _port(_: Text, user: User, entry: PortEntry) -> None:
    services = session.services()
    zone, now = services.settings.console_zone, now_ms()
    history = port_history(services.db, user, entry.code, now)
    today = datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).date()
    st.header(f"{entry.code}  {session.plain(entry.name)}")
    columns = st.columns(3)
    columns[0].metric(_("State"), word(_, entry.state), border=True)
    columns[1].metric(_("Complaints, 30 days"), count(history.complaints), border=True)
    columns[2].metric(_("Open cases"), count(history.open_cases), border=True)
    limit = _("of its tier") if entry.volume_5m is None else count(entry.volume_5m)
    st.caption(
        _("Messages in 5 minutes, at most: {limit}; templates: {n}").format(limit=limit, n=count(len(entry.templates)))
    )
    if entry.zone:
        st.caption(_("Time zone") + ": " + entry.zone)
    if entry.probation_until:
        st.caption(_("On probation until") + ": " + entry.probation_until)
    if entry.extensions:
        st.caption(_("Extensions") + ": " + " ".join(f"{entry.code}-{extension}…" for extension in entry.extensions))
    if entry.unsubscribe:
        st.caption(_("Words to unsubscribe") + ": " + session.plain(" ".join(entry.unsubscribe)))
    if entry.signatures:
        st.caption(_("Signatures") + ": " + session.plain(" ".join(f"【{s}】" for s in entry.signatures)))
    if entry.carrier_signs:
        st.caption(_("The first signature is inserted into texts that bear none of them."))
    if entry.filings:
        filings = [
            (f.signature, f.carrier, word(_, f.on(today)), _day(f.applied), _day(f.decided), _day(f.until))
            for f in entry.filings
        ]
        st.caption(_("Filings of its signatures"))
        names = [_("Signature"), _("Carrier"), _("State"), _("Applied on"), _("Decided on"), _("In force until")]
        st.dataframe(table(filings, columns=names), hide_index=True, height="content")
    if allowed(user, Right.SUSPEND_PORTS):
        _change(_, user, entry, now)
    st.header(_("What was done to it"))
    if history.deeds:
        rows = [(clock(zone, d.at), word(_, d.kind), d.actor, d.rule or d.evidence) for d in history.deeds]
        frame = table(rows, columns=[_("Time"), _("Action"), _("By"), _("Why")])
        st.dataframe(frame, hide_index=True, height="content")
    else:
        st.caption(_("Nothing."))
    if allowed(user, Right.SEARCH):
        _recent(_, user, entry, zone, now)


def _day(day: date | None) -> str:
    return day.isoformat() if day else "–"


def _change(_: Text, user: User, entry: PortEntry, now: int) -> None:
    state = entry.state.value
    if state == "terminated":
        st.caption(_("A terminated port stays so."))
        return
    suspends = state == "open"
    label = _("Suspend this port") if suspends else _("Resume this port")
    with st.popover(label, icon=":material/pause_circle:" if suspends else ":material/play_circle:"):
        if suspends:
            st.write(_("Nothing of it is sent from a second after you confirm. This can be taken back by resuming it."))
        else:
            st.write(_("It may send again at once."))
        reason = st.text_input(_("Reason"), key=f"reason_{entry.code}", max_chars=200)
        if st.button(label, type="primary", key="confirm_state", disabled=not reason.strip()):
            with session.told():
                change = registry.suspend_port if suspends else registry.resume_port
                if not change(session.services().db, user, entry.code, reason.strip(), "", now):
                    raise AntispamError(_("Somebody else changed it meanwhile."))
                st.rerun()


def _recent(_: Text, user: User, entry: PortEntry, zone: str, now: int) -> None:
    services = session.services()
    st.header(_("Newest submissions, 7 days"))
    query = Query(since=now - WEEK_MS, until=now + MINUTE_MS, port=entry.code, limit=10)
    rows = search(services.db, services.lake.cursor(), services.privacy, user, query)
    if not rows:
        st.caption(_("None in the lake."))
        return
    frame = table(
        [
            (clock(zone, f.at), word(_, f.verdict or "undecided"), ", ".join(r["rule"] for r in f.reasons), f.content)
            for f in rows
        ],
        columns=[_("Time"), _("Verdict"), _("Rules"), _("Text, masked")],
    )
    st.dataframe(frame, hide_index=True, height="content")
