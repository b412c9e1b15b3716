"""Policy: the versions of the policy, the dictionary, calendar, brands, lists and templates, from draft to archive.

It shows their trial and approval, and who has applied what.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.address import keep
from dashboards.from_case import word_form
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, word
from pipeline.actions.console.epochs import epochs
from pipeline.errors import AntispamError
from pipeline.rules.clock.calendar import shipped_calendar
from pipeline.rules.lists import COLUMNS
from pipeline.rules.policies.formats import FORMATS
from pipeline.rules.policies.lifecycle import TRIAL, Approval, Deed, LivingKind, State, deeds, may_approve
from pipeline.store.accounts.roles import Right, User, allowed
from pipeline.store.registry import policy_lifecycle, registry

KINDS = {
    LivingKind.POLICY: N_("Policy"),
    LivingKind.DICTIONARY: N_("Dictionary"),
    LivingKind.CALENDAR: N_("Calendar"),
    LivingKind.BRANDS: N_("Brands"),
    LivingKind.LIST: N_("Lists"),
    LivingKind.TEMPLATES: N_("Templates"),
}
LONGEST = 200_000  # characters of a text that a browser shows and edits without delay
LINES = 1_000  # of a difference, likewise
ORDER = [State.IN_FORCE, *reversed(TRIAL), State.CHECKED, State.DRAFT, State.ARCHIVED, State.WITHDRAWN]


@lru_cache(maxsize=8)  # the page runs again at each click
def _parsed(kind: LivingKind, text: str) -> Any:
    return FORMATS[kind].parse(text, FORMATS[kind].name)


def page() -> None:
    """Show the page of the policy."""
    user, _ = session.user(), session.text()
    st.title(_("Policy"))
    kind = _kind(_, user)
    found = policy_lifecycle.versions(session.services().db, user, kind)
    name = _name(_, kind, found)
    rows = sorted([row for row in found if row.name == name], key=lambda row: ORDER.index(State(row.state)))
    force = next((row for row in rows if row.state == State.IN_FORCE), None)
    trial = next((row for row in rows if row.state in TRIAL), None)
    _heads(_, kind, force, trial)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _versions(_, rows)
        if rows:
            _version(_, user, kind, rows)
    with right:
        _workers(_, user, force, trial)
        if allowed(user, policy_lifecycle.rights(kind)[0]):
            _draft(_, user, kind, name, force)


def _kind(_: Text, user: User) -> LivingKind:
    """The kind that the address asks for, of those that the user may see."""
    editors = {LivingKind.LIST: Right.EDIT_LISTS, LivingKind.TEMPLATES: Right.EDIT_PORTS}
    kinds = [kind for kind in KINDS if kind not in editors or (allowed(user, editors[kind]) and not user.scope)]
    asked = st.query_params.get("kind", "")
    chosen = st.segmented_control(
        _("Kind of configuration"),
        kinds,
        default=LivingKind(asked) if asked in kinds else LivingKind.POLICY,
        format_func=lambda kind: _(KINDS[kind]),
        key="policy_kind",
        required=True,
        label_visibility="collapsed",
    )
    st.query_params["kind"] = chosen
    return LivingKind(chosen)


def _name(_: Text, kind: LivingKind, found: Sequence[Any]) -> str:
    """The list file, or the port of templates, that the address or the reader names; else the only name."""
    if kind not in (LivingKind.LIST, LivingKind.TEMPLATES):
        keep("name", None)
        return FORMATS[kind].name
    version = next((row.name for row in found if row.version == st.query_params.get("version")), "")
    asked = st.query_params.get("name", "")[:128] or version
    names = list(dict.fromkeys([*filter(None, [FORMATS[kind].name, asked]), *sorted(row.name for row in found)]))
    label = _("List file") if kind is LivingKind.LIST else _("Port")
    chosen = st.selectbox(
        label,
        names,
        index=names.index(asked) if asked in names else 0 if names else None,
        accept_new_options=kind is LivingKind.TEMPLATES,
        placeholder=_("Code of a port"),
        key=f"{kind}_name",
    )
    keep("name", chosen)
    return chosen or ""


def _heads(_: Text, kind: LivingKind, force: Any, trial: Any) -> None:
    zone = session.services().settings.console_zone
    columns = st.columns(3)
    columns[0].metric(_("Version in force"), force.version if force else "–", border=True)
    columns[1].metric(_("In force since"), clock(zone, force.changed_at) if force else "–", border=True)
    if kind is LivingKind.CALENDAR:
        _unknown_year(_, force)
    if kind is not LivingKind.POLICY:
        return
    columns[2].metric(_("On trial"), f"{trial.version} {_state(_, trial)}" if trial else "–", border=True)
    if force is None:
        st.warning(_("No policy is in force: every message is held."), icon=":material/warning:")


def _unknown_year(_: Text, force: Any) -> None:
    """Warn of a year without its holidays."""
    calendar = shipped_calendar()
    if force:
        text = policy_lifecycle.text(session.services().db, session.user(), force.version, LivingKind.CALENDAR)
        calendar = _parsed(LivingKind.CALENDAR, text)
    year = calendar.unknown_soon(now_ms())
    if year is not None:
        told = _(
            "The calendar has no year {year}: rules on holidays do not apply in it, and reviewers work on weekdays."
        )
        st.warning(told.format(year=year), icon=":material/warning:")


def _state(_: Text, row: Any) -> str:
    return f"{word(_, row.state)} {row.share} %" if row.state == State.SHARE else word(_, row.state)


def _versions(_: Text, rows: Sequence[Any]) -> None:
    st.header(_("Versions"))
    if not rows:
        st.info(_("There is no version yet."), icon=":material/inbox:")
        return
    zone = session.services().settings.console_zone
    frame = table(
        [(r.version, _state(_, r), r.author, r.approver or "–", clock(zone, r.changed_at), r.reason) for r in rows],
        columns=[_("Version"), _("State"), _("Author"), _("Approver"), _("Changed"), _("Reason")],
    )
    st.dataframe(frame, hide_index=True, height="content" if len(rows) < 12 else 420)


def _version(_: Text, user: User, kind: LivingKind, rows: Sequence[Any]) -> None:
    """One version: how it differs from the one in force, and what may be done with it."""
    known = {row.version: row for row in rows}
    asked = st.query_params.get("version")
    chosen = st.selectbox(
        _("Look at version"),
        list(known),
        index=list(known).index(asked) if asked in known else 0,
        format_func=lambda version: f"{version} · {_state(_, known[version])} · {known[version].author}",
        key=_chosen(kind),
    )
    st.query_params["version"] = chosen
    row = known[chosen]
    value = policy_lifecycle.text(session.services().db, user, row.version, kind)
    if row.state == State.IN_FORCE:
        by = _("Written by {author}, put in force by {approver}.")
        st.caption(by.format(author=session.plain(row.author), approver=session.plain(row.approver or "–")))
    else:
        _difference(_, user, kind, row.version)
    with st.expander(_("Its text")):
        language = None if kind in (LivingKind.DICTIONARY, LivingKind.LIST) else "yaml"
        st.code(value[:LONGEST], language=language, height=320, wrap_lines=True)
        if len(value) > LONGEST:
            st.caption(_("Cut off after {characters} characters.").format(characters=f"{LONGEST:,}"))
    _deeds(_, user, kind, row)


def _chosen(kind: LivingKind) -> str:
    """The key of the chosen version in the session state; in the URL it is `version`."""
    return f"{kind}_version"


def _difference(_: Text, user: User, kind: LivingKind, version: str) -> None:
    st.caption(_("What is different from the version in force"))
    try:
        told = policy_lifecycle.difference(session.services().db, user, version, kind)
    except AntispamError as error:
        st.code(str(error), language=None)
        return
    said = [line[session.chosen_language()] for line in told]
    if said:
        st.code("\n".join(said[:LINES]), language=None, wrap_lines=True)
    else:
        st.caption(_("Nothing but comments, notes and layout."))
    if len(said) > LINES:
        st.caption(_("And {more} more.").format(more=f"{len(said) - LINES:,}"))


def _deeds(_: Text, user: User, kind: LivingKind, row: Any) -> None:
    """The buttons for what this user may do with this version."""
    services = session.services()
    db, version, possible = services.db, row.version, set(deeds(State(row.state)))
    approval = Approval(services.settings.policy_approval)
    if kind is not LivingKind.POLICY:
        possible -= {Deed.SHADOW, Deed.SHARE}
    author, approver = (allowed(user, right) for right in policy_lifecycle.rights(kind))
    second = may_approve(approval, row.author, user.name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if author and Deed.SUBMIT in possible and st.button(_("Check"), key="submit", type="primary"):
            with session.told():
                policy_lifecycle.submit(db, user, version, now_ms(), kind)
                st.rerun()
        if author and Deed.SHADOW in possible and st.button(_("Try in shadow"), key="shadow"):
            with session.told():
                policy_lifecycle.shadow(db, user, version, now_ms())
                st.rerun()
        if approver and Deed.SHARE in possible:
            with st.popover(_("Give it a share"), disabled=not second):
                share = st.slider(_("Share of the ports, %"), 0, 100, max(row.share, 1), key=f"share_{version}")
                st.write(_("A larger share keeps the ports of a smaller one. 0 takes it back into shadow."))
                if st.button(_("Set the share"), key="set_share", type="primary"):
                    with session.told():
                        policy_lifecycle.share(db, user, version, share, approval, now_ms())
                        st.rerun()
        if approver and Deed.APPROVE in possible:
            with st.popover(_("Put in force"), disabled=not second):
                st.write(_("It decides from the next batch of every worker. A rollback takes it back."))
                if st.button(_("Put {version} in force").format(version=version), key="approve", type="primary"):
                    with session.told():
                        policy_lifecycle.approve(db, user, version, approval, now_ms(), kind)
                        st.rerun()
        if approver and Deed.ROLLBACK in possible:
            with st.popover(_("Roll back to it"), icon=":material/undo:"):
                st.write(_("It decides again from the next batch of every worker."))
                if st.button(_("Put {version} in force").format(version=version), key="rollback", type="primary"):
                    with session.told():
                        registry.rollback(db, user, kind, row.name, now_ms(), version)
                        st.rerun()
        if approver and kind is LivingKind.LIST and row.state == State.IN_FORCE:
            with st.popover(_("Take it out of force"), icon=":material/undo:"):
                st.write(
                    _("Its entries do not count from the next batch of every worker. A rollback brings them back.")
                )
                if st.button(_("Take {version} out of force").format(version=version), key="out", type="primary"):
                    with session.told():
                        registry.withdraw(db, user, kind, row.name, now_ms())
                        st.rerun()
        if author and Deed.WITHDRAW in possible:
            with st.popover(_("Withdraw")):
                reason = st.text_input(_("Reason"), key=f"withdraw_reason_{version}", max_chars=200)
                if st.button(_("Withdraw {version}").format(version=version), key="withdraw", type="primary"):
                    with session.told():
                        policy_lifecycle.withdraw(db, user, version, reason.strip(), now_ms(), kind)
                        st.rerun()
    if approver and not second and Deed.APPROVE in possible:
        st.caption(
            _("You wrote it: another person gives it a share or puts it in force.")
            if Deed.SHARE in possible
            else _("You wrote it: another person puts it in force.")
        )


def _workers(_: Text, user: User, force: Any, trial: Any) -> None:
    """How far each process has applied the publications of the version in force and of the one on trial."""
    st.header(_("Processes"))
    found = epochs(session.services().settings.data_dir, user)
    if not found:
        st.caption(_("No process of this data folder is known to run."))
        return
    wanted = max([row.epoch for row in (force, trial) if row is not None and row.epoch is not None], default=0)
    frame = table(
        [
            (
                each.follower,
                "–" if each.epoch is None else each.epoch,
                _("does not answer") if each.epoch is None else _("has it") if each.epoch >= wanted else _("not yet"),
            )
            for each in found
        ],
        columns=[_("Process"), _("Epoch"), _("State")],
    )
    st.dataframe(frame, hide_index=True, height="content")
    st.caption(_("The last change was published with epoch {epoch}.").format(epoch=wanted))


def _draft(_: Text, user: User, kind: LivingKind, name: str, force: Any) -> None:
    st.header(_("New draft"))
    db = session.services().db
    if kind is LivingKind.LIST:
        _draft_list(_, user, name)
        return
    start = policy_lifecycle.text_in_force(db, user, kind, name)
    if kind is LivingKind.TEMPLATES and not start:
        st.info(_("Name a registered port: its templates can be changed here."), icon=":material/info:")
        return
    if len(start) > LONGEST:
        st.info(_("The text is too long for this page."), icon=":material/info:")
        st.code(f"antispam policy draft FILE --kind {kind}", language=None, wrap_lines=True)
        return
    if kind is LivingKind.DICTIONARY and force:
        _drafted(kind, word_form.show(_, user, start))
    with st.form("draft", border=True):
        shown = f"{kind}_draft_{name}_{force.version if force else 0}"
        value = st.text_area(_("New text"), start, height=260, key=shown)
        reason = st.text_input(_("What the change is for"), max_chars=200)
        if st.form_submit_button(_("Save as draft"), type="primary"):
            with session.told():
                _drafted(kind, policy_lifecycle.draft(db, user, value, reason.strip(), now_ms(), kind))


def _draft_list(_: Text, user: User, name: str) -> None:
    """The form for a list file: a new text of the chosen one, or one that stands beside it."""
    with st.form("draft_list", border=True):
        st.caption(
            _("UTF-8, header {header}; expires in ISO 8601 with zone, or empty.").format(header=",".join(COLUMNS))
        )
        given = st.file_uploader(_("File"), type=["csv"], key="list_draft")
        file = st.text_input(_("List file"), name, max_chars=128, help=_("Another name stands beside the other files."))
        reason = st.text_input(_("What the change is for"), max_chars=200)
        if st.form_submit_button(_("Save as draft"), type="primary") and given is not None:
            with session.told():
                text = _text(given.getvalue())
                version = policy_lifecycle.draft(
                    session.services().db, user, text, reason.strip(), now_ms(), LivingKind.LIST, file.strip()
                )
                st.query_params["name"] = file.strip()
                st.session_state.pop(f"{LivingKind.LIST}_name", None)
                _drafted(LivingKind.LIST, version)
    st.caption(
        _("A file of millions of rows goes by the command line; a few entries that cannot wait, on the page Lists.")
    )


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AntispamError("UTF-8 expected: {error}", error=error) from None


def _drafted(kind: LivingKind, version: str | None) -> None:
    """Show the draft that was saved, if there is one."""
    if version is None:
        return
    st.query_params["version"] = version
    st.session_state.pop(_chosen(kind), None)
    st.rerun()
