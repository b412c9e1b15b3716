"""One case, by its permanent link: what it is, comments, and the cases that were merged into it."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.address import keep, link
from dashboards.cases import queue_table, reopen_form
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, fault, word
from pipeline.actions.quality import checks
from pipeline.actions.quality.reopening import may_reopen
from pipeline.actions.review import comments, separating
from pipeline.actions.review.case_list import ListedCase, find_case
from pipeline.errors import AntispamError
from pipeline.store.accounts.roles import Right, User, allowed

STATES = {
    "open": N_("not decided yet"),
    "decided": N_("decided, can be taken back"),
    "effective": N_("decided"),
    "merged": N_("merged into another case"),
}


def show(_: Text, user: User, ident: str) -> None:
    """Show a case with what can be done with it alone."""
    try:
        case = find_case(session.services().db, user, now_ms(), ident)
    except AntispamError as error:
        st.error(session.plain(fault(_, error)), icon=":material/block:")
        return
    with st.container(border=True):
        st.header(_("Case {case}").format(case=session.plain(case.id)), anchor=False)
        if case.merged_into:
            st.info(_("Its messages are in another case."), icon=":material/merge:")
            st.button(_("Open that case"), on_click=_open, args=(case.merged_into,))
        st.markdown(session.plain(case.content))
        _facts(_, case)
        with st.container(horizontal=True, vertical_alignment="center"):
            if case.state == "open":
                st.button(_("Work on it"), type="primary", key="work_on", on_click=_work_on, args=(case.id,))
            st.caption(_("Link to this case"))
            st.code(f"/review?view=cases&open={case.id}", language=None, wrap_lines=True)
        if case.state == "effective" and may_reopen(user, case.decided_by):
            reopen_form.show(_, user, case.id)
        if allowed(user, Right.SEARCH):
            with st.container(horizontal=True):
                if case.campaign:
                    link("explore", _("Explore its campaign"), campaign=case.campaign, by="content")
                link("explore", _("Explore its port"), port=case.port, by="content")
        if case.state in ("decided", "effective") and allowed(user, Right.REVIEW_SECOND):
            with session.told():
                _golden(_, user, case)
        _comments(_, user, case)
        if allowed(user, Right.REVIEW_SECOND) and case.state == "open":
            _merged(_, user, case)


def _golden(_: Text, user: User, case: ListedCase) -> None:
    """Make the case one that reviewers are checked with."""
    with st.popover(_("Make it a golden case"), icon=":material/verified:"):
        st.write(_("Reviewers get its text among their cases and are compared with its verdict; nothing is decided."))
        if st.button(_("I vouch for its verdict"), type="primary", key="golden"):
            checks.make_golden(session.services().db, user, case.id, now_ms())
            st.toast(_("It is a golden case now"))


def _facts(_: Text, case: ListedCase) -> None:
    zone, language = session.services().settings.console_zone, session.chosen_language()
    state = _(STATES[case.state])
    if case.verdict:
        state = f"{state}: {word(_, case.verdict)} · {case.decided_by}"
    facts = [
        (_("State"), state),
        (_("Port"), case.port),
        (_("Rule"), case.rule),
        (_("Score"), "–" if case.score is None else f"{case.score:.2f}"),
        (_("Category"), queue_table.value_words(_, "category", case.category or "", None, language)),
        (_("Messages"), count(case.messages)),
        (_("Opened ({zone})").format(zone=zone), clock(zone, case.opened_at)),
        (_("Limit ({zone})").format(zone=zone), clock(zone, case.due_at)),
        (_("In hand of"), case.claimed_by or "–"),
        (_("Assigned to"), case.assigned_to or "–"),
    ]
    lines = [f"**{label}** {session.plain(value)}" for label, value in facts]
    for column, some in zip(st.columns(2), (lines[:5], lines[5:]), strict=True):
        column.markdown("  \n".join(some))


def _comments(_: Text, user: User, case: ListedCase) -> None:
    db, zone = session.services().db, session.services().settings.console_zone
    for each in comments.comments(db, user, case.id):
        st.markdown(f"**{session.plain(each.author)}** {clock(zone, each.at)}  \n{session.plain(each.text)}")
    with st.form("comment", clear_on_submit=True, border=False):
        text = st.text_area(_("Comment"), max_chars=comments.MAX_TEXT, height=70)
        if st.form_submit_button(_("Add the comment")):
            with session.told():
                comments.comment(db, user, case.id, text, now_ms())
                st.rerun()


def _merged(_: Text, user: User, case: ListedCase) -> None:
    """The cases that were merged into this one, and their separation."""
    db, zone = session.services().db, session.services().settings.console_zone
    merged = separating.merged_cases(db, user, case.id)
    if not merged:
        return
    told = _("{cases} cases were merged into this one. Choose those that are something else; without a choice, all.")
    st.markdown(told.format(cases=count(len(merged))))
    frame = table(
        [(one.content, count(one.messages), clock(zone, one.opened_at), clock(zone, one.due_at)) for one in merged],
        [
            _("Text, masked"),
            _("Messages"),
            _("Opened ({zone})").format(zone=zone),
            _("Limit ({zone})").format(zone=zone),
        ],
    )
    shown = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"merged {case.id} {len(merged)}",
        height=220,
    )
    chosen = [merged[row].id for row in shown["selection"]["rows"]] or [one.id for one in merged]
    with st.popover(_("Separate {cases} cases").format(cases=count(len(chosen)))):
        st.write(_("They are open again, each with its own limit, and are not merged into this campaign again."))
        if st.button(_("Separate"), key="separate", type="primary"):
            with session.told():
                separating.separate(db, user, case.id, chosen, now_ms())
                st.rerun()


def _open(case: str) -> None:
    keep("open", case)


def _work_on(case: str) -> None:
    """Open the deck with this case alone; a click sets the state of widgets before they are shown."""
    st.query_params.clear()
    keep("case", case)
    st.session_state[queue_table.VIEW] = "work"
