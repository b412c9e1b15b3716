"""Complaints: the list with what each is about, rates, files of the channels, answers.

Numbers are shown without their middle digits and texts masked; neither is in the address.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import session
from dashboards.address import chosen_row, given, keep
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import at_right, table
from dashboards.words import clock, count, word
from pipeline.actions.complaints import answers, complaint_file, settling
from pipeline.actions.complaints.complaint_list import Filters, Shown, complaints, counts
from pipeline.actions.complaints.intake import Taken
from pipeline.actions.complaints.matching import Doubt, Found
from pipeline.actions.complaints.rates import By, rates
from pipeline.rules.clock.months import before, bounds, month_of
from pipeline.store.accounts.roles import Right, User, allowed

SECTIONS = {"list": N_("Complaints"), "rates": N_("Rates"), "file": N_("Take a file"), "answers": N_("Answers")}
CHANGING = ("file", "answers")  # sections that need the right to change lists
FOUND = {
    Found.WAITING: N_("waits for its message"),
    Found.MATCHED: N_("matched"),
    Found.DOUBTFUL: N_("doubtful"),
    Found.UNMATCHED: N_("unmatched"),
}
DOUBTS = {
    Doubt.NONE: "",
    Doubt.NO_MESSAGE: N_("the number got no message of this sender"),
    Doubt.NOT_SENT: N_("the message was not sent"),
    Doubt.TEXT_DIFFERS: N_("the number got messages, but none with this text"),
    Doubt.SEVERAL: N_("without a text, several messages fit"),
    Doubt.HIDDEN_NUMBER: N_("digits of the number are hidden, and nothing else tells"),
}
ANSWERS = {"open": N_("not answered"), "overdue": N_("overdue"), "given": N_("answered")}
BY: dict[By, str] = {"port": N_("port"), "enterprise": N_("enterprise"), "month": N_("month")}
NONE = 0  # among the messages to choose from: it is about none of them
PAGE = 100
MONTHS = 12  # to choose from
FAULTS = 20  # refused lines shown; all of them are in the file to download
TAKEN = "complaint_taken"  # key in the session state: what became of the last file


def page() -> None:
    """Show the page of complaints."""
    user, _ = session.user(), session.text()
    st.title(_("Complaints"))
    may = allowed(user, Right.EDIT_LISTS) and not user.scope
    sections = [each for each in SECTIONS if may or each not in CHANGING]
    section = st.segmented_control(
        _("Section"),
        sections,
        default=given("section", sections, "list"),
        format_func=lambda each: _(SECTIONS[each]),
        key="section",
        required=True,
        label_visibility="collapsed",
    )
    keep("section", section)
    {"list": _list, "rates": _rates, "file": _file, "answers": _answers}[section](_, user)


def _list(_: Text, user: User) -> None:
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    filters = _filters(_, zone, now)
    found = counts(services.db, user, filters, now)
    total = sum(found.values())
    if not total:
        st.info(_("No complaint fits."), icon=":material/inbox:")
        return
    parts = " · ".join(_("{n} {what}").format(n=count(found[state]), what=_(FOUND[state])) for state in Found)
    st.caption(
        _("{n} complaints at {time}, {zone}: {parts}").format(
            n=count(total), time=clock(zone, now), zone=zone, parts=parts
        )
    )
    key = f"page_{filters}"
    turned = st.session_state.get(key, 1)
    rows = complaints(services.db, user, filters, now, PAGE, (turned - 1) * PAGE)
    frame = table(
        [
            (
                clock(zone, r.received_at) if r.received_at else "–",
                r.sender,
                r.number,
                word(_, r.source or None),
                _(FOUND[Found(r.found)]),
                _standing(_, r, now),
                clock(zone, r.due_at),
                r.content,
            )
            for r in rows
        ],
        columns=[
            _("Received"),
            _("About"),
            _("Number"),
            _("Collected by"),
            _("Its message"),
            _("Answer"),
            _("Answer due"),
            _("Text, masked"),
        ],
    )
    wide = {_("Text, masked"): st.column_config.TextColumn(width="large")}
    left, right = st.columns([3, 1], gap="medium")
    with left:
        chosen = chosen_row(
            "complaint",
            frame,
            [f"{r.id}@{r.port}" for r in rows],
            key=f"complaints_{filters}_{turned}",
            column_config=wide,
            height="content" if len(rows) < 15 else 560,
        )
        if total > PAGE:
            st.pagination(-(-total // PAGE), key=key)
    with right:
        if chosen is None:
            st.caption(_("Choose a complaint to see what it is about."))
        else:
            _one(_, user, rows[chosen], zone)


def _filters(_: Text, zone: str, now: int) -> Filters:
    """The filters, each of which stays in the address."""
    sources = sorted(session.services().settings.complaint_shapes)
    months = _months(zone, now)
    columns = st.columns(5, vertical_alignment="bottom")
    source = _choice(_, columns[0], _("Collected by"), "source", {each: word(_, each) for each in [*sources, "http"]})
    found = _choice(_, columns[1], _("Its message"), "found", {state.value: _(FOUND[state]) for state in Found})
    answer = _choice(_, columns[2], _("Answer"), "answer", {each: _(label) for each, label in ANSWERS.items()})
    month = _choice(_, columns[3], _("Month of the complaint"), "month", {each: each for each in months})
    port = columns[4].text_input(
        _("Port begins with"), value=st.query_params.get("port", "")[:21], max_chars=21, key="port_begins"
    )
    port = "".join(c for c in port if c.isdigit())
    keep("port", port or None)
    since, until = bounds(month, zone) if month else (None, None)
    return Filters(source=source, found=found, port=port, answer=answer, since=since, until=until)


def _choice(_: Text, place: st.delta_generator.DeltaGenerator, label: str, name: str, options: dict[str, str]) -> str:
    values = ["", *options]
    chosen: str = place.selectbox(
        label,
        values,
        index=values.index(given(name, values, "")),
        format_func=lambda each: options[each] if each else _("all"),
        key=f"choice_{name}",
    )
    keep(name, chosen or None)
    return chosen


def _standing(_: Text, row: Shown, now: int) -> str:
    late = row.due_at is not None and row.due_at < now
    standing = "given" if row.answered_at is not None else "overdue" if late else "open"
    return _(ANSWERS[standing])


def _one(_: Text, user: User, row: Shown, zone: str) -> None:
    st.header(_(FOUND[Found(row.found)]))
    if row.doubt:
        st.warning(_(DOUBTS[Doubt(row.doubt)]), icon=":material/help:")
    lines = [
        (_("Port"), f"[{row.port}](/ports?port={row.port})" if row.port.isdigit() else row.port),
        (_("Complained about"), row.sender),
        (_("Number"), session.plain(row.number)),
        (_("Complained at"), clock(zone, row.complained_at)),
        (_("Reference"), session.plain(row.reference) or "–"),
        (_("Submission"), session.plain(row.message) or "–"),
        (_("Campaign"), f"[{row.campaign}](/search?campaign={row.campaign})" if row.campaign else "–"),
        (_("Answered at"), clock(zone, row.answered_at)),
    ]
    if row.settled_by:
        told = _("{who}, {time}").format(who=session.plain(row.settled_by), time=clock(zone, row.settled_at))
        lines.append((_("Settled by"), told))
    st.markdown("  \n".join(f"{label}: {value}" for label, value in lines))
    if row.blocked:
        st.caption(_("The number gets no more commercial messages of the port; codes and notices still reach it."))
    else:
        st.caption(_("The number is not blocked: it is hidden in part, or no port is registered, or it was taken off."))
    if row.content:
        st.caption(_("Text, masked"))
        st.code(row.content, language=None, wrap_lines=True)
    settled = row.found == Found.DOUBTFUL or row.settled_by is not None
    if settled and row.answered_at is None and allowed(user, Right.EDIT_LISTS):
        with session.told():
            _settle(_, user, row, zone)


def _settle(_: Text, user: User, row: Shown, zone: str) -> None:
    """Choose the message that a doubtful complaint is about: the arrow keys choose, Ctrl and Enter settle."""
    db = session.services().db
    possible = {each.number: each for each in settling.possible(db, user, row.id, row.port)}
    st.header(_("Which message is it about?"))
    if not possible:
        st.caption(_("No message of this sender to this number is known."))

    def told(number: int) -> str:
        if number == NONE:
            return _("none of them") if possible else _("no message of ours")
        each = possible[number]
        sent = _("sent") if each.sent else _("not sent")
        return _("{time} · to {number} · {sent} · text alike {share} %").format(
            time=clock(zone, each.at), number=each.recipient, sent=sent, share=f"{100 * each.likeness:.0f}"
        )

    with st.form(f"settle_{row.id}_{row.port}", border=False):
        chosen = st.radio(
            _("Which message is it about?"),
            [*possible, NONE],
            index=next((n for n, each in enumerate(possible.values()) if each.message == row.message), None),
            format_func=told,
            captions=[session.plain(possible[number].content) for number in possible] + [""],
            label_visibility="collapsed",
        )
        st.caption(_("The number gets no more commercial messages of the port. You may change it until the answer."))
        if st.form_submit_button(_("Settle"), type="primary", shortcut="Ctrl+Enter") and chosen is not None:
            settling.settle(db, user, row.id, row.port, None if chosen == NONE else chosen, now_ms())
            st.rerun()


def _rates(_: Text, user: User) -> None:
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    months = _months(zone, now)
    by = left.selectbox(
        _("Grouped by"),
        list(BY),
        index=list(BY).index(given("by", list(BY), "port")),
        format_func=lambda each: _(BY[each]),
    )
    month = right.selectbox(_("Month"), months, index=months.index(given("month", months, months[0])))
    keep("by", by)
    keep("month", month)
    found = rates(services.db, user, by, month, zone, PAGE)
    if not found:
        st.info(_("No complaint was made in this month."), icon=":material/inbox:")
        return
    frame = table(
        [
            (
                r.name or "–",
                "–" if r.per_million is None else f"{r.per_million:,.2f}",
                count(r.total),
                count(r.messages),
                *(count(r.complaints.get(state, 0)) for state in Found),
            )
            for r in found
        ],
        columns=[
            _(BY[by]),
            _("Complaints per million messages"),
            _("Complaints"),
            _("Messages sent"),
            *(_(FOUND[state]) for state in Found),
        ],
    )
    height: Any = "content" if len(found) < 15 else 560
    st.dataframe(frame, hide_index=True, height=height, column_config=at_right(*frame.columns[1:]))
    told = _("Messages that left for the carriers, counted every hour from the lake; – where none is known. {zone}.")
    st.caption(told.format(zone=zone))


def _file(_: Text, user: User) -> None:
    services = session.services()
    if TAKEN in st.session_state:
        _outcome(_, *st.session_state[TAKEN])
    shapes = sorted(services.settings.complaint_shapes)
    shape = _channel(_, shapes)
    keep("source", shape)
    st.caption(_("UTF-8 or GBK, at most 10,000 lines and 2 MB. Nothing is taken before you confirm."))
    file = st.file_uploader(_("File"), label_visibility="collapsed", key="complaint_file")
    if file is None:
        return
    with session.told():
        lines = complaint_file.read_upload(user, file.getvalue(), shape, services.settings)
        bad = [line for line in lines if isinstance(line.complaint, str)]
        good = len(lines) - len(bad)
        st.write(
            _("{n} complaints can be taken; {m} lines are refused. Known ones change nothing.").format(
                n=count(good), m=count(len(bad))
            )
        )
        _refused(_, bad)
        st.caption(
            _("Each number gets no more commercial messages of its port, and the complaints count for the port.")
        )
        label = _("Take {n} complaints").format(n=count(good))
        if st.button(label, type="primary", disabled=not good, key="complaint_take"):
            taken = complaint_file.take_lines(services.db, user, lines, services.settings)
            st.session_state[TAKEN] = (taken, bad)
            del st.session_state["complaint_file"]
            st.rerun()


def _refused(_: Text, bad: list[complaint_file.Line]) -> None:
    if bad:
        lines = [_("line {n}: {fault}").format(n=line.number, fault=line.complaint) for line in bad[:FAULTS]]
        st.code("\n".join(lines), language=None, wrap_lines=True)
        if len(bad) > FAULTS:
            st.caption(_("The first {n} refused lines are shown.").format(n=FAULTS))


def _outcome(_: Text, taken: Taken, bad: list[complaint_file.Line]) -> None:
    with st.container(border=True):
        st.markdown(
            _("**{new} new complaints, {strange} of them about no registered port; {known} known.**").format(
                new=count(taken.new), strange=count(taken.strange), known=count(taken.doubles)
            )
        )
        if bad:
            st.download_button(
                _("Refused lines"),
                complaint_file.rejected_file(bad),
                "complaints.rejected.jsonl",
                "application/x-ndjson",
                on_click="ignore",
                icon=":material/download:",
            )
        if st.button(_("Close"), key="taken_close"):
            del st.session_state[TAKEN]
            st.rerun()


def _answers(_: Text, user: User) -> None:
    services, now = session.services(), now_ms()
    settings, zone = services.settings, services.settings.console_zone
    shapes = sorted(settings.complaint_shapes)
    source = _channel(_, shapes)
    keep("source", source)
    waiting = counts(services.db, user, Filters(source=source, answer="open"), now)
    overdue = sum(counts(services.db, user, Filters(source=source, answer="overdue"), now).values())
    ready = sum(number for found, number in waiting.items() if found != Found.WAITING)
    st.caption(
        _("{ready} can be answered, {waiting} wait for their message, {overdue} are overdue; {time}, {zone}").format(
            ready=count(ready),
            waiting=count(waiting[Found.WAITING]),
            overdue=count(overdue),
            time=clock(zone, now),
            zone=zone,
        )
    )
    with st.popover(_("Answer {n}").format(n=count(ready)), icon=":material/outgoing_mail:", disabled=not ready):
        st.write(_("They count as answered from now on; their file can be made again at any time."))
        if st.button(_("Answer {n}").format(n=count(ready)), type="primary", key="answer_now"):
            with session.told():
                answers.answer(services.db, user, source, settings, now)
                st.rerun()
    given_before = answers.answered(services.db, user, source, settings)
    if not given_before:
        st.info(_("Nothing of this channel has been answered yet."), icon=":material/inbox:")
    for row in given_before:
        at = datetime.fromtimestamp(row.answered_at / 1000, ZoneInfo(zone))
        st.download_button(
            _("{n} answers of {time}").format(n=count(row.number), time=clock(zone, row.answered_at)),
            partial(answers.answer_file, services.db, user, source, settings, row.answered_at),
            f"answers-{source}-{at:%Y%m%d-%H%M%S}.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
            key=f"answers_{row.answered_at}",
        )


def _channel(_: Text, shapes: list[str]) -> str:
    index = shapes.index(given("source", shapes, shapes[0]))
    return str(st.selectbox(_("Collected by"), shapes, index=index, format_func=lambda each: word(_, each)))


def _months(zone: str, now: int) -> list[str]:
    months = [month_of(now, zone)]
    while len(months) < MONTHS:
        months.append(before(months[-1]))
    return months
