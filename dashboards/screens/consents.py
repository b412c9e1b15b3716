"""Consents: which recipients agreed to commercial messages; figures, the history of a number, new entries, files.

An entry is never changed or deleted: who takes a consent back gets a new entry. Numbers are shown without their middle
digits and are never in the address.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import session
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import at_right, table
from dashboards.words import clock, count, word
from pipeline import door
from pipeline.actions.console.consent_file import FIELDS, Line, Recorded, read_upload, record_lines
from pipeline.actions.console.consents import proof, record_one, take_back
from pipeline.rules.consents import AGREED, MAX_SOURCE, Consent, ConsentKind
from pipeline.store.accounts.roles import Right, User, allowed
from pipeline.store.registry import consents
from pipeline.text.numbers import masked

SECTIONS = {"figures": N_("Figures"), "number": N_("A number"), "record": N_("Record one"), "file": N_("Import a file")}
KINDS = {
    ConsentKind.CONSENT: N_("agreed"),
    ConsentKind.REQUEST: N_("asked for the messages"),
    ConsentKind.ASKED: N_("was asked"),
    ConsentKind.REFUSED: N_("refused or took back"),
}
OWNERS = {"port": N_("port"), "enterprise": N_("enterprise")}
PAGE = 100
FAULTS = 20  # refused lines shown; all of them are in the file to download
ASKED = "consent_asked"  # key in the session state: the entry that waits for its confirmation
OUTCOME = "consent_outcome"  # key in the session state: what became of the last file


def page() -> None:
    """Show the page of consents."""
    user, _ = session.user(), session.text()
    st.title(_("Consents"))
    st.caption(_("Recipients' agreements to commercial messages of a port, or of all ports of an enterprise."))
    asked = st.query_params.get("section", "")
    section = st.segmented_control(
        _("Section"),
        list(SECTIONS),
        default=asked if asked in SECTIONS else "figures",
        format_func=lambda each: _(SECTIONS[each]),
        key="section",
        required=True,
        label_visibility="collapsed",
    )
    st.query_params["section"] = section
    {"figures": _figures, "number": _number, "record": _record, "file": _file}[section](_, user)


def _figures(_: Text, user: User) -> None:
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    asked = st.query_params.get("of", "")
    of = left.selectbox(
        _("Of"),
        list(OWNERS),
        index=list(OWNERS).index(asked) if asked in OWNERS else 0,
        format_func=lambda each: _(OWNERS[each]),
    )
    begins = right.text_input(_("Code begins with"), value=st.query_params.get("begins", "")[:64], max_chars=64).strip()
    st.query_params["of"] = of
    if begins:
        st.query_params["begins"] = begins
    else:
        st.query_params.pop("begins", None)
    key = f"page_{of}_{begins}"
    turned = st.session_state.get(key, 1)
    rows: list[Any] = list(consents.counts(services.db, user, now, f"{of}/{begins}", PAGE + 1, (turned - 1) * PAGE))
    if not rows:
        text = _("No consents are recorded for a code that begins so.") if begins else _("No consents are recorded.")
        st.info(text, icon=":material/inbox:")
        return
    frame = table(
        [
            (
                r.scope.partition("/")[2],
                count(r.agreed),
                count(r.ended),
                count(r.refused),
                count(r.asked),
                clock(zone, r.recorded_at),
            )
            for r in rows[:PAGE]
        ],
        columns=[
            _("Code"),
            _("Agreed"),
            _("Agreement ended"),
            _("Refused"),
            _("Asked, no answer"),
            _("Last recorded"),
        ],
    )
    st.dataframe(frame, hide_index=True, height="content", column_config=at_right(*frame.columns[1:5]))
    if len(rows) > PAGE or turned > 1:
        st.pagination(turned + (len(rows) > PAGE), key=key)
    st.caption(_("Recipients by their last answer, as of {time}, {zone}.").format(time=clock(zone, now), zone=zone))


def _number(_: Text, user: User) -> None:
    if user.scope:
        told = _("The consents of a number are of all ports, and your account sees a part of them.")
        st.info(told, icon=":material/lock:")
        return
    with st.form("consent_number", border=True):
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        given = left.text_input(_("Number"), max_chars=40, placeholder="+86 138 0013 8000", key="consent_of")
        right.form_submit_button(_("Search"), type="primary", width="stretch", icon=":material/search:")
    if not given.strip():
        st.caption(_("In any spelling. The number is not kept in the address."))
        return
    with session.told():
        _history(_, user, door.number(given, "number"))


def _history(_: Text, user: User, number: str) -> None:
    services = session.services()
    zone = services.settings.console_zone
    rows: list[Any] = list(consents.history(services.db, user, number))
    shown_number = masked(number)
    if not rows:
        st.info(
            _("Nothing is recorded for {number}.").format(number=session.plain(shown_number)),
            icon=":material/search_off:",
        )
        return
    frame = _entries(_, rows, zone)
    frame[_("Source")] = [masked(source) for source in frame[_("Source")]]
    st.markdown(
        _("**{number}**: {n} entries, oldest first; times in {zone}").format(
            number=session.plain(shown_number), n=count(len(rows)), zone=zone
        )
    )
    shown = st.dataframe(
        frame,
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        key=f"consents_{len(rows)}_{rows[-1].recorded_at}_{rows[-1].given_at}",
    )
    chosen = shown["selection"]["rows"]
    if not chosen:
        st.caption(_("Choose an agreement to take it back."))
    elif rows[chosen[0]].kind not in AGREED:
        st.caption(_("Only an agreement can be taken back."))
    else:
        _take_back(_, user, rows[chosen[0]].scope, number)
    if allowed(user, Right.SEE_FULL_TEXT):
        _proof(_, user, number, zone)


def _entries(_: Text, rows: list[Any], zone: str) -> Any:
    return table(
        [
            (
                clock(zone, r.given_at),
                _scope(_, r.scope),
                _(KINDS[r.kind]),
                clock(zone, r.until),
                r.source,
                masked(r.recorded_by),
                clock(zone, r.recorded_at),
            )
            for r in rows
        ],
        columns=[_("Given"), _("For"), _("Entry"), _("Until"), _("Source"), _("Recorded by"), _("Recorded")],
    )


def _scope(_: Text, scope: str) -> str:
    owner, _slash, code = scope.partition("/")
    return f"{word(_, owner)} {code}"


def _take_back(_: Text, user: User, scope: str, number: str) -> None:
    with st.form("take_back", border=True):
        st.markdown(
            _("{scope}: record that **{number}** refuses from now on? The agreement stays in the history.").format(
                scope=session.plain(_scope(_, scope)), number=session.plain(masked(number))
            )
        )
        source = st.text_input(_("Source"), max_chars=MAX_SOURCE, placeholder=_("e.g. a call, a message, a form"))
        if st.form_submit_button(_("Take the consent back"), type="primary"):
            with session.told():
                take_back(session.services().db, user, scope, number, source.strip(), now_ms())
                st.toast(_("The entry is recorded and in force."))
                st.rerun()


def _proof(_: Text, user: User, number: str, zone: str) -> None:
    with st.popover(_("Show full numbers"), icon=":material/visibility:"):
        st.write(_("What you see and why is written to the audit trail."))
        reason = st.text_input(
            _("Reason"), key="why_consent", max_chars=500, placeholder=_("e.g. a complaint's number")
        )
        if st.button(_("Show"), type="primary", key="reveal_consent"):
            with session.told():
                rows = list(proof(session.services().db, user, number, reason, now_ms()))
                st.code(number, language=None)
                st.dataframe(_entries(_, rows, zone), hide_index=True, height="content")


def _record(_: Text, user: User) -> None:
    if ASKED in st.session_state:
        _confirm(_, user, st.session_state[ASKED])
        return
    zone = ZoneInfo(session.services().settings.console_zone)
    with st.form("consent", border=True):
        row = st.columns([1, 2, 2])
        of = row[0].selectbox(_("For"), list(OWNERS), format_func=lambda each: _(OWNERS[each]), key="record_of")
        code = row[1].text_input(_("Code of the port or enterprise"), max_chars=64)
        number = row[2].text_input(_("Number"), max_chars=40, key="record_number")
        row = st.columns([1, 2, 2])
        kinds = list(ConsentKind)
        kind = row[0].selectbox(_("Entry"), kinds, index=0, format_func=lambda each: _(KINDS[each]))
        if "consent_now" not in st.session_state:
            st.session_state["consent_now"] = datetime.now(zone).replace(tzinfo=None, second=0, microsecond=0)
        given = row[1].datetime_input(_("Given, {zone}").format(zone=zone.key), st.session_state["consent_now"])
        until = row[2].date_input(_("Until the end of (empty: no end)"), value=None)
        source = st.text_input(_("Source: where the proof is"), max_chars=MAX_SOURCE)
        if st.form_submit_button(_("Continue"), type="primary"):
            with session.told():
                line = door.ConsentIn(
                    recipient=number,
                    kind=kind,
                    given_at=_ms(given, zone),
                    port=code.strip() if of == "port" else "",
                    enterprise=code.strip() if of == "enterprise" else "",
                    source=source,
                    until=None if until is None else _end_of(until, zone),
                )
                consent = door.consent(line, now_ms())
                (fault,) = consents.check(session.services().db, user, [consent])
                if fault is not None:
                    st.error(session.plain(fault), icon=":material/block:")
                    return
                st.session_state[ASKED] = consent
                st.rerun()


def _confirm(_: Text, user: User, consent: Consent) -> None:
    zone = session.services().settings.console_zone
    with st.container(border=True):
        st.markdown(
            _("Record for {scope}: **{number}**, {kind}, given {given}, until {until}?").format(
                scope=session.plain(_scope(_, consent.scope)),
                number=session.plain(masked(consent.number)),
                kind=_(KINDS[consent.kind]),
                given=clock(zone, consent.given_at),
                until=clock(zone, consent.until),
            )
        )
        st.caption(session.plain(masked(consent.source)))
        st.caption(_("An entry is never changed or deleted; a consent is taken back by a new entry."))
        yes, no = st.columns(2)
        if no.button(_("Back"), width="stretch", key="consent_back"):
            del st.session_state[ASKED]
            st.rerun()
        if yes.button(_("Record"), type="primary", width="stretch", key="consent_confirm"):
            with session.told():
                record_one(session.services().db, user, consent, now_ms())
                del st.session_state[ASKED]
                st.session_state.pop("consent_now", None)
                st.toast(_("The entry is recorded and in force."))
                st.rerun()


def _file(_: Text, user: User) -> None:
    if OUTCOME in st.session_state:
        _outcome(_, st.session_state[OUTCOME])
    st.caption(
        _("csv with the columns {columns}; times with zone (ISO 8601). Nothing is recorded before you confirm.").format(
            columns=", ".join(FIELDS)
        )
    )
    given = st.file_uploader(_("File"), type=["csv"], label_visibility="collapsed", key="consent_file")
    if given is None:
        return
    with session.told():
        lines = read_upload(session.services().db, user, given.getvalue())
        good = [line for line in lines if isinstance(line.consent, Consent)]
        refused = [line for line in lines if isinstance(line.consent, str)]
        st.write(
            _("{n} entries can be recorded; {m} lines are refused.").format(n=count(len(good)), m=count(len(refused)))
        )
        _refused(_, refused)
        if good:
            _preview(_, good)
        label = _("Record {n} entries").format(n=count(len(good)))
        if st.button(label, type="primary", disabled=not good, key="consent_import"):
            st.session_state[OUTCOME] = record_lines(session.services().db, user, lines)
            del st.session_state["consent_file"]
            st.rerun()


def _preview(_: Text, good: list[Line]) -> None:
    zone = session.services().settings.console_zone
    rows = [
        (
            line.number,
            masked(c.number),
            _scope(_, c.scope),
            _(KINDS[c.kind]),
            clock(zone, c.given_at),
            clock(zone, c.until),
            masked(c.source),
        )
        for line in good[:PAGE]
        if isinstance(c := line.consent, Consent)
    ]
    names = [_("Line"), _("Number"), _("For"), _("Entry"), _("Given"), _("Until"), _("Source")]
    st.dataframe(table(rows, columns=names), hide_index=True, height="content" if len(rows) < 8 else 280)
    if len(good) > PAGE:
        st.caption(_("The first {n} entries are shown.").format(n=PAGE))


def _refused(_: Text, refused: list[Line]) -> None:
    if refused:
        lines = [_("line {n}: {fault}").format(n=line.number, fault=line.consent) for line in refused[:FAULTS]]
        st.code("\n".join(lines), language=None, wrap_lines=True)
        if len(refused) > FAULTS:
            st.caption(_("The first {n} refused lines are shown.").format(n=FAULTS))


def _outcome(_: Text, done: Recorded) -> None:
    with st.container(border=True):
        st.markdown(
            _("**{n} entries are recorded and in force; {m} lines were refused.**").format(
                n=count(done.recorded), m=count(len(done.refused))
            )
        )
        _refused(_, list(done.refused))
        if done.refused:
            st.download_button(
                _("Refused lines"),
                done.rejected_file,
                "consents.rejected.jsonl",
                "application/x-ndjson",
                on_click="ignore",
                icon=":material/download:",
            )
        if st.button(_("Close"), key="outcome_close"):
            del st.session_state[OUTCOME]
            st.rerun()


def _ms(at: datetime | None, zone: ZoneInfo) -> int:
    return now_ms() if at is None else int(at.replace(tzinfo=zone).timestamp() * 1000)


def _end_of(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time.max, zone).timestamp() * 1000)
