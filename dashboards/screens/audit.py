"""Audit: who did what to what, when and why."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboards import session
from dashboards.address import chosen_row, keep
from dashboards.guard import now_ms
from dashboards.language import Text
from dashboards.table import table
from dashboards.words import clock, count
from pipeline.actions.console.audit_trail import MOST, AuditRow, Wanted, audit_rows
from pipeline.store.accounts.roles import Right, require

SHOWN = 120  # characters of a change in the table


def page() -> None:
    """Show the page of the audit trail; the address keeps filters, page and chosen row."""
    user, _ = session.user(), session.text()
    require(user, Right.ADMINISTER)
    services = session.services()
    zone = services.settings.console_zone
    st.title(_("Audit"))
    wanted = _form(_, zone)
    rows, more = audit_rows(services.db, user, wanted)
    if not rows:
        st.info(_("No row of the trail is like that."), icon=":material/search_off:")
        keep("below", None)
        return
    head = st.columns([5, 1.2, 1.2, 1.6], vertical_alignment="center")
    told = _("{n} rows, the newest first; times in {zone}; numbers masked")
    head[0].caption(told.format(n=count(len(rows)), zone=zone))
    if wanted.below is not None and head[1].button(_("Newest"), width="stretch", key="audit_newest"):
        keep("below", None)
        st.rerun()
    if more and head[2].button(_("Older"), width="stretch", key="audit_older"):
        keep("below", str(rows[-1].id))
        st.rerun()
    head[3].download_button(
        _("Save as csv"),
        lambda: _frame(zone, audit_rows(services.db, user, wanted, MOST)[0]).to_csv(index=False).encode("utf-8-sig"),
        file_name="audit.csv",
        mime="text/csv",
        on_click="ignore",
        width="stretch",
        icon=":material/download:",
        help=_("The newest {n} at most, as shown: masked.").format(n=count(MOST)),
    )
    chosen = chosen_row(
        "row",
        _frame(zone, rows, SHOWN),
        [str(row.id) for row in rows],
        height="content" if len(rows) < 12 else 480,
        key=f"audit_{rows[0].id}_{len(rows)}",
        column_config={
            "id": st.column_config.NumberColumn(_("No."), format="localized", width=70),
            "at": st.column_config.TextColumn(_("Time"), width=150),
            "actor": st.column_config.TextColumn(_("Who"), width=110),
            "action": st.column_config.TextColumn(_("Did"), width=140),
            "subject": st.column_config.TextColumn(_("To what"), width=230),
            "before": st.column_config.TextColumn(_("Before"), width=180),
            "after": st.column_config.TextColumn(_("After"), width=240),
            "reason": st.column_config.TextColumn(_("Reason"), width=200),
        },
    )
    if chosen is None:
        st.caption(_("Choose a row to see it whole."))
        return
    row = rows[chosen]
    with st.container(border=True):
        st.header(f"{session.plain(row.action)} · {session.plain(row.subject)}")
        st.caption(f"{clock(zone, row.at)} · {session.plain(row.actor)} · {session.plain(row.reason or '–')}")
        for column, label, value in zip(st.columns(2), (_("Before"), _("After")), (row.before, row.after), strict=True):
            column.markdown(f"**{label}**")
            column.code(_json(value, 2) or "–", language="json", wrap_lines=True)


def _form(_: Text, zone: str) -> Wanted:
    now = datetime.fromtimestamp(now_ms() / 1000, ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)
    if "audit_since" not in st.session_state:
        st.session_state["audit_period"] = now - timedelta(days=7), now.replace(hour=23, minute=59)
    first, last = st.session_state["audit_period"]
    with st.form("audit", border=True):
        row = st.columns([2, 2, 1.5, 1.5, 2, 1.2], vertical_alignment="bottom")
        since = row[0].datetime_input(_("From"), first, key="audit_since", bind="query-params")
        until = row[1].datetime_input(_("To"), last, key="audit_until", bind="query-params")
        actor = row[2].text_input(_("Who"), max_chars=64, key="actor", bind="query-params")
        action = row[3].text_input(_("Did, begins with"), max_chars=64, key="action", bind="query-params")
        subject = row[4].text_input(_("To what, begins with"), max_chars=160, key="about", bind="query-params")
        if row[5].form_submit_button(_("Search"), type="primary", width="stretch", icon=":material/search:"):
            keep("below", None)
    below = st.query_params.get("below", "")

    def ms(at: datetime | None) -> int:
        return int((at or now).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)

    return Wanted(
        ms(since),
        ms(until),
        actor.strip(),
        action.strip(),
        subject.strip(),
        int(below) if below.isdecimal() and len(below) < 18 else None,
    )


def _frame(zone: str, rows: list[AuditRow], most: int | None = None) -> pd.DataFrame:
    return table(
        [
            (
                row.id,
                clock(zone, row.at),
                row.actor,
                row.action,
                row.subject,
                _json(row.before)[:most],
                _json(row.after)[:most],
                row.reason,
            )
            for row in rows
        ],
        columns=["id", "at", "actor", "action", "subject", "before", "after", "reason"],
    )


def _json(value: Any, indent: int | None = None) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=indent)
