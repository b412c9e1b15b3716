"""Alerts: the list for operators, and acknowledgement."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.guard import now_ms
from dashboards.table import table
from dashboards.words import clock, count, word
from pipeline.actions.alerts.inbox import acknowledge, list_alerts
from pipeline.actions.console.sentences import Sentences
from pipeline.store.accounts.roles import Right, allowed


def page() -> None:
    """Show the page of alerts."""
    user, _ = session.user(), session.text()
    services = session.services()
    zone = services.settings.console_zone
    st.title(_("Alerts"))
    done = st.toggle(_("Show acknowledged ones too"), key="acknowledged", bind="query-params")
    rows = list_alerts(services.db, user, waiting=not done)
    if not rows:
        st.info(_("No alert waits."), icon=":material/notifications_off:")
        return
    st.caption(_("{n} alerts, newest first; times in {zone}").format(n=count(len(rows)), zone=zone))
    said = Sentences(services.db, session.chosen_language())
    frame = table(
        [
            (
                clock(zone, a.at),
                word(_, a.level),
                a.rule,
                a.subject,
                said.of(a.rule, a.values, a.message),
                a.acknowledged_by or "",
            )
            for a in rows
        ],
        columns=["at", "level", "rule", "subject", "message", "by"],
    )
    may = allowed(user, Right.ACKNOWLEDGE_ALERTS)
    config = {
        "at": st.column_config.TextColumn(_("Time"), width="small"),
        "level": st.column_config.TextColumn(_("Level"), width="small"),
        "rule": st.column_config.TextColumn(_("Rule"), width="small"),
        "subject": st.column_config.TextColumn(_("Subject"), width="small"),
        "message": st.column_config.TextColumn(_("Message"), width="large"),
        "by": st.column_config.TextColumn(_("Acknowledged by"), width="small"),
    }
    if not may:
        st.dataframe(frame, hide_index=True, column_config=config)
        return
    chosen = st.dataframe(
        frame,
        hide_index=True,
        column_config=config,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"alerts-{len(rows)}-{rows[0].id}",
    )
    picked = [rows[i].id for i in chosen["selection"]["rows"] if rows[i].acknowledged_by is None]
    st.caption(_("Choose rows, then acknowledge: others see that you have taken them on."))
    if st.button(
        _("Acknowledge {n}").format(n=count(len(picked))), type="primary", disabled=not picked, key="acknowledge"
    ):
        with session.told():
            acknowledge(services.db, user, picked, now_ms())
            st.rerun()
