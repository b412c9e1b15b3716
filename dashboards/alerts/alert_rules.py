"""The rules of alerts: what is measured, from which value on, and the form that changes a rule."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.address import chosen_row
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import count, word
from pipeline.actions.alerts.measures import MEASURES
from pipeline.actions.alerts.rules import AlertRule, Granularity, list_rules, remove_rule, save_rule
from pipeline.events import AlertLevel
from pipeline.store.accounts.roles import Right, User, allowed

MEASURED = {
    "much-complained": N_("complaints about a port"),
    "much-refused": N_("% of a port's messages refused"),
    "over-strict": N_("% of the notices or codes over the model's strict threshold"),
    "volume": N_("messages of a port"),
    "traffic": N_("messages of all ports"),
    "degraded": N_("% of decisions without a part"),
    "dead-letters": N_("dead letters of a topic"),
    "undelivered": N_("% of a channel's parts not delivered"),
    "cases-waiting": N_("cases that wait for review"),
    "ports-suspended": N_("ports suspended"),
    "unpublished": N_("changes not published to Kafka"),
    "answers-due": N_("answers to complaints due within 2 days"),
    "answers-overdue": N_("answers to complaints overdue"),
}
PERIODS = {Granularity.QUARTER: N_("15 minutes"), Granularity.HOUR: N_("1 hour"), Granularity.DAY: N_("1 day")}


def page(_: Text, user: User) -> None:
    """Show the rules, and the form to those who may change them; the address keeps the chosen rule."""
    rules = list_rules(session.services().db, user)
    st.caption(_("Each rule is judged when its period is complete. An alert lasts until a period without a break."))
    may = allowed(user, Right.ACKNOWLEDGE_ALERTS) and not user.scope
    frame = table(
        [
            (
                rule.id,
                _(MEASURED[rule.measure]),
                " ".join((_("above") if rule.above else _("below"), _figure(rule.threshold))),
                _(PERIODS[rule.granularity]),
                word(_, rule.level),
                _("on") if rule.active else _("off"),
                rule.changed_by or _("shipped"),
            )
            for rule in rules
        ],
        columns=[_("Rule"), _("Measures"), _("Raised"), _("Period"), _("Level"), _("State"), _("By")],
    )
    if not may:
        st.dataframe(frame, hide_index=True, height="content")
        return
    left, right = st.columns([5, 3], gap="medium")
    with left:
        chosen = chosen_row("alert_rule", frame, [rule.id for rule in rules], height="content", key=f"rules_{rules}")
    with right, session.told():
        _form(_, user, rules[chosen] if chosen is not None else None)


def _form(_: Text, user: User, rule: AlertRule | None) -> None:
    db = session.services().db
    measures, periods, levels = list(MEASURES), list(Granularity), list(AlertLevel)
    with st.form(f"alert_rule_{rule.id if rule else ''}", border=True):
        st.header(_("Change the rule {rule}").format(rule=rule.id) if rule else _("A new rule"))
        ident = rule.id if rule else st.text_input(_("Name"), max_chars=64, placeholder="complaints-hour")
        measure = st.selectbox(
            _("Measures"),
            measures,
            index=measures.index(rule.measure) if rule else 0,
            format_func=lambda each: _(MEASURED[each]),
        )
        row = st.columns(2)
        above = row[0].selectbox(
            _("Raised"), [True, False], index=0 if not rule or rule.above else 1,
            format_func=lambda up: _("above") if up else _("below"),
        )  # fmt: skip
        threshold = row[1].number_input(
            _("Threshold"), min_value=0.0, value=rule.threshold if rule else 10.0, format="%g"
        )
        period = row[0].selectbox(
            _("Period"), periods, index=periods.index(rule.granularity) if rule else 0,
            format_func=lambda each: _(PERIODS[each]),
        )  # fmt: skip
        level = row[1].selectbox(
            _("Level"), levels, index=levels.index(rule.level) if rule else 0, format_func=lambda each: word(_, each)
        )
        active = st.toggle(_("on"), value=rule.active if rule else True)
        if st.form_submit_button(_("Save"), type="primary", width="stretch"):
            save_rule(db, user, AlertRule(ident.strip(), measure, above, threshold, period, level, active), now_ms())
            st.toast(_("Saved. Open alerts of the rule have ended; it is judged again after its next period."))
            st.rerun()
    if rule is not None and rule.changed_by is not None:
        with st.popover(_("Remove")):
            st.write(_("Your own rule is gone; a shipped rule has its shipped numbers again."))
            if st.button(_("Remove the rule {rule}").format(rule=rule.id), type="primary", key="alert_rule_remove"):
                remove_rule(db, user, rule.id, now_ms())
                st.rerun()


def _figure(value: float) -> str:
    return count(int(value)) if value == int(value) else f"{value:,.1f}"
