"""Rules: how each rule of the policy runs, and the snoozes of rules."""

from __future__ import annotations

import streamlit as st

from dashboards import session, snooze_form
from dashboards.address import given, keep
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import at_right, table
from dashboards.words import clock, count, word
from pipeline.actions.watch.report import Report, Watched, is_unusual, policy_stands, report
from pipeline.store.accounts.roles import User

SECTIONS = {"watch": N_("Hit rates"), "snoozes": N_("Snoozes")}
SHOWN = {"all": N_("all rules"), "unusual": N_("unusual"), "unused": N_("without effect")}
REPORT = "rules_report"  # key in the session state
KEPT_MS = 120_000  # the figures are of complete hours


def page() -> None:
    """Show the page of rules."""
    user, _ = session.user(), session.text()
    st.title(_("Rules"))
    section = _choice(_, "section", SECTIONS, _("Section"))
    if section == "snoozes":
        snooze_form.page(_, user)
    elif user.scope:
        st.info(_("Rates of rules are of all ports, and your account sees a part of them."), icon=":material/lock:")
    elif not policy_stands(session.services().db):
        st.info(_("No policy is in force."), icon=":material/info:")
    else:
        _watch(_, _report(user))


def _choice(_: Text, name: str, options: dict[str, str], label: str) -> str:
    """A choice that the address keeps."""
    chosen = st.segmented_control(
        label,
        list(options),
        default=given(name, list(options), next(iter(options))),
        format_func=lambda option: _(options[option]),
        key=name,
        required=True,
        label_visibility="collapsed",
    )
    keep(name, str(chosen))
    return str(chosen)


def _report(user: User) -> Report:
    """The report of this session, asked again after KEPT_MS."""
    services, now = session.services(), now_ms()
    kept: tuple[int, Report] | None = st.session_state.get(REPORT)
    if kept is None or now - kept[0] > KEPT_MS:
        kept = st.session_state[REPORT] = (now, report(services.db, services.lake.cursor(), user, now))
    return kept[1]


def _watch(_: Text, told: Report) -> None:
    zone = session.services().settings.console_zone
    marked = [each for each in told.rules if is_unusual(each.hour) or each.alarm]
    idle = [each for each in told.rules if told.days and (each.never_hit or each.never_counted)]
    for column, label, figure in zip(
        st.columns(4),
        (_("Rules"), _("Alarms on"), _("Never hit"), _("Hit, never counted")),
        (
            len(told.rules),
            sum(each.alarm is not None for each in told.rules),
            sum(each.never_hit for each in told.rules) if told.days else None,
            sum(each.never_counted for each in told.rules) if told.days else None,
        ),
        strict=True,
    ):
        column.metric(label, "–" if figure is None else count(figure))
    shown = _choice(_, "show", SHOWN, _("Show"))
    rows = {"all": list(told.rules), "unusual": marked, "unused": idle}[shown]
    if told.days:
        figures = _("Last complete hour until {time}, {zone}; hits of the last {days} days; share of decisions in %")
        st.caption(figures.format(time=clock(zone, told.until), zone=zone, days=told.days))
    else:
        st.info(_("The lake has no complete hour of decisions yet."), icon=":material/hourglass_empty:")
    if rows:
        _table(_, rows, zone, hits_known=told.days > 0)
    elif told.days:
        st.info(_("No rule is like that."), icon=":material/check_circle:")
    with st.expander(_("Counters and signals that no rule reads")):
        for label, names in ((_("Counters"), told.unused.counters), (_("Signals"), told.unused.signals)):
            st.markdown(f"**{label}**")
            st.code(", ".join(names) or "–", language=None, wrap_lines=True)


def _table(_: Text, rows: list[Watched], zone: str, *, hits_known: bool) -> None:
    frame = table(
        [
            (
                each.rule,
                word(_, each.mode),
                word(_, each.hour.course.value),
                _percent(each.hour.rate),
                _percent(each.hour.usual),
                *(
                    count(figure) if hits_known else "–"
                    for figure in (each.hits.hits, each.hits.counted, each.hits.deciding)
                ),
                _precision(each),
                clock(zone, each.alarm),
            )
            for each in rows
        ],
        columns=[
            _("Rule"),
            _("Mode"),
            _("Course"),
            _("Last hour"),
            _("Usual"),
            _("Hits"),
            _("Counted"),
            _("Decided"),
            _("Precision by verdicts (95 %)"),
            _("Alarm since"),
        ],
    )
    st.dataframe(frame, hide_index=True, height="content", column_config=at_right(*frame.columns[3:8]))


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f}"


def _precision(each: Watched) -> str:
    found = each.precision
    if found is None or found.value is None or found.low is None or found.high is None:
        return "–"
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f}–{100 * found.high:.0f}), n = {count(found.of)}"
