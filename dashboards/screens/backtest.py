"""Backtest: finished reports of what another policy would have decided. They are made by the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import altair as alt
import streamlit as st

from dashboards import session
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, word
from pipeline.actions.console.backtests import finished
from pipeline.lake.backtest.reports import PolicyResult, Report
from pipeline.lake.backtest.tally import WAYS
from pipeline.shares import Share

COMMAND = "antispam backtest --policy mine.yaml --since 2026-11-01T00:00:00+08:00 --until 2026-11-08T00:00:00+08:00"
WAY_WORDS = {"stopped": N_("newly stopped"), "held": N_("newly held"), "released": N_("newly released")}
WAY_COLOURS = {"stopped": "#d4573a", "held": "#4a7fd4", "released": "#2e9e6b"}
GROUPS = {"rules": N_("By rule"), "ports": N_("By port"), "campaigns": N_("By campaign")}
CAUSES = {
    "no text": N_("no text in the lake"),
    "kept by an older version": N_("kept by an older version"),
    "kept by a newer version": N_("kept by a newer version"),
    "another configuration": N_("their configuration is not in the lake"),
    "failed": N_("the replay failed"),
}
ALL = ""  # the choice without a filter
T = TypeVar("T")


def page() -> None:
    """Show the page of backtests."""
    user, _ = session.user(), session.text()
    settings = session.services().settings
    zone = settings.console_zone
    st.title(_("Backtest"))
    found = finished(settings, user)
    if not found:
        st.info(_("No finished backtest. The console only shows reports: run the command where the lake is."))
        st.code(COMMAND, language=None, wrap_lines=True)
        return
    reports = {report.key: report for report in found}
    left, right = st.columns([3, 1])
    with left:
        report = _chosen("report", _("Report"), reports, {key: _name(_, one, zone) for key, one in reports.items()})
    results = {result.value or ALL: result for result in report.tested}
    with right:
        labels = {value: value or _("as given") for value in results}
        result = _chosen("value", report.sweep or _("Value"), results, labels)
    st.caption(
        _("Policy {policy}; in force live: {live}. {speed} messages a second and core.").format(
            policy=session.plain(result.policy or _("as it was in force")),
            live=", ".join(report.live) or "–",
            speed=count(round(report.per_second)),
        )
    )
    _figures(_, result)
    if report.sweep:
        _sweep(_, report)
    _groups(_, result)
    _samples(_, result, zone)


def _name(_: Text, report: Report, zone: str) -> str:
    policy = report.policy or _("as it was in force")
    sweep = f" · {report.sweep}" if report.sweep else ""
    return f"{clock(zone, report.since)} – {clock(zone, report.until)} · {policy}{sweep} · {report.key[:6]}"


def _chosen(name: str, label: str, options: Mapping[str, T], labels: Mapping[str, str]) -> T:
    """The option that the reader chooses; the choice is in the URL as `name`."""
    keys = list(options)
    given = st.query_params.get(name, "")
    chosen = st.selectbox(
        label,
        keys,
        index=keys.index(given) if given in options else 0,
        format_func=lambda key: labels[key],
        key=f"backtest-{name}-{'-'.join(keys)[:200]}",
    )
    if chosen:
        st.query_params[name] = chosen
    elif name in st.query_params:
        del st.query_params[name]
    return options[chosen]


def _figures(_: Text, result: PolicyResult) -> None:
    columns = st.columns(6)
    columns[0].metric(_("Messages"), count(result.messages), border=True, height="stretch")
    columns[1].metric(
        _("Decisions that differ"),
        count(result.differences),
        _("of {n}").format(n=count(result.decisions)),
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        help=_("Rounds with another verdict than live. {n} more have other reasons only.").format(
            n=count(result.other_reasons)
        ),
    )
    for column, way in zip(columns[2:5], WAYS, strict=True):
        column.metric(
            _("Messages, {way}").format(way=_(WAY_WORDS[way])),
            count(result.total.of(way).messages),
            border=True,
            height="stretch",
        )
    judged = result.judgements
    columns[5].metric(
        _("Precision"),
        "–" if judged.precision.value is None else f"{judged.precision.value:.1%}",
        _("no case was judged") if judged.precision.value is None else _interval(judged.precision),
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        help=_(
            "Of the cases that people decided and this policy stops: the share that they refused. Recall: {recall}"
        ).format(
            recall="–" if judged.recall.value is None else f"{judged.recall.value:.1%} ({_interval(judged.recall)})"
        ),
    )
    for cause, number in result.skipped.items():
        told = _("{n} decisions could not be replayed: {cause}. No figure counts them.")
        st.warning(told.format(n=count(number), cause=_(CAUSES[cause]) if cause in CAUSES else cause))
    if not result.differences and result.decisions:
        st.success(_("Every decision is as live decided it."), icon=":material/check:")


def _interval(share: Share) -> str:
    return f"{share.low:.1%} – {share.high:.1%}, {share.hits}/{share.of}"


def _sweep(_: Text, report: Report) -> None:
    st.header(_("Sweep of {name}").format(name=report.sweep))
    swept = [result for result in report.tested if result.value is not None]
    names = {way: _(WAY_WORDS[way]) for way in WAYS}
    frame = table(
        [(float(r.value or 0), names[way], r.total.of(way).messages) for r in swept for way in WAYS],
        columns=["value", "way", "messages"],
    )
    chart = (
        alt.Chart(frame)
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "value:Q",
                title=report.sweep,
                scale=alt.Scale(zero=False),
                axis=alt.Axis(values=[float(r.value or 0) for r in swept]),
            ),
            y=alt.Y("messages:Q", title=_("Messages")),
            color=alt.Color(
                "way:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=[WAY_COLOURS[way] for way in WAYS]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("value:Q", title=report.sweep),
                alt.Tooltip("way:N", title=_("Change")),
                alt.Tooltip("messages:Q", title=_("Messages"), format=","),
            ],
        )
        .properties(height=260)
    )
    st.altair_chart(chart, width="stretch")


def _groups(_: Text, result: PolicyResult) -> None:
    given = st.query_params.get("by", "")
    by = st.segmented_control(
        _("Group"),
        list(GROUPS),
        default=given if given in GROUPS else "rules",
        format_func=lambda key: _(GROUPS[key]),
        key="backtest-by",
        required=True,
        label_visibility="collapsed",
    )
    st.query_params["by"] = by
    groups = getattr(result, by)
    if not groups:
        st.caption(_("Nothing changes."))
        return
    frame = table(
        [(group.name, *(group.changes.of(way).messages for way in WAYS)) for group in groups],
        columns=["name", *WAYS],
    )
    config: dict[str, Any] = {way: st.column_config.NumberColumn(_(WAY_WORDS[way]), format="localized") for way in WAYS}
    st.dataframe(
        frame,
        hide_index=True,
        height="content" if len(groups) < 10 else 360,
        column_config=config | {"name": st.column_config.TextColumn(_(GROUPS[by]), width="medium")},
    )
    if by in result.left_out:
        st.caption(_("{n} more with fewer messages are not shown.").format(n=count(result.left_out[by])))


def _samples(_: Text, result: PolicyResult, zone: str) -> None:
    if not result.samples:
        return
    st.header(_("Samples, masked"))
    rules: Sequence[str] = sorted({sample.rule for sample in result.samples})
    options = {rule: rule for rule in (ALL, *filter(None, rules))}
    rule = _chosen("rule", _("Rule"), options, {key: key or _("all") for key in options})
    rows = [
        (
            clock(zone, sample.decided_at),
            word(_, sample.live),
            word(_, sample.replayed),
            sample.rule,
            sample.sender,
            sample.messages,
            sample.content,
        )
        for sample in result.samples
        if not rule or sample.rule == rule
    ]
    columns = ["at", "live", "replayed", "rule", "sender", "messages", "text"]
    st.dataframe(
        table(rows, columns=columns),
        hide_index=True,
        column_config={
            "at": st.column_config.TextColumn(_("Time"), width=150),
            "live": st.column_config.TextColumn(_("Live"), width=70),
            "replayed": st.column_config.TextColumn(_("With this policy"), width=110),
            "rule": st.column_config.TextColumn(_("Rule"), width=150),
            "sender": st.column_config.TextColumn(_("Sender"), width=120),
            "messages": st.column_config.NumberColumn(_("Messages"), format="localized", width=80),
            "text": st.column_config.TextColumn(_("Text"), width="large"),
        },
    )
