"""Reviewers, for leads: verdicts, time on screen, agreement; and the golden cases they are checked with."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.address import chosen_one, chosen_row
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, word
from pipeline.actions.quality import checks
from pipeline.actions.quality.figures import reviewers
from pipeline.durations import DAY_MS
from pipeline.shares import Share
from pipeline.store.accounts.roles import User

PERIODS = {"day": (1, N_("1 day")), "week": (7, N_("7 days")), "month": (30, N_("30 days"))}


def page(_: Text, user: User) -> None:
    """Show the figures of a period, and the golden cases; the address keeps the period."""
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    st.title(_("Reviewers"))
    period = chosen_one("period", _("Period"), {each: _(text) for each, (_length, text) in PERIODS.items()}, "week")
    rows = reviewers(services.db, user, now - PERIODS[period][0] * DAY_MS, now + 1)
    if rows:
        st.caption(
            _("Until {time}, {zone}. Times on screen in seconds; agreement in % with its 95 % interval.").format(
                time=clock(zone, now), zone=zone
            )
        )
        frame = table(
            [
                (
                    row.name,
                    row.verdicts,
                    f"{100 * row.refused / row.verdicts:.0f}",
                    _seconds(row.median_ms),
                    _seconds(row.slow_ms),
                    _share(row.agreed["second"]),
                    _share(row.agreed["sample"]),
                    _share(row.agreed["golden"]),
                    _share(row.confirmed),
                )
                for row in rows
            ],
            columns=[
                _("Reviewer"),
                _("Verdicts"),
                _("Refused, %"),
                _("Time, median"),
                _("Time, 9 of 10"),
                _("Agrees as second"),
                _("Agrees in samples"),
                _("Agrees with golden"),
                _("Others agree"),
            ],
        )
        st.dataframe(frame, hide_index=True, height="content")
    else:
        st.info(_("Nobody gave a verdict in this time."), icon=":material/inbox:")
    st.header(_("Golden cases"))
    with session.told():
        _golden(_, user, zone)


def _golden(_: Text, user: User, zone: str) -> None:
    db = session.services().db
    rows = checks.golden_cases(db, user)
    if not rows:
        st.info(
            _("There are none. Open a decided case in the list of cases to make it one."), icon=":material/verified:"
        )
        return
    frame = table(
        [(g.case, g.port, word(_, g.verdict), g.answers, g.agreed, g.made_by, clock(zone, g.made_at)) for g in rows],
        columns=[_("Case"), _("Port"), _("Verdict"), _("Answered checks"), _("Agree"), _("By"), _("Since")],
    )
    chosen = chosen_row("golden", frame, [g.case for g in rows], height="content", key=f"golden_{len(rows)}")
    if chosen is not None and st.button(_("Use it no more"), type="primary", key="golden_drop"):
        checks.drop_golden(db, user, rows[chosen].case, now_ms())
        st.rerun()


def _seconds(ms: int | None) -> str:
    return "–" if ms is None else f"{ms / 1000:.1f}"


def _share(share: Share) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "–"
    return f"{100 * share.value:.0f} ({100 * share.low:.0f}–{100 * share.high:.0f}), n = {count(share.of)}"
