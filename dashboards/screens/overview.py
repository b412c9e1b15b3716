"""Overview: traffic by verdict, waiting work, channels, alerts. The page refreshes itself."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import session
from dashboards.address import given, keep
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import LEVEL_COLOURS, VERDICT_COLOURS, clock, count, span, word
from pipeline.actions.console.overview import Standing, Traffic, standing, traffic
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.events import AlertLevel, Verdict
from pipeline.store.accounts.roles import User

RANGES = {  # label -> (length, interval), ms
    N_("15 minutes"): (15 * MINUTE_MS, 15_000),
    N_("1 hour"): (HOUR_MS, MINUTE_MS),
    N_("24 hours"): (DAY_MS, 30 * MINUTE_MS),
}


def page() -> None:
    """Show the overview."""
    _live()


@st.fragment(run_every=5)
def _live() -> None:
    user = session.user(active=False)
    _ = session.text()
    zone = session.services().settings.console_zone
    title, chooser = st.columns([3, 2], vertical_alignment="bottom")
    title.title(_("Overview"))
    with chooser:
        chosen = st.segmented_control(
            _("Period"),
            list(RANGES),
            default=given("period", list(RANGES), "1 hour"),
            format_func=_,
            key="period",
            required=True,
            label_visibility="collapsed",
            width="stretch",
        )
    keep("period", None if chosen == "1 hour" else chosen)
    now = now_ms()
    with session.told():
        now_waits = standing(session.services().db, user, now)
        seen = _traffic(user, chosen, now // 5000 * 5000)
        st.caption(
            _("As of {time} ({zone}); the lake's newest decision: {newest}").format(
                time=clock(zone, now), zone=zone, newest=clock(zone, seen.newest)
            )
        )
        _waiting(_, now_waits, seen)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _chart(_, seen, zone, chosen)
        with right:
            _totals(_, seen, chosen)
            _channels(_, now_waits)
            _alerts(_, now_waits)


def _traffic(user: User, chosen: str, until: int) -> Traffic:
    length, step = RANGES[chosen]
    services = session.services()
    return traffic(services.db, services.lake.cursor(), user, until - length, until, step)


def _waiting(_: Text, now: Standing, seen: Traffic) -> None:
    def oldest(since: int | None) -> str:
        return _("nothing waits") if since is None else _("oldest {age}").format(age=span(_, now.at - since))

    limit = span(_, now.next_due - now.at) if now.next_due and now.next_due > now.at else ""
    places = iter(st.columns(5))

    def show(label: str, value: str, below: str | None = None, *, late: int = 0, told: str | None = None) -> None:
        next(places).metric(
            label,
            value,
            below,
            delta_color="inverse" if late else "off",
            delta_arrow="off",
            border=True,
            height="stretch",
            help=told,
        )

    show(
        _("Latency p50 / p99"),
        f"{span(_, seen.p50_ms)} / {span(_, seen.p99_ms)}",
        told=_("From acceptance of a submission to its decision, over the period."),
    )
    show(
        _("Waiting for a decision, submissions"),
        count(now.undecided),
        oldest(now.oldest_undecided),
        told=_("Submissions of the last hour without a verdict; the age of the oldest is the lag."),
    )
    show(
        _("Holds, submissions"),
        count(now.holds),
        _("{n} overdue").format(n=count(now.overdue_holds)) if now.overdue_holds else oldest(now.oldest_hold),
        late=now.overdue_holds,
    )
    show(
        _("Open cases"),
        count(now.cases),
        _("{n} past the limit").format(n=count(now.overdue_cases))
        if now.overdue_cases
        else oldest(now.oldest_case) + (_(", limit in {limit}").format(limit=limit) if limit else ""),
        late=now.overdue_cases,
    )
    show(
        _("To be published, changes"),
        count(now.outbox),
        oldest(now.oldest_outbox),
        told=_("Changes in the outbox that the relay has not sent to the broker yet."),
    )


def _chart(_: Text, seen: Traffic, zone: str, chosen: str) -> None:
    per = {
        15_000: _("messages per 15 s"),
        MINUTE_MS: _("messages per minute"),
        30 * MINUTE_MS: _("messages per 30 min"),
    }
    st.header(_("Messages by verdict"))
    if not seen.series:
        st.info(_("No decision in the last {period}.").format(period=_(chosen)), icon=":material/hourglass_empty:")
        return
    names = {verdict: word(_, verdict) for verdict in Verdict}
    starts = range(seen.since // seen.step * seen.step, seen.until, seen.step)
    rows = {(start, verdict): 0 for start in starts for verdict in Verdict}
    rows |= {(start, verdict): messages for start, verdict, messages in seen.series}
    frame = table(
        [
            (
                pd.Timestamp(start, unit="ms", tz="UTC").tz_convert(zone).tz_localize(None),
                names[verdict],
                verdict.severity,
                messages,
            )
            for (start, verdict), messages in rows.items()
        ],
        columns=["time", "verdict", "order", "messages"],
    )
    chart = (
        alt.Chart(frame)
        .mark_area(interpolate="step-after")
        .encode(
            x=alt.X("time:T", title=None, axis=alt.Axis(labelAngle=0, format="%H:%M", tickCount=8)),
            y=alt.Y("messages:Q", title=per[seen.step], stack="zero", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "verdict:N",
                title=None,
                sort=list(names.values()),
                scale=alt.Scale(domain=list(names.values()), range=[VERDICT_COLOURS[v] for v in Verdict]),
                legend=alt.Legend(orient="top", columns=4),  # two rows fit a narrow window
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("time:T", title=_("Time"), format="%m-%d %H:%M:%S"),
                alt.Tooltip("verdict:N", title=_("Verdict")),
                alt.Tooltip("messages:Q", title=_("Messages"), format=","),
            ],
        )
        .properties(height=360)
    )
    st.altair_chart(chart, width="stretch")


def _totals(_: Text, seen: Traffic, chosen: str) -> None:
    st.header(_("Last {period}").format(period=_(chosen)))
    total = sum(seen.messages.values())
    rows = [
        (word(_, verdict), seen.messages.get(verdict, 0), seen.messages.get(verdict, 0) / total if total else 0.0)
        for verdict in Verdict
    ]
    frame = table(rows, columns=["verdict", "messages", "share"])
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        column_config={
            "verdict": st.column_config.TextColumn(_("Verdict")),
            "messages": st.column_config.NumberColumn(_("Messages"), format="localized"),
            "share": st.column_config.ProgressColumn(_("Share"), format="percent", min_value=0, max_value=1),
        },
    )


def _channels(_: Text, now: Standing) -> None:
    st.header(_("Channels, parts of the last 24 hours"))
    if not now.channels:
        st.caption(_("Nothing was handed to a carrier in the last 24 hours."))
        return
    columns = [_("Channel"), _("on their way"), _("submitted"), _("delivered"), _("failed")]
    frame = table([(c.name, c.open, c.submitted, c.delivered, c.failed) for c in now.channels], columns)
    figures = {name: st.column_config.NumberColumn(format="localized") for name in columns[1:]}
    st.dataframe(frame, hide_index=True, height="content", column_config=figures)


def _alerts(_: Text, now: Standing) -> None:
    st.header(_("Alerts nobody has taken on"))
    if not now.alerts:
        st.caption(_("None."))
        return
    marks = "".join(
        f'<span style="margin-right:1.5rem"><span style="color:{LEVEL_COLOURS[level]}" aria-hidden="true">●</span> '
        f'<b style="font-size:1.2rem">{count(now.alerts[level])}</b> {word(_, level)}</span>'
        for level in reversed(AlertLevel)
        if now.alerts.get(level)
    )
    st.html(marks)
