"""Lists: black, allow, blocked and unsubscribed entries. Numbers are shown without their middle digits."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import session
from dashboards.address import given, keep, link
from dashboards.from_case import dry_run
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, fault, word
from pipeline.actions.console.list_file import AT_ONCE, add_all, may_add, read_list_file, undo_all
from pipeline.errors import AntispamError
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import COLUMNS, ENTITIES, PORT_RECIPIENT, ListEntry
from pipeline.rules.policies.lifecycle import Approval, LivingKind
from pipeline.rules.versions import version_of
from pipeline.store.accounts.roles import User
from pipeline.store.registry import policy_lifecycle, registry
from pipeline.store.registry.list_entries import Change, entry
from pipeline.store.registry.list_entries import text as entry_text
from pipeline.text.numbers import masked

PAGE = 100
MEANINGS = {
    "black": N_("Numbers and ports that are refused."),
    "allow": N_("Numbers and ports that skip volume and score rules, nothing else."),
    "watched": N_("Numbers and ports on probation: judged by stricter limits until the entry ends."),
    "blocked": N_("Recipients to whom nothing is sent."),
    "unsubscribed": N_("port:number; no commercial messages from this port to this number."),
    "registered": N_("port:number; a port with such entries may send to these numbers only."),
}
UNDO = "lists_undo"  # key in the session state: (added or removed, changes)


def page() -> None:
    """Show the page of lists."""
    user, _ = session.user(), session.text()
    st.title(_("Lists"))
    name = st.segmented_control(
        _("List"),
        list(ENTITIES),
        default=given("list", list(ENTITIES), "black"),
        format_func=lambda name: word(_, name),
        key="list",
        required=True,
        label_visibility="collapsed",
    )
    keep("list", None if name == "black" else name)
    st.caption(_(MEANINGS[name]))
    _undo(_, user)
    left, right = st.columns([5, 2], gap="medium")
    with left:
        _entries(_, user, name)
    with right:
        _add(_, user, name)
        _import(_, user)


def _entries(_: Text, user: User, name: str) -> None:
    services = session.services()
    zone = services.settings.console_zone
    search = st.text_input(_("Search"), placeholder=_("beginning of a value"), key=f"search_{name}", max_chars=50)
    turned = st.session_state.get(f"page_{name}_{search}", 1)
    rows = registry.list_entries(services.db, user, name, search.strip(), PAGE + 1, (turned - 1) * PAGE)
    if not rows:
        text = _("No entry begins with that.") if search else _("This list is empty.")
        st.info(text, icon=":material/inbox:")
        return
    now = now_ms()
    frame = table(
        [
            (
                masked(r.value),
                r.reason,
                r.added_by,
                clock(zone, r.added_at),
                _("standing")
                if r.expires_at is None
                else (_("over since {time}") if r.expires_at <= now else "{time}").format(
                    time=clock(zone, r.expires_at)
                ),
            )
            for r in rows[:PAGE]
        ],
        columns=[_("Value"), _("Reason"), _("Added by"), _("Added"), _("Until")],
    )
    shown = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height="content",
        key=f"entries_{name}_{search}_{turned}_{len(rows)}_{rows[0].added_at}",
    )
    if len(rows) > PAGE or turned > 1:
        st.pagination(turned + (len(rows) > PAGE), key=f"page_{name}_{search}")
    if not shown["selection"]["rows"]:
        st.caption(_("Choose an entry to remove it. Times in {zone}.").format(zone=zone))
        return
    row = rows[shown["selection"]["rows"][0]]
    with st.form("remove", border=True):
        st.markdown(_("Remove **{value}**?").format(value=session.plain(masked(row.value))))
        reason = st.text_input(_("Reason"), max_chars=200)
        if st.form_submit_button(_("Remove"), type="primary"):
            with session.told():
                _need(_, reason)
                registry.remove_list_entry(services.db, user, name, row.value, reason.strip(), now)
                expires = NEVER if row.expires_at is None else row.expires_at
                st.session_state[UNDO] = ("removed", [Change(ListEntry(name, row.value, row.reason, expires), None)])
                st.rerun()


def _add(_: Text, user: User, name: str) -> None:
    services = session.services()
    zone = services.settings.console_zone
    with st.form(f"add_{name}", clear_on_submit=False, border=True):
        st.header(_("Add to: {list}").format(list=word(_, name)))
        value = st.text_input(
            _("Value"),
            value=st.query_params.get("value", "")[:50],  # the review deck fills in the port of a case
            max_chars=50,
            placeholder="10690001:138…" if ENTITIES[name] == PORT_RECIPIENT else "138…",
        )
        case = st.query_params.get("case", "")[:64]
        reason = st.text_input(_("Reason"), value=_("Case {case}: ").format(case=case) if case else "", max_chars=200)
        today = datetime.now(ZoneInfo(zone)).date()
        until = st.date_input(
            _("Until the end of (empty: standing)"), value=None, min_value=today, max_value=today + timedelta(days=3650)
        )
        tried = st.form_submit_button(_("Try it on the last 24 hours"), width="stretch")
        drafted = st.form_submit_button(_("Save as draft"), width="stretch", key=f"draft_{name}")
        ends = None if until is None else int(datetime.combine(until, time.max, ZoneInfo(zone)).timestamp() * 1000)
        if st.form_submit_button(_("Add"), type="primary", width="stretch"):
            with session.told():
                _need(_, reason)
                added = registry.add_list_entry(services.db, user, name, value.strip(), reason.strip(), ends, now_ms())
                if added is None:
                    st.info(_("It was on the list already."))
                    return
                st.session_state[UNDO] = ("added", [added])
                for kept in ("value", "case"):
                    keep(kept, None)
                st.rerun()
    if drafted:
        with session.told():
            _need(_, reason)
            text = entry_text(entry(name, value.strip(), reason.strip(), ends))
            file = f"entry-{version_of(text)}.csv"
            _drafted(
                _, policy_lifecycle.draft(services.db, user, text, reason.strip(), now_ms(), LivingKind.LIST, file)
            )
    if tried and value.strip():
        with session.told():
            dry_run.show(_, user, dry_run.of_entry(name, value, now_ms()))


def _drafted(_: Text, version: str) -> None:
    st.success(_("Draft {version} is saved.").format(version=version), icon=":material/edit_note:")
    link("policy", _("To its check and approval"), kind=LivingKind.LIST, version=version)


def _import(_: Text, user: User) -> None:
    with st.expander(_("Import a csv file")):
        st.caption(
            _("UTF-8, header {header}; expires in ISO 8601 with zone, or empty.").format(header=",".join(COLUMNS))
        )
        given = st.file_uploader(_("File"), type=["csv"], label_visibility="collapsed", key="list_file")
        if given is None:
            return
        with session.told():
            read = read_list_file(given.getvalue())
            st.write(
                _("{n} entries can be added; {m} lines cannot.").format(
                    n=count(len(read.entries)), m=count(len(read.faults))
                )
            )
            if read.faults:
                st.code("\n".join(fault(_, each) for each in read.faults[:20]), language=None, wrap_lines=True)
            approval = Approval(session.services().settings.policy_approval)
            at_once = may_add(read.entries, approval)
            if not at_once:
                told = _("More than {n} entries are a list file: another person puts it in force on the page Policy.")
                st.caption(told.format(n=AT_ONCE))
            if read.entries and st.button(_("Save as draft"), type="secondary" if at_once else "primary", key="draft"):
                _drafted(
                    _,
                    policy_lifecycle.draft(
                        session.services().db,
                        user,
                        given.getvalue().decode("utf-8-sig"),
                        "",
                        now_ms(),
                        LivingKind.LIST,
                        given.name[:128],
                    ),
                )
            label = _("Add {n} entries").format(n=count(len(read.entries)))
            if at_once and st.button(label, type="primary", disabled=not read.entries, key="import"):
                changed = add_all(session.services().db, user, read.entries, now_ms(), approval)
                st.session_state[UNDO] = ("added", changed)
                st.toast(_("{n} entries added").format(n=count(len(changed))))
                del st.session_state["list_file"]
                st.rerun()


def _undo(_: Text, user: User) -> None:
    """Show the last change with a button to undo it."""
    if UNDO not in st.session_state:
        return
    done, changes = st.session_state[UNDO]
    words = _("{n} added.") if done == "added" else _("{n} removed.")
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(words.format(n=count(len(changes))))
        if st.button(_("Undo"), key="undo", icon=":material/undo:"):
            with session.told():
                undo_all(session.services().db, user, changes, now_ms())
                del st.session_state[UNDO]
                st.rerun()


def _need(_: Text, reason: str) -> None:
    if not reason.strip():
        raise AntispamError(_("A reason is wanted: the next person will ask."))
