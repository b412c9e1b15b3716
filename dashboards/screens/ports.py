"""Ports: state, tier, past actions."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import session
from dashboards.address import chosen_one, chosen_row, given, keep, link
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count, word
from pipeline.actions.conduct import appeals, tiers
from pipeline.actions.console.search import Query, search
from pipeline.actions.console.sentences import Sentences
from pipeline.durations import DAY_MS, MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.rules.conduct.port_lifecycle import LONGEST_PROBATION, PROBATION_DAYS, Life, Standing, Step, possible
from pipeline.rules.conduct.tier_conduct import CLEAN_MONTHS, LIMIT, Month
from pipeline.rules.ports import PortEntry
from pipeline.store.accounts.roles import Right, User, allowed
from pipeline.store.registry import registry
from pipeline.store.registry.port_history import Deed, port_history, port_standing

SECTIONS = {"ports": N_("Ports"), "tiers": N_("Proposed tiers"), "appeals": N_("Appeals")}
STEPS = {
    Step.LIMIT: (
        N_("Limit this port"),
        ":material/speed:",
        N_("It is judged by the stricter limits of a probation until the end of that day. This can be lifted."),
    ),
    Step.LIFT: (N_("Lift its limit"), ":material/lock_open:", N_("It is judged as before at once.")),
    Step.SUSPEND: (
        N_("Suspend this port"),
        ":material/pause_circle:",
        N_("Nothing of it is sent from a second after you confirm. This can be taken back by resuming it."),
    ),
    Step.UNDERTAKE: (
        N_("Record an undertaking"),
        ":material/contract:",
        N_("It stays suspended; resumed after an undertaking, it is on probation."),
    ),
    Step.RESUME: (N_("Resume this port"), ":material/play_circle:", N_("It may send again at once.")),
    Step.TERMINATE: (
        N_("Terminate this port"),
        ":material/block:",
        N_("Nothing of it is ever sent again. This cannot be taken back."),
    ),
}
PAGE = 200
WEEK_MS = 7 * DAY_MS


def page() -> None:
    """Show the page of ports."""
    user, _ = session.user(), session.text()
    db = session.services().db
    st.title(_("Ports"))
    section = st.segmented_control(
        _("Section"),
        list(SECTIONS),
        default=given("section", list(SECTIONS), "ports"),
        format_func=lambda each: _(SECTIONS[each]),
        required=True,
        label_visibility="collapsed",
    )
    keep("section", section)
    if section != "ports":
        {"tiers": _proposals, "appeals": _appeals}[section](_, user)
        return
    text = st.text_input(
        _("Search"),
        placeholder=_("beginning of a code, or part of a name or enterprise"),
        key="search",
        bind="query-params",
        max_chars=64,
        label_visibility="collapsed",
        icon=":material/search:",
    )
    entries = registry.ports(db, user, text.strip(), PAGE + 1)
    if not entries:
        st.info(_("No port fits.") if text else _("No port is registered."), icon=":material/inbox:")
        return
    today = _today(session.services().settings.console_zone)
    frame = table(
        [
            (e.code, e.name, e.enterprise, word(_, _life(e, today)), word(_, e.tier), word(_, e.kind), e.channel)
            for e in entries[:PAGE]
        ],
        columns=[_("Code"), _("Name"), _("Enterprise"), _("State"), _("Tier"), _("Kind"), _("Channel")],
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        chosen = chosen_row(
            "port",
            frame,
            [e.code for e in entries[:PAGE]],
            key=f"ports_{text}",
            height="content" if len(entries) < 15 else 560,
        )
        if len(entries) > PAGE:
            st.caption(_("The first {n}; a longer search shows fewer.").format(n=PAGE))
    with right:
        if chosen is None:
            st.caption(_("Choose a port to see it, and to suspend or resume it."))
            return
        with session.told():
            _port(_, user, entries[chosen])


def _life(entry: PortEntry, today: date) -> Life:
    """The state that people see, as beside the list."""
    until = date.fromisoformat(entry.probation_until) if entry.probation_until else None
    return Standing(entry.state, until).life(today)


def _today(zone: str) -> date:
    return datetime.fromtimestamp(now_ms() / 1000, ZoneInfo(zone)).date()


def _port(_: Text, user: User, entry: PortEntry) -> None:
    services = session.services()
    zone, now = services.settings.console_zone, now_ms()
    history = port_history(services.db, user, entry.code, now)
    today = _today(zone)
    st.header(f"{entry.code}  {session.plain(entry.name)}")
    columns = st.columns(3)
    columns[0].metric(_("State"), word(_, port_standing(services.db, user, entry.code).life(today)), border=True)
    columns[1].metric(_("Complaints, 30 days"), count(history.complaints), border=True)
    columns[2].metric(_("Open cases"), count(history.open_cases), border=True)
    limit = _("of its tier") if entry.volume_5m is None else count(entry.volume_5m)
    st.caption(
        _("Messages in 5 minutes, at most: {limit}; templates: {n}").format(limit=limit, n=count(len(entry.templates)))
    )
    if entry.zone:
        st.caption(_("Time zone") + ": " + entry.zone)
    if entry.probation_until:
        st.caption(_("On probation until") + ": " + entry.probation_until)
    if entry.extensions:
        st.caption(_("Extensions") + ": " + " ".join(f"{entry.code}-{extension}…" for extension in entry.extensions))
    if entry.unsubscribe:
        st.caption(_("Words to unsubscribe") + ": " + session.plain(" ".join(entry.unsubscribe)))
    if entry.signatures:
        st.caption(_("Signatures") + ": " + session.plain(" ".join(f"【{s}】" for s in entry.signatures)))
    if entry.carrier_signs:
        st.caption(_("The first signature is inserted into texts that bear none of them."))
    if entry.filings:
        filings = [
            (f.signature, f.carrier, word(_, f.on(today)), _day(f.applied), _day(f.decided), _day(f.until))
            for f in entry.filings
        ]
        st.caption(_("Filings of its signatures"))
        names = [_("Signature"), _("Carrier"), _("State"), _("Applied on"), _("Decided on"), _("In force until")]
        st.dataframe(table(filings, columns=names), hide_index=True, height="content")
    if allowed(user, Right.SUSPEND_PORTS):
        _change(_, user, entry, today, now)
    st.header(_("What was done to it"))
    if history.deeds:
        st.caption(_("The newest first; times in {zone}.").format(zone=zone))
        said = Sentences(services.db, session.chosen_language())
        st.markdown("\n".join(_deed(_, user, entry.code, deed, said, zone) for deed in history.deeds))
    else:
        st.caption(_("Nothing."))
    if allowed(user, Right.EDIT_PORTS) and not user.scope:
        link("policy", _("Its templates"), kind="templates", name=entry.code)
    if allowed(user, Right.SEARCH):
        with st.container(horizontal=True):
            link("explore", _("Explore this port"), port=entry.code, by="content")
            if entry.enterprise:
                link("explore", _("Explore its enterprise"), enterprise=entry.enterprise, by="port")
        _recent(_, user, entry, zone, now)


def _deed(_: Text, user: User, code: str, deed: Deed, said: Sentences, zone: str) -> str:
    """A line of a list: when, what, by whom, why, and the page with the evidence if the user may see it."""
    why = said.of(deed.rule, deed.values, deed.reason) if deed.rule else deed.reason
    parts = [clock(zone, deed.at), f"**{word(_, deed.kind)}**", session.plain(deed.actor)]
    if why or deed.rule:
        parts.append(session.plain(" ".join((why or deed.rule).split())))
    evidence = _evidence(code, deed, zone)
    if evidence is not None:
        right, label, path = evidence
        parts += [f"[{_(label)}]({path})"] if allowed(user, right) else []
    return "- " + " · ".join(parts)


def _evidence(code: str, deed: Deed, zone: str) -> tuple[Right, str, str] | None:
    """The page with the evidence of a deed: the right that it needs, its label and path; None if there is none."""
    kind, _slash, ident = deed.evidence.partition("/")
    if kind == "decision":
        # The decision was made before; a projector may have been behind.
        first, last = (datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)) for ms in (deed.at - DAY_MS, deed.at))
        period = {"since": f"{first:%Y-%m-%dT%H:%M}", "until": f"{last + timedelta(minutes=1):%Y-%m-%dT%H:%M}"}
        query = urlencode({"port": code, "rule": deed.rule, **period})
        return Right.SEARCH, N_("the messages"), f"/search?{query}"
    if kind == "case":
        query = urlencode({"view": "cases", "open": ident})
        return Right.REVIEW, N_("the case"), f"/review?{query}"
    if kind in ("complaint", "month"):
        return Right.SEARCH, N_("the complaints"), f"/complaints?{urlencode({'port': code})}"
    if kind == "appeal":
        query = urlencode({"section": "appeals", "appeals": "granted", "appeal": ident})
        return Right.SEARCH, N_("the appeal"), f"/ports?{query}"
    return None


def _day(day: date | None) -> str:
    return day.isoformat() if day else "–"


def _change(_: Text, user: User, entry: PortEntry, today: date, now: int) -> None:
    """The steps that are possible now, each behind a confirmation with its reason."""
    db, code = session.services().db, entry.code
    standing = port_standing(db, user, code)
    if standing.life(today) is Life.TERMINATED:
        st.caption(_("A terminated port stays so."))
        return
    if standing.undertaken:
        st.caption(_("Its owner has given an undertaking since the suspension."))
    steps = [step for step in STEPS if possible(standing, step, today)]
    with st.container(horizontal=True):
        for step in steps:
            label, icon, warning = STEPS[step]
            with st.popover(_(label), icon=icon):
                st.write(_(warning))
                what = _("What its owner has undertaken") if step is Step.UNDERTAKE else _("Reason")
                reason = st.text_input(what, key=f"reason_{step}_{code}", max_chars=200)
                days = None
                if step in (Step.LIMIT, Step.RESUME):
                    usual = PROBATION_DAYS if step is Step.LIMIT or standing.undertaken else 0
                    days = int(
                        st.number_input(
                            _("Days on probation"), 0, LONGEST_PROBATION, usual, key=f"days_{step}_{usual}_{code}"
                        )
                    )
                if st.button(_(label), type="primary", key=f"confirm_{step}", disabled=not reason.strip()):
                    with session.told():
                        if not _take(user, step, code, reason.strip(), days, now):
                            raise AntispamError(_("Somebody else changed it meanwhile."))
                        st.rerun()


def _take(user: User, step: Step, code: str, reason: str, days: int | None, now: int) -> bool:
    db = session.services().db
    if step is Step.LIMIT:
        return registry.limit_port(db, user, code, reason, days, now)
    if step is Step.RESUME:
        return registry.resume_port(db, user, code, reason, "", now, days)
    if step is Step.LIFT:
        return registry.lift_limit(db, user, code, reason, now)
    if step is Step.UNDERTAKE:
        return registry.record_undertaking(db, user, code, reason, now)
    change = registry.suspend_port if step is Step.SUSPEND else registry.terminate
    return change(db, user, code, reason, "", now)


def _proposals(_: Text, user: User) -> None:
    """Proposed tiers, with the conduct that asks for them."""
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    states = {"open": N_("to be decided"), "accepted": N_("accepted"), "rejected": N_("rejected")}
    states["overtaken"] = N_("overtaken")
    state = chosen_one("proposals", _("State"), {each: _(text) for each, text in states.items()}, "open")
    rows = tiers.proposals(services.db, user, state, PAGE)
    if not rows:
        st.info(_("No proposal is here. Each month is judged a day after its end."), icon=":material/inbox:")
        return
    frame = table(
        [
            (
                r.port,
                word(_, r.before),
                word(_, r.after),
                "; ".join(_months(_, Month(**each)) for each in r.evidence),
                clock(zone, r.proposed_at),
                r.decided_by or "–",
            )
            for r in rows
        ],
        columns=[_("Code"), _("Tier now"), _("Proposed"), _("Conduct"), _("Time"), _("Decided by")],
    )
    chosen = chosen_row("proposal", frame, [f"{r.port}@{r.month}" for r in rows], key=f"proposals_{state}")
    told = _(
        "High risk: more than {limit} complaints per million messages last month. Ordinary again: {n} clean months."
    )
    st.caption(told.format(limit=f"{LIMIT:g}", n=CLEAN_MONTHS))
    if chosen is None or state != "open" or not allowed(user, Right.EDIT_PORTS):
        return
    row = rows[chosen]
    note = st.text_input(_("Reason"), max_chars=200, key="proposal_note")
    yes, no = st.columns(2)
    label = _("Make {port} {tier}").format(port=row.port, tier=word(_, row.after))
    accepted = yes.button(label, type="primary", width="stretch", key="proposal_accept")
    rejected = no.button(_("Leave it as it is"), width="stretch", disabled=not note.strip(), key="proposal_reject")
    if accepted or rejected:
        with session.told():
            if not tiers.decide_tier(services.db, user, row.port, row.month, accepted, note.strip(), now):
                raise AntispamError(_("Somebody else changed its tier meanwhile; the proposal is overtaken."))
            st.rerun()


def _appeals(_: Text, user: User) -> None:
    """Appeals of ports, oldest first; another person than the first decides."""
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    states = {"open": N_("to be decided"), "granted": N_("granted"), "denied": N_("denied")}
    state = chosen_one("appeals", _("State"), {each: _(text) for each, text in states.items()}, "open")
    rows = appeals.appeals(services.db, user, state, PAGE)
    if not rows:
        st.info(_("No appeal is here."), icon=":material/inbox:")
        return
    refused, suspended = _("Refusal of {id}"), _("Suspension")
    frame = table(
        [
            (
                clock(zone, r.filed_at),
                r.port,
                suspended if r.about.startswith(appeals.SUSPENSION) else refused.format(id=r.about.partition("/")[2]),
                r.text,
                r.against or "–",
                r.decided_by or "–",
            )
            for r in rows
        ],
        columns=[_("Filed"), _("Code"), _("Against"), _("Words of the owner"), _("First decided by"), _("Decided by")],
    )
    chosen = chosen_row("appeal", frame, [str(r.id) for r in rows], key=f"appeals_{state}")
    st.caption(_("The oldest first; times in {zone}.").format(zone=zone))
    if chosen is None:
        return
    row = rows[chosen]
    st.code(row.text, language=None, wrap_lines=True)
    if state != "open":
        st.caption(_("Answer") + ": " + session.plain(row.answer))
        return
    if not appeals.may_decide(user, row.about, row.against):
        st.caption(_("Another person decides: one with the right, who did not decide first."))
        return
    reply = st.text_area(_("Answer to the owner"), max_chars=appeals.LONGEST, key=f"appeal_answer_{row.id}")
    if row.about.startswith(appeals.SUSPENSION):
        st.caption(_("Granted, the port is resumed."))
    else:
        st.caption(_("Granted, later submissions of this text no longer follow the refusal; the owner sends it again."))
    yes, no = st.columns(2)
    empty = not reply.strip()
    granted = yes.button(_("Grant"), type="primary", width="stretch", disabled=empty, key="appeal_grant")
    denied = no.button(_("Deny"), width="stretch", disabled=empty, key="appeal_deny")
    if granted or denied:
        with session.told():
            appeals.decide_appeal(services.db, user, row.id, granted, reply, now)
            st.rerun()


def _months(_: Text, month: Month) -> str:
    rate = f"{month.complaints * 1_000_000 / month.messages:,.2f}" if month.messages else "–"
    return _("{month}: {complaints} complaints, {rate} per million, {violations} violations").format(
        month=month.month, complaints=count(month.complaints), rate=rate, violations=count(month.violations)
    )


def _recent(_: Text, user: User, entry: PortEntry, zone: str, now: int) -> None:
    services = session.services()
    st.header(_("Newest submissions, 7 days"))
    query = Query(since=now - WEEK_MS, until=now + MINUTE_MS, port=entry.code, limit=10)
    rows = search(services.db, services.lake.cursor(), services.privacy, user, query)
    if not rows:
        st.caption(_("None in the lake."))
        return
    frame = table(
        [
            (clock(zone, f.at), word(_, f.verdict or "undecided"), ", ".join(r["rule"] for r in f.reasons), f.content)
            for f in rows
        ],
        columns=[_("Time"), _("Verdict"), _("Rules"), _("Text, masked")],
    )
    st.dataframe(frame, hide_index=True, height="content")
