"""Explore: messages over time and by any column, beside the period before; a campaign, number, link or enterprise.

The address keeps everything: filters, column, order, period. So each view is a link that can be saved and shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import saved_views, session
from dashboards.address import given, keep, link
from dashboards.explored import filter_form
from dashboards.explored.names import FILTERED, LONGEST, NAMES
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import VERDICT_COLOURS, clock, count, word
from pipeline.actions.explore.filters import COLUMNS, SOURCES, Filters
from pipeline.actions.explore.messages import Message, newest_messages
from pipeline.actions.explore.subjects import complaints_of, enterprise_names, told_campaign
from pipeline.actions.explore.sums import MEASURES, ORDERS, Explored, Sums, Top, explore
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.store.accounts.roles import User

FIGURES = {
    "messages": N_("Messages"),
    "released": N_("Released"),
    "held": N_("Put on hold"),
    "reviewed": N_("To a person"),
    "rejected": N_("Rejected"),
    "blacklisted": N_("Blacklisted"),
}
TOLD_FIGURES = {
    "messages": N_("Each message once, in the hour in which it was accepted."),
    "held": N_("They are decided again later, and then count under that verdict too."),
    "reviewed": N_("Given to a person; the person's verdict is not in this figure."),
}
ORDER_NAMES = {"most": N_("Most"), "rise": N_("Largest rise")}
SOURCE_NAMES = {"submission": N_("Submissions"), "record": N_("Records")}
PERIODS = {"1": N_("24 hours"), "7": N_("7 days"), "30": N_("30 days"), "own": N_("Days of my choice")}
DRAWN = (("release", "released"), ("review", "reviewed"), ("reject", "rejected"), ("blacklist", "blacklisted"))
FIRST = 20  # values shown
SAVED = 100  # values in a csv


def page() -> None:
    """Show the page."""
    user, _ = session.user(), session.text()
    title, saved = st.columns([6, 1.4], vertical_alignment="center")
    title.title(_("Explore"))
    with saved:
        saved_views.panel(_, user, "explore")
    filters = _period(_, user)
    filter_form.show(_, user, filters)
    with session.told():
        by, measure, order = _choices(_)
        services = session.services()
        zone = services.settings.console_zone

        def ask(first: int) -> Explored:
            return explore(services.db, services.lake.cursor(), user, filters, by, measure, order, first, zone)

        found = ask(FIRST)
        told = _(
            "{since} to {until} ({zone}), compared with the same length of time before; texts masked, numbers hashed"
        )
        st.caption(told.format(since=_hour(zone, found.since), until=_hour(zone, found.until), zone=zone))
        _subject(_, user, filters)
        _totals(_, found)
        if not found.now.messages + found.before.messages + found.now.held + found.now.released:
            st.info(_("Nothing fits in this period, nor in the one before."), icon=":material/search_off:")
            return
        _course(_, found, zone)
        names = enterprise_names(services.db, user) if by == "enterprise" else {}
        _top(_, found, by, measure, names, lambda: ask(SAVED))
        _messages(_, user, filters, zone)


def _period(_: Text, user: User) -> Filters:
    zone = ZoneInfo(session.services().settings.console_zone)
    row = st.columns([4, 3, 2.4], vertical_alignment="bottom")
    with row[0]:
        period = str(
            st.segmented_control(
                _("Period"),
                list(PERIODS),
                default=given("period", list(PERIODS), "7"),
                format_func=lambda name: _(PERIODS[name]),
                key="period",
                required=True,
                label_visibility="collapsed",
            )
        )
    keep("period", None if period == "7" else period)
    until = -(-now_ms() // HOUR_MS) * HOUR_MS
    since = until - (int(period) * DAY_MS if period != "own" else 0)
    if period == "own":
        today = datetime.now(zone).date()
        with row[1]:
            first, last = _days(_, today)
        keep("from", first.isoformat())
        keep("to", last.isoformat())
        since, until = (
            int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
            for day in (first, last + timedelta(days=1))
        )
    else:
        keep("from", None)
        keep("to", None)
    sources = SOURCES[:1] if user.scope else SOURCES
    with row[2]:
        source = st.segmented_control(
            _("What"),
            sources,
            default=given("source", sources, "submission"),
            format_func=lambda name: _(SOURCE_NAMES[name]),
            key="source",
            required=True,
            label_visibility="collapsed",
        )
    keep("source", None if source == "submission" else str(source))
    return Filters(since, until, str(source), **{name: st.query_params.get(name, "")[:LONGEST] for name in FILTERED})


def _days(_: Text, today: date) -> tuple[date, date]:
    """The first and last day that the reader chose, or the address names."""

    def of_address(name: str, otherwise: date) -> date:
        try:
            return min(date.fromisoformat(st.query_params.get(name, "")), today)
        except ValueError:
            return otherwise

    last = of_address("to", today)
    first = min(of_address("from", last - timedelta(days=6)), last)
    chosen: Any = st.date_input(
        _("Days"), (first, last), max_value=today, key="days", label_visibility="collapsed", format="YYYY-MM-DD"
    )
    return (chosen[0], chosen[-1]) if chosen else (first, last)


def _choices(_: Text) -> tuple[str, str, str]:
    """The column, its measure and its order."""
    row = st.columns([2, 2, 2, 4])
    asked: tuple[tuple[str, Sequence[str], dict[str, str], str], ...] = (
        ("by", COLUMNS, NAMES, _("By column")),
        ("measure", MEASURES, FIGURES, _("Figure")),
        ("order", ORDERS, ORDER_NAMES, _("First")),
    )
    chosen: list[str] = []
    for place, (name, options, names, label) in zip(row, asked, strict=False):
        chosen.append(_choice(_, place, name, options, names, label))
    return chosen[0], chosen[1], chosen[2]


def _choice(_: Text, place: Any, name: str, options: Sequence[str], names: dict[str, str], label: str) -> str:
    """A choice in a list; the address keeps all but the first one."""
    first = options.index(given(name, options, options[0]))
    choice = str(place.selectbox(label, options, index=first, format_func=lambda option: _(names[option]), key=name))
    keep(name, None if choice == options[0] else choice)
    return choice


def _subject(_: Text, user: User, filters: Filters) -> None:
    """What is known of the campaign or number beyond the sums."""
    if user.scope:
        return
    services = session.services()
    zone = services.settings.console_zone
    if filters.campaign:
        told = told_campaign(services.lake.cursor(), user, filters.campaign)
        if told is None:
            st.caption(_("No campaign with this name was published."))
        else:
            line = _(
                "Campaign as last published: {messages} messages from {ports} ports and {senders} senders, at most "
                "{most} in 5 minutes; {first} to {last}"
            )
            st.markdown(
                line.format(
                    messages=count(told.messages),
                    ports=count(told.ports),
                    senders=count(told.senders),
                    most=count(told.most_in_5m),
                    first=clock(zone, told.first_seen),
                    last=clock(zone, told.last_seen),
                )
            )
    if filters.number:
        since, until = filters.hours
        complaints = complaints_of(services.lake.cursor(), user, filters.number, since, until)
        st.markdown(_("Complaints of this number in the period: {n}").format(n=count(complaints)))


def _totals(_: Text, found: Explored) -> None:
    now, before = asdict(found.now), asdict(found.before)
    for place, (name, label) in zip(st.columns(len(FIGURES)), FIGURES.items(), strict=True):
        place.metric(
            _(label),
            count(now[name]),
            _change(_, now[name], before[name]),
            delta_color="off",
            delta_arrow="auto" if now[name] > before[name] else "down" if now[name] < before[name] else "off",
            border=True,
            help=_(TOLD_FIGURES[name]) if name in TOLD_FIGURES else None,
        )


def _change(_: Text, now: int, before: int) -> str:
    """How a figure differs from that of the period before."""
    if not before:
        return _("none before") if now else "–"
    return f"{100 * (now - before) / before:+,.1f} %"


def _course(_: Text, found: Explored, zone: str) -> None:
    st.header(_("Messages a day by verdict") if found.by_day else _("Messages an hour by verdict"))
    names = {verdict: word(_, verdict) for verdict, _column in DRAWN}
    rows = [
        (
            pd.Timestamp(start, unit="ms", tz="UTC").tz_convert(zone).tz_localize(None),
            names[verdict],
            n,
            getattr(sums, column),
        )
        for start, sums in found.course
        for n, (verdict, column) in enumerate(DRAWN)
    ]
    unit = "yearmonthdate" if found.by_day else "yearmonthdatehours"
    domain = [
        pd.Timestamp(ms, unit="ms", tz="UTC").tz_convert(zone).tz_localize(None).isoformat()
        for ms in (found.since, found.until)
    ]
    chart = (
        alt.Chart(table(rows, columns=["time", "verdict", "order", "messages"]))
        .mark_bar()
        .encode(
            x=alt.X(
                f"{unit}(time):T",
                title=None,
                scale=alt.Scale(domain=domain),
                axis=alt.Axis(labelAngle=0, format="%m-%d" if found.by_day else "%m-%d %H:%M", tickCount=8),
            ),
            y=alt.Y("messages:Q", title=_("messages"), stack="zero", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "verdict:N",
                title=None,
                sort=list(names.values()),
                scale=alt.Scale(domain=list(names.values()), range=[VERDICT_COLOURS[v] for v in names]),
                legend=alt.Legend(orient="top", columns=4),  # two rows fit a narrow window
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("time:T", title=_("Time"), format="%Y-%m-%d %H:%M"),
                alt.Tooltip("verdict:N", title=_("Verdict")),
                alt.Tooltip("messages:Q", title=_("Messages"), format=","),
            ],
        )
        .properties(height=240)
    )
    st.altair_chart(chart, width="stretch")


def _top(_: Text, found: Explored, by: str, measure: str, names: dict[str, str], ask: Any) -> None:
    row = st.columns([6, 1.4], vertical_alignment="bottom")
    row[0].header(
        _("{column}: {n} of {all}").format(column=_(NAMES[by]), n=count(len(found.top)), all=count(found.values))
    )
    row[1].download_button(
        _("Save as csv"),
        lambda: _frame(_, ask().top, by, names).to_csv(index=False).encode("utf-8-sig"),
        file_name=f"explore-{by}.csv",
        mime="text/csv",
        on_click="ignore",
        width="stretch",
        icon=":material/download:",
        help=_("The first {n} at most, as shown.").format(n=SAVED),
    )
    frame = _frame(_, found.top, by, names)
    hidden = {"example": None} if by != "content" else {"example": st.column_config.TextColumn(_("Text"), width=520)}
    figures = {
        name: st.column_config.NumberColumn(_(label), format="localized", width=90) for name, label in FIGURES.items()
    }
    chosen = st.dataframe(
        frame,
        hide_index=True,
        height="content" if len(frame) < 12 else 440,
        on_select="rerun",
        selection_mode="single-row",
        key=f"top_{by}_{measure}_{hash(tuple(st.query_params.to_dict().items()))}",
        column_config={
            "value": st.column_config.TextColumn(_(NAMES[by]), width=90 if by == "content" else 180),
            **hidden,
            **figures,
            "before": st.column_config.NumberColumn(_("Messages before"), format="localized", width=110),
            "change": st.column_config.TextColumn(_("Change"), width=90),
            "refused": st.column_config.ProgressColumn(
                _("Share refused"), format="percent", min_value=0, max_value=1, width=90
            ),
        },
    )
    st.caption(_("Choose a row to see only its messages."))
    if chosen["selection"]["rows"]:
        value = found.top[chosen["selection"]["rows"][0]].value
        if value and st.query_params.get(by) != value:
            keep(by, value)
            st.rerun()


def _frame(_: Text, top: Any, by: str, names: dict[str, str]) -> pd.DataFrame:
    def row(each: Top) -> tuple[Any, ...]:
        now: Sums = each.now
        refused = (now.rejected + now.blacklisted) / now.messages if now.messages else 0.0
        shown = names.get(each.value, each.value) if by == "enterprise" else word(_, each.value)
        change = _change(_, now.messages, each.before.messages)
        return (
            shown or _("(none)"),
            each.example,
            now.messages,
            each.before.messages,
            change,
            min(refused, 1.0),
            now.released,
            now.held,
            now.reviewed,
            now.rejected,
            now.blacklisted,
        )

    columns = ["value", "example", "messages", "before", "change", "refused", *MEASURES[1:]]
    return table([row(each) for each in top], columns=columns)


def _messages(_: Text, user: User, filters: Filters, zone: str) -> None:
    """The newest messages behind the sums, when asked for."""
    shown = st.toggle(_("Show the newest messages"), value=st.query_params.get("messages") == "1", key="messages")
    keep("messages", "1" if shown else None)
    if not shown:
        return
    services = session.services()
    found = newest_messages(services.db, services.lake.cursor(), user, filters)
    if not found:
        st.info(_("Nothing is decided yet that fits."), icon=":material/search_off:")
        return
    frame = table([_message(_, each, zone) for each in found], columns=["at", "sender", "verdict", *_TEXT])
    row = st.columns([4, 2, 1.4], vertical_alignment="bottom")
    row[0].caption(_("The newest {n}; times in {zone}").format(n=count(len(found)), zone=zone))
    search = {"port": filters.sender or filters.port, "rule": filters.rule, "campaign": filters.campaign}
    with row[1]:
        link("search", _("Details in Search"), **search)
    row[2].download_button(
        _("Save as csv"),
        frame.to_csv(index=False).encode("utf-8-sig"),
        file_name="messages.csv",
        mime="text/csv",
        on_click="ignore",
        width="stretch",
        icon=":material/download:",
        key="save_messages",
    )
    st.dataframe(
        frame,
        hide_index=True,
        height=420,
        column_config={
            "at": st.column_config.TextColumn(_("Time"), width=150),
            "sender": st.column_config.TextColumn(_("Sender"), width=130),
            "verdict": st.column_config.TextColumn(_("Verdict"), width=70),
            "text": st.column_config.TextColumn(_("Text"), width=560),
            "rule": st.column_config.TextColumn(_("Deciding rule"), width=150),
            "category": st.column_config.TextColumn(_("Category"), width=80),
            "score": st.column_config.NumberColumn(_("Score"), format="%.2f", width=60),
            "messages": st.column_config.NumberColumn(_("Messages"), format="localized", width=80),
        },
    )


_TEXT = ("text", "rule", "category", "score", "messages")


def _message(_: Text, each: Message, zone: str) -> tuple[Any, ...]:
    return (
        clock(zone, each.at),
        each.sender,
        word(_, each.verdict),
        each.content,
        each.rule or "–",
        word(_, each.category),
        each.score,
        each.messages,
    )


def _hour(zone: str, ms: int) -> str:
    return clock(zone, ms)[:-3]
