"""Channels: what runs now and can be steered, what became of the parts of messages, and traces of frames."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.address import chosen_one
from dashboards.channels import live, parts, tracing
from dashboards.language import N_

SECTIONS = {
    "live": (N_("Now"), live.page),
    "parts": (N_("Parts of messages"), parts.page),
    "trace": (N_("Traces"), tracing.page),
}


def page() -> None:
    """Show the page of channels; the address keeps the section."""
    user, _ = session.user(), session.text()
    st.title(_("Channels"))
    titles = {name: _(title) for name, (title, _page) in SECTIONS.items()}
    section = chosen_one("section", _("Section"), titles, "live")
    SECTIONS[section][1](_, user)
