"""Channels now: what each sender tells of its links every few seconds, and what people set for a channel."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboards import session
from dashboards.address import given, keep
from dashboards.channels import steering
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, span
from pipeline.actions.senders.live import states
from pipeline.actions.senders.live.link_figures import Figures
from pipeline.actions.senders.live.states import LinkState, Told, channel_states, standing
from pipeline.durations import SECOND_MS
from pipeline.store.accounts.roles import Right, User, allowed

REFRESH = 3  # seconds
STANDINGS = {
    "sending": N_("on"),
    "off": N_("off"),
    "down": N_("no link"),
    "no_news": N_("no news"),
}
CAUSES = {
    states.CLOSED: N_("closed by the carrier"),
    states.CLOSED_AT_REQUEST: N_("closed at the carrier's request"),
    states.CLOSED_AT_LOGIN: N_("closed during login"),
    states.REFUSED: N_("login refused"),
    states.UNANSWERED: N_("link tests unanswered"),
    states.TOO_LATE: N_("no answer in time"),
}
STATES = {True: N_("up"), False: N_("down")}


def page(_: Text, user: User) -> None:
    """Show the channels as they are now; the address keeps the chosen channel."""
    channels = session.services().settings.channels
    _now()
    st.header(_("Steer a channel"))
    name = st.selectbox(
        _("Channel"), channels, index=list(channels).index(given("channel", channels, channels[0])), key="live_channel"
    )
    keep("channel", None if name == channels[0] else name)
    steering.show(_, user, name, may=allowed(user, Right.CONTROL_CHANNELS))


@st.fragment(run_every=REFRESH)
def _now() -> None:
    user, _ = session.user(active=False), session.text()
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    with session.told():
        told = channel_states(services.db, user, now)
        st.caption(
            _("As of {time} ({zone}); figures of the last minute, as the senders counted them.").format(
                time=clock(zone, now), zone=zone
            )
        )
        silent = [name for name in services.settings.channels if name not in {one.channel for one in told}]
        if silent:
            st.info(
                _("No sender tells of {channels}.").format(channels=session.plain(", ".join(silent))),
                icon=":material/inbox:",
            )
        if not told:
            return
        st.dataframe(_channels(_, told, now), hide_index=True, width="stretch", height="content")
        st.header(_("Links"))
        st.dataframe(_links(_, told, now, zone), hide_index=True, width="stretch", height="content")
        _errors(_, told, zone)


def _channels(_: Text, told: Sequence[Told], now: int) -> object:
    rows = []
    for one in told:
        state, figures = one.state, [link.figures for link in one.state.links]
        up = sum(link.up for link in state.links)
        what = (
            f"{up} / {len(state.links)}",
            _use(state.links),
            count(state.waiting),
            _rate(_, figures),
            _limit(_, state.total_rate),
            _shares(figures),
            ", ".join(state.next) or "–",
        )
        rows.append(
            (
                one.channel,
                _(STANDINGS[standing(one, now)]),
                *(what if one.is_news(now) else ["–"] * len(what)),
                one.sender,
                _ago(_, now - one.seen_at),
            )
        )
    head = (
        _("channel"),
        _("state"),
        _("links up"),
        _("window in use"),
        _("messages waiting"),
        _("rate"),
        _("limit"),
        _("delivered of reported"),
        _("takes over"),
        _("sender"),
        _("told"),
    )
    return table(rows, head)


def _links(_: Text, told: Sequence[Told], now: int, zone: str) -> object:
    rows = []
    for one in told:
        for link in one.state.links:
            figures = link.figures
            fresh = one.is_news(now)
            rows.append(
                (
                    one.channel,
                    str(link.number),
                    _(STATES[link.up]) if fresh else _("no news since {time}").format(time=clock(zone, one.seen_at)),
                    clock(zone, link.since),
                    _login(_, link.login_result),
                    _use([link]),
                    _rate(_, [figures]),
                    _limit(_, link.rate),
                    count(figures.throttled)
                    + (" · " + _("paused {time}").format(time=span(_, link.paused * SECOND_MS)) if link.paused else ""),
                    f"{count(figures.accepted)} / {count(figures.refused)}",
                    _shares([figures]),
                    f"{_seconds(_, figures.answer_p50)} / {_seconds(_, figures.answer_p95)}",
                    f"{_(CAUSES.get(link.error, link.error))} ({clock(zone, link.error_at)})" if link.error else "–",
                )
            )
    head = (
        _("channel"),
        _("link number"),
        _("state"),
        _("since"),
        _("login"),
        _("window in use"),
        _("rate"),
        _("limit"),
        _("throttled"),
        _("accepted / refused"),
        _("delivered of reported"),
        _("answer after p50 / p95"),
        _("last loss"),
    )
    return table(rows, head)


def _errors(_: Text, told: Sequence[Told], zone: str) -> None:
    st.header(_("Errors of the last hour"))
    rows = [
        (
            one.channel,
            str(link.number),
            error.code,
            count(error.parts),
            clock(zone, one.seen_at - int(error.ago * 1000)),
        )
        for one in told
        for link in one.state.links
        for error in link.figures.errors
    ]
    if not rows:
        st.caption(_("No carrier has refused a part or reported a failure."))
        return
    head = (_("channel"), _("link number"), _("the carrier's code"), _("parts"), _("last at"))
    st.dataframe(table(rows, head), hide_index=True, width="stretch", height="content")


def _login(_: Text, result: int | None) -> str:
    if result is None:
        return "–"
    return _("logged in") if result == 0 else _("refused: {code}").format(code=result)


def _use(links: Sequence[LinkState]) -> str:
    return f"{sum(link.in_flight for link in links)} / {sum(link.window for link in links)}"


def _rate(_: Text, figures: Sequence[Figures]) -> str:
    parts = sum(each.sent / each.seconds for each in figures if each.seconds)
    return _("{n} parts/s").format(n=f"{parts:,.1f}")


def _limit(_: Text, rate: float) -> str:
    return _("{n} parts/s").format(n=f"{rate:,.1f}") if rate else _("none")


def _shares(figures: Sequence[Figures]) -> str:
    delivered = sum(each.delivered for each in figures)
    reported = delivered + sum(each.failed for each in figures)
    return f"{count(delivered)} / {count(reported)}" + (f" ({delivered / reported:.1%})" if reported else "")


def _seconds(_: Text, seconds: float | None) -> str:
    return span(_, None if seconds is None else seconds * SECOND_MS)


def _ago(_: Text, ms: int) -> str:
    return _("{age} ago").format(age=span(_, ms))
