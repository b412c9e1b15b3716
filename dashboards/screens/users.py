"""Users: accounts. The page is for administrators."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.cases.queue_table import titles
from dashboards.guard import now_ms
from dashboards.language import Text
from dashboards.table import table
from dashboards.words import clock, word
from pipeline.actions.review.queue_access import set_queues
from pipeline.store.accounts.roles import RIGHTS, SCOPES, Right, Role, User
from pipeline.store.accounts.users import Account, add_user, let_in, list_users, reset_password, set_active


def page() -> None:
    """Show the page of users."""
    user, _ = session.user(), session.text()
    services = session.services()
    zone, now = services.settings.console_zone, now_ms()
    st.title(_("Users"))
    accounts = list_users(services.db, user, now)
    frame = table(
        [
            (
                a.name,
                word(_, a.role),
                _scope(_, a),
                _reviews(_, a),
                word(_, a.state(now)),
                clock(zone, a.created_at),
            )
            for a in accounts
        ],
        columns=[_("Name"), _("Role"), _("Scope"), _("Queues"), _("State"), _("Created ({zone})").format(zone=zone)],
    )
    shown = st.dataframe(
        frame, hide_index=True, on_select="rerun", selection_mode="single-row", key="accounts", height="content"
    )
    if shown["selection"]["rows"]:
        _change(_, user, accounts[shown["selection"]["rows"][0]], now)
    else:
        st.caption(_("Choose an account to disable it or to give it a new one-time password."))
    _secret(_)
    _add(_, user, now)
    with st.expander(_("What each role may do")):
        for role in Role:
            st.markdown(f"**{word(_, role)}**  \n`{'` `'.join(sorted(RIGHTS[role]))}`")


def _reviews(_: Text, account: Account) -> str:
    if Right.REVIEW not in RIGHTS[account.role]:
        return "–"
    return ", ".join(account.queues) or word(_, "all")


def _scope(_: Text, account: Account) -> str:
    return ", ".join(f"{word(_, kind)} {value}" for kind, value in account.scope.items()) or word(_, "all")


def _change(_: Text, user: User, account: Account, now: int) -> None:
    db = session.services().db
    name = session.plain(account.name)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{name}**")
        if account.state(now) == "waiting" and st.button(_("Let try again"), key="let_in"):
            with session.told():
                let_in(db, user, account.name, now)
                st.rerun()
        with st.popover(_("New one-time password")):
            st.write(_("The present password stops working and all sessions of {name} end.").format(name=name))
            if st.button(_("Make a new one-time password"), key="reset", type="primary"):
                with session.told():
                    st.session_state["secret"] = (account.name, reset_password(db, user, account.name, now))
                    st.rerun()
        if Right.REVIEW in RIGHTS[account.role]:
            _queues(_, user, account, now)
        with st.popover(_("Disable") if account.active else _("Enable"), disabled=account.name == user.name):
            if account.active:
                st.write(_("{name} is signed out and cannot sign in. This can be taken back.").format(name=name))
            else:
                st.write(_("{name} may sign in again.").format(name=name))
            if st.button(_("Disable") if account.active else _("Enable"), key="set_active", type="primary"):
                with session.told():
                    set_active(db, user, account.name, not account.active, now)
                    st.rerun()


def _queues(_: Text, user: User, account: Account, now: int) -> None:
    """The queues to which the reviewer is limited."""
    db = session.services().db
    names = titles(db, user)
    with st.popover(_("Queues")):
        chosen = st.multiselect(
            _("Reviews only cases of"),
            list(names),
            default=[queue for queue in account.queues if queue in names],
            format_func=lambda name: names[name][session.chosen_language()],
            placeholder=_("all cases"),
            key=f"queues_of_{account.name}",
        )
        st.caption(_("Cases of other queues leave the hand at once."))
        if st.button(_("Set queues"), key="set_queues", type="primary"):
            with session.told():
                set_queues(db, user, account.name, chosen, now)
                st.rerun()


def _secret(_: Text) -> None:
    """Show the one-time password once; the next run does not have it."""
    made = st.session_state.pop("secret", None)
    if made is not None:
        st.success(_("One-time password of {name}; it is shown only now:").format(name=session.plain(made[0])))
        st.code(made[1], language=None)


def _add(_: Text, user: User, now: int) -> None:
    st.header(_("New account"))
    with st.form("add_user", clear_on_submit=True, border=True):
        columns = st.columns([2, 2, 2, 3], vertical_alignment="bottom")
        name = columns[0].text_input(_("Name"), max_chars=32, placeholder="anna.li")
        role = columns[1].selectbox(_("Role"), list(Role), format_func=lambda role: word(_, role), index=1)
        kind = columns[2].selectbox(_("Scope"), ("all", *SCOPES), format_func=lambda kind: word(_, kind))
        value = columns[3].text_input(_("Scope's value"), max_chars=64, placeholder=_("name or id; empty for all"))
        if st.form_submit_button(_("Create account"), type="primary"):
            with session.told():
                scope = {} if kind == "all" else {kind: value.strip()}
                secret = add_user(session.services().db, user, name.strip(), role or Role.VIEWER, scope, now)
                st.session_state["secret"] = (name.strip(), secret)
                st.rerun()
