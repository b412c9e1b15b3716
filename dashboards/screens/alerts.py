"""Alerts: the operators' inbox, the rules of alerts, and the silences of their feeds."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.address import given, keep
from dashboards.alerts import alert_list, alert_rules, alert_silences
from dashboards.language import N_

SECTIONS = {"inbox": N_("Inbox"), "rules": N_("Rules of alerts"), "silences": N_("Silences")}


def page() -> None:
    """Show the page of alerts; the address keeps the section."""
    user, _ = session.user(), session.text()
    st.title(_("Alerts"))
    section = st.segmented_control(
        _("Section"),
        list(SECTIONS),
        default=given("section", list(SECTIONS), "inbox"),
        format_func=lambda each: _(SECTIONS[each]),
        key="alerts_section",
        required=True,
        label_visibility="collapsed",
    )
    keep("section", None if section == "inbox" else str(section))
    {"inbox": alert_list.page, "rules": alert_rules.page, "silences": alert_silences.page}[str(section)](_, user)
