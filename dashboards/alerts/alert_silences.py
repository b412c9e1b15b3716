"""The silences of the feeds: those that are on or will be, and the form of a new one."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import session
from dashboards.guard import now_ms
from dashboards.language import Text
from dashboards.table import table
from dashboards.words import clock
from pipeline.actions.alerts.silences import MAX_REASON, Silence, add_silence, list_silences, remove_silence
from pipeline.store.accounts.roles import Right, User, allowed


def page(_: Text, user: User) -> None:
    """Show the silences, and the form to those who may."""
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    rows = list_silences(services.db, user, now)
    st.caption(_("In a silence, file and webhook are told nothing; this page shows all. What lasts is told after it."))
    may = allowed(user, Right.ACKNOWLEDGE_ALERTS) and not user.scope
    left, right = st.columns([5, 3], gap="medium") if may else (st.container(), None)
    with left:
        _list(_, user, rows, zone, now, may=may)
    if right is not None:
        with right, session.told():
            _form(_, user, zone, now)


def _list(_: Text, user: User, rows: list[Silence], zone: str, now: int, *, may: bool) -> None:
    if not rows:
        st.info(_("No silence is planned."), icon=":material/notifications_active:")
        return
    frame = table(
        [
            (
                each.rule or _("all"),
                each.subject or _("all"),
                clock(zone, each.begins_at),
                clock(zone, each.ends_at),
                _("each day") if each.daily else _("once"),
                each.reason,
                each.made_by,
            )
            for each in rows
        ],
        columns=[_("Rule"), _("Subject"), _("From"), _("To"), _("Repeats"), _("Reason"), _("By")],
    )
    if not may:
        st.dataframe(frame, hide_index=True, height="content")
        return
    shown = st.dataframe(
        frame,
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        key=f"silences_{[each.id for each in rows]}",
    )
    chosen = [rows[n] for n in shown["selection"]["rows"]]
    if not chosen:
        st.caption(_("Choose a silence to end it. Times in {zone}.").format(zone=zone))
    elif st.button(_("End this silence"), type="primary", key="silence_end"):
        with session.told():
            remove_silence(session.services().db, user, chosen[0].id, now)
            st.rerun()


def _form(_: Text, user: User, zone: str, now: int) -> None:
    if "silence_from" not in st.session_state:
        at = datetime.fromtimestamp(now / 1000, ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)
        st.session_state["silence_default"] = at, at + timedelta(hours=2)
    first, last = st.session_state["silence_default"]
    with st.form("silence", border=True):
        st.header(_("A new silence"))
        begins = st.datetime_input(_("From"), first, key="silence_from")
        ends = st.datetime_input(_("To"), last, key="silence_to")
        daily = st.toggle(_("each day"), value=False, help=_("At the same hours, until somebody ends it."))
        rule = st.text_input(_("Rule"), max_chars=128, placeholder=_("all"))
        subject = st.text_input(_("Subject"), max_chars=64, placeholder=_("all"))
        reason = st.text_input(_("Reason"), max_chars=MAX_REASON)
        if st.form_submit_button(_("Silence the feeds"), type="primary", width="stretch"):
            times = [int(at.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000) for at in (begins, ends)]
            add_silence(
                session.services().db,
                user,
                Silence(rule.strip(), subject.strip(), times[0], times[1], daily, reason),
                now,
            )
            st.rerun()
