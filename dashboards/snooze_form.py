"""The snoozes on the page of rules: the list, the form with its confirmation, and the lifting of a snooze.

The address may hold `rule`, `kind`, `value` and `case`: the review deck opens the form with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboards import session
from dashboards.from_case import dry_run
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, word
from pipeline.actions.watch.report import policy_in_force
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.rules.snoozes import MAX_DAYS, SnoozeKind, spelled
from pipeline.store.accounts.roles import Right, User, allowed
from pipeline.store.registry import snoozes
from pipeline.text.numbers import masked

LENGTHS = {
    HOUR_MS: N_("1 hour"),
    12 * HOUR_MS: N_("12 hours"),
    DAY_MS: N_("1 day"),
    3 * DAY_MS: N_("3 days"),
    7 * DAY_MS: N_("7 days"),
    MAX_DAYS * DAY_MS: N_("30 days"),
}
ASKED = "snooze_asked"  # key in the session state: the snooze that waits for its confirmation
MAX_REASON = 200


@dataclass(frozen=True)
class _Asked:
    rule: str
    kind: SnoozeKind
    value: str
    length: int
    reason: str


def page(_: Text, user: User) -> None:
    """Show the snoozes in force and, to those who may, the form."""
    if not allowed(user, Right.SNOOZE_RULES):
        _list(_, user, may=False)
        return
    left, right = st.columns([5, 3], gap="medium")
    with right:
        if ASKED in st.session_state:
            _confirm(_, user, st.session_state[ASKED])
        else:
            _form(_)
    with left:
        _list(_, user, may=True)


def _list(_: Text, user: User, *, may: bool) -> None:
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    rows = snoozes.snoozes(services.db, user, now)
    if not rows:
        st.info(_("No rule is snoozed."), icon=":material/notifications_active:")
        return
    frame = table(
        [
            (
                r.rule,
                f"{word(_, r.kind)} {masked(r.value)}",
                clock(zone, r.until),
                r.reason,
                r.made_by,
                clock(zone, r.made_at),
            )
            for r in rows
        ],
        columns=[_("Rule"), _("For"), _("Until"), _("Reason"), _("By"), _("Since")],
    )
    if not may:
        st.dataframe(frame, hide_index=True)
        return
    shown = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"snoozes_{len(rows)}_{rows[0].made_at}_{rows[0].rule}",
    )
    chosen = shown["selection"]["rows"]
    if not chosen:
        st.caption(_("Choose a snooze to lift it. Times in {zone}.").format(zone=zone))
        return
    row = rows[chosen[0]]
    with st.form("lift", border=True):
        st.markdown(_("Let rule **{rule}** count again?").format(rule=session.plain(row.rule)))
        reason = st.text_input(_("Reason"), max_chars=MAX_REASON)
        if st.form_submit_button(_("Lift"), type="primary"):
            with session.told():
                snoozes.unsnooze(services.db, user, row.rule, SnoozeKind(row.kind), row.value, reason.strip(), now)
                st.rerun()


def _form(_: Text) -> None:
    with session.services().db.read() as connection:
        policy = policy_in_force(connection)
    rules = [rule.id for rule in policy.rules if rule.mode == "enforce"] if policy else []
    if not rules:
        st.info(_("No policy is in force, so there is nothing to snooze."), icon=":material/info:")
        return
    given = st.query_params
    rule = given.get("rule", "")
    kind, case = given.get("kind", ""), given.get("case", "")
    if rule and rule not in rules:
        st.warning(
            _("Rule {rule} is not a rule of the policy that counts: it cannot be snoozed.").format(
                rule=session.plain(rule[:60])
            )
        )
    kinds = list(SnoozeKind)
    with st.form("snooze", border=True):
        st.header(_("Snooze a rule"))
        st.caption(_("The rule is evaluated, but does not count. Lists and the state of ports cannot be snoozed."))
        asked = st.selectbox(_("Rule"), rules, index=rules.index(rule) if rule in rules else 0)
        of = st.selectbox(
            _("For"),
            kinds,
            index=kinds.index(SnoozeKind(kind)) if kind in set(SnoozeKind) else 0,
            format_func=lambda each: word(_, each),
        )
        value = st.text_input(_("Value"), value=given.get("value", "")[:100], max_chars=100)
        length = st.selectbox(_("Length"), list(LENGTHS), index=2, format_func=lambda each: _(LENGTHS[each]))
        reason = st.text_input(
            _("Reason"), value=_("Case {case}: ").format(case=case[:64]) if case else "", max_chars=MAX_REASON
        )
        if st.form_submit_button(_("Continue"), type="primary", width="stretch"):
            with session.told():
                st.session_state[ASKED] = _Asked(asked, of, spelled(of, value), length, reason)
                st.rerun()


def _confirm(_: Text, user: User, asked: _Asked) -> None:
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    with st.container(border=True):
        st.markdown(
            _("Rule **{rule}** will not count for {kind} **{value}** until {time}, {zone}.").format(
                rule=session.plain(asked.rule),
                kind=word(_, asked.kind),
                value=session.plain(masked(asked.value)),
                time=clock(zone, now + asked.length),
                zone=zone,
            )
        )
        st.caption(session.plain(asked.reason))
        if allowed(user, Right.SEARCH):
            with session.told():
                dry_run.show_snooze(_, user, dry_run.of_snooze(user, asked.rule, asked.kind, asked.value, now))
        yes, no = st.columns(2)
        if no.button(_("Back"), width="stretch", key="snooze_back"):
            del st.session_state[ASKED]
            st.rerun()
        if yes.button(_("Snooze"), type="primary", width="stretch", key="snooze_confirm"):
            with session.told():
                until = now + asked.length
                snoozes.snooze(services.db, user, asked.rule, asked.kind, asked.value, asked.reason, until, now)
                del st.session_state[ASKED]
                for name in ("rule", "kind", "value", "case"):
                    st.query_params.pop(name, None)
                st.toast(_("Snoozed"))
                st.rerun()
