"""What became of the parts handed to the carriers, how fast reports come, by segment or province, and the errors."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.address import chosen_one
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import at_right, table
from dashboards.words import clock, count, span, word
from pipeline.actions.console.channel_figures import SEGMENT, CarrierError, ChannelFigures, Funnel, Group, figures
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.store.accounts.roles import User

SPANS = {
    "15m": (15 * MINUTE_MS, N_("15 minutes")),
    "1h": (HOUR_MS, N_("1 hour")),
    "24h": (DAY_MS, N_("24 hours")),
}
GROUPS = {"segment": N_("segment"), "region": N_("province")}


def page(_: Text, user: User) -> None:
    """Show what became of the parts of a time."""
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    asked = st.query_params.get("span", "")
    chosen = st.segmented_control(
        _("Time"),
        list(SPANS),
        default=asked if asked in SPANS else "1h",
        format_func=lambda each: _(SPANS[each][1]),
        key="span",
        required=True,
        label_visibility="collapsed",
    )
    st.query_params["span"] = chosen
    since = now - SPANS[chosen][0]
    channels, errors = figures(services.db, user, since)
    st.caption(
        _("Parts of messages whose state changed between {since} and {until}.").format(
            since=clock(zone, since), until=clock(zone, now)
        )
    )
    if not channels:
        st.info(_("No part of a message changed its state in this time."), icon=":material/inbox:")
        return
    _all(_, channels)
    _errors(_, errors, zone)
    _groups(_, channels)


def _all(_: Text, channels: list[ChannelFigures]) -> None:
    head = (*_head(_), _("sent again"), _("report after (median)"), _("report after (95 %)"))
    rows = [
        (
            each.name,
            *_cells(each.funnel),
            count(each.again),
            span(_, each.report_p50_ms),
            span(_, each.report_p95_ms),
        )
        for each in channels
    ]
    st.dataframe(table(rows, (_("channel"), *head)), hide_index=True, width="stretch", column_config=at_right(*head))


def _errors(_: Text, errors: list[CarrierError], zone: str) -> None:
    st.header(_("Errors"))
    if not errors:
        st.info(_("No carrier refused a part or reported a failure in this time."), icon=":material/check:")
        return
    rows = [
        (each.channel, word(_, each.state.value), each.status or "–", count(each.parts), clock(zone, each.last_at))
        for each in errors
    ]
    head = (_("channel"), _("state"), _("the carrier's code"), _("parts"), _("last at"))
    st.dataframe(table(rows, head), hide_index=True, width="stretch", column_config=at_right(_("parts")))


def _groups(_: Text, channels: list[ChannelFigures]) -> None:
    """The parts of one channel by segment or by province; the address keeps both choices."""
    st.header(_("By number"))
    names = [each.name for each in channels]
    asked = st.query_params.get("channel", "")
    chosen = st.selectbox(_("Channel"), names, index=names.index(asked) if asked in names else 0)
    st.query_params["channel"] = chosen
    by = chosen_one("by", _("Grouped by"), {name: _(title) for name, title in GROUPS.items()}, "segment")
    found = next(each for each in channels if each.name == chosen)
    if by == "region":
        first = _("province")
        groups = [(region or _("no province"), group) for region, group in found.regions.items()]
    else:
        first = _("first {count} digits").format(count=SEGMENT)
        groups = list(found.segments.items())
    rows = [(name, *_cells(group.funnel), _failures(group)) for name, group in groups]
    head = (first, *_head(_), _("failed by code"))
    st.dataframe(table(rows, head), hide_index=True, width="stretch", column_config=at_right(*head[1:-1]))


def _failures(group: Group) -> str:
    return ", ".join(f"{code or '–'} {count(parts)}" for code, parts in group.failures)


def _head(_: Text) -> tuple[str, ...]:
    return (
        _("parts"),
        _("taken by the carrier"),
        _("reported"),
        _("delivered"),
        _("refused"),
        _("not sent"),
        _("without an answer"),
        _("with a report"),
        _("success"),
    )


def _cells(funnel: Funnel) -> tuple[str, ...]:
    numbers = (
        funnel.total,
        funnel.accepted,
        funnel.reported,
        funnel.delivered,
        funnel.refused,
        funnel.unsent,
        funnel.doubtful,
    )
    return (*map(count, numbers), _share(funnel.reports), _share(funnel.success))


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
