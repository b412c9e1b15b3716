"""A reviewer's own verdicts: what became of them, and taking back what still can be."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.address import chosen_one, chosen_row
from dashboards.cases import reopen_form
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, word
from pipeline.actions.quality.own import MOST, OwnVerdict, own_verdicts
from pipeline.actions.review import claims
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.store.accounts.roles import User

PERIODS = {"hour": (HOUR_MS, N_("1 hour")), "day": (DAY_MS, N_("1 day")), "week": (7 * DAY_MS, N_("7 days"))}


def page(_: Text, user: User) -> None:
    """Show the verdicts of a period; the address keeps the period and the chosen one."""
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    st.title(_("My verdicts"))
    period = chosen_one("period", _("Period"), {each: _(text) for each, (_length, text) in PERIODS.items()}, "day")
    rows = own_verdicts(services.db, user, now, now - PERIODS[period][0])
    if not rows:
        st.info(_("You gave no verdict in this time."), icon=":material/inbox:")
        return
    told = _("{n} verdicts, the newest first; times in {zone}; text masked")
    most = _("the newest {n}").format(n=MOST) if len(rows) == MOST else ""
    st.caption(" · ".join(filter(None, (told.format(n=count(len(rows)), zone=zone), most))))
    frame = table(
        [
            (clock(zone, row.at), word(_, row.verdict), _outcome(_, row), row.port, row.messages, row.content)
            for row in rows
        ],
        columns=["at", "verdict", "outcome", "port", "messages", "text"],
    )
    chosen = chosen_row(
        "own",
        frame,
        [f"{row.case}-{row.at}" for row in rows],
        height="content" if len(rows) < 12 else 440,
        key=f"own_{len(rows)}_{rows[0].case}_{rows[0].at}",
        column_config={
            "at": st.column_config.TextColumn(_("Time"), width=150),
            "verdict": st.column_config.TextColumn(_("Your verdict"), width=90),
            "outcome": st.column_config.TextColumn(_("Became"), width=210),
            "port": st.column_config.TextColumn(_("Port"), width=100),
            "messages": st.column_config.NumberColumn(_("Messages"), format="localized", width=80),
            "text": st.column_config.TextColumn(_("Text, masked"), width=560),
        },
    )
    if chosen is None:
        st.caption(_("Choose one to open its case, to take it back within ten seconds, or to reopen it later."))
        return
    row = rows[chosen]
    with st.container(horizontal=True, vertical_alignment="center"), session.told():
        if row.undo and st.button(_("Take back"), type="primary", key="own_undo"):
            claims.undo(services.db, user, row.case, now)
            st.rerun()
        st.link_button(_("Open the case"), f"/review?view=cases&open={row.case}")
        if row.reopen:
            reopen_form.show(_, user, row.case)


def _outcome(_: Text, row: OwnVerdict) -> str:
    if row.kind == "first" and row.outcome is None:
        return _("waits for a second opinion")
    if row.outcome is None:
        return _("open again")
    if row.overturned:
        return _("overturned")
    if row.outcome != row.verdict:
        return _("another: {verdict}").format(verdict=word(_, row.outcome))
    return _("can be taken back") if row.undo else _("in effect")
