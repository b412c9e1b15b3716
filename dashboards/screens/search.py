"""Search: masked messages and decisions from the lake. Users with the right may show one full text at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import saved_views, session
from dashboards.address import chosen_row, given, keep, link
from dashboards.deck import campaign_words, segments
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.marked import marked
from dashboards.table import table
from dashboards.words import VERDICT_COLOURS, clock, count, span, word
from pipeline.actions.console.reveal import reveal
from pipeline.actions.console.search import (
    GROUPS,
    MAX_ROWS,
    RECORDS,
    SUBMISSIONS,
    UNDECIDED,
    Found,
    Query,
    grouped,
    message_states,
    over_time,
    parts_of_score,
    reviewed,
    search,
    totals,
)
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.console.why import campaign_sizes
from pipeline.events import SuppressedBy, Verdict
from pipeline.store.accounts.roles import Right, User, allowed

KINDS = {SUBMISSIONS: N_("Submissions"), RECORDS: N_("Records")}
GROUP_WORDS = {
    "": N_("nothing: a list"),
    "verdict": N_("Verdict"),
    "rule": N_("Deciding rule"),
    "sender": N_("Sender"),
    "category": N_("Category"),
    "campaign": N_("Campaign"),
    "text": N_("Text"),
}
NARROWS = {"verdict": "verdict", "rule": "rule", "sender": "port", "campaign": "campaign"}  # fields of the form
PAGE = 500  # rows on a page of results, newest first
SHOWN = 200  # most messages of a submission shown
TABLE_HEIGHT = 560  # px until the style makes it fit the window
WORDS_SHOWN = 6  # most words shown for a reason


def page() -> None:
    """Show the search page."""
    user, _ = session.user(), session.text()
    services = session.services()
    zone = services.settings.console_zone
    title, saved = st.columns([6, 1.4], vertical_alignment="bottom")
    title.title(_("Search"))
    with saved:
        saved_views.panel(_, user, "search")
    query = _form(_, user, zone)
    with session.told():
        lake = services.lake.cursor()
        events, messages = totals(services.db, lake, services.privacy, user, query)
        if not events:
            st.info(_("Nothing fits. A longer period or fewer words may."), icon=":material/search_off:")
            return
        _chart(_, user, query)
        groups = ["", *GROUPS]
        by = st.segmented_control(
            _("Grouped by"),
            groups,
            default=given("by", groups, ""),
            format_func=lambda each: _(GROUP_WORDS[each]),
            key="search_by",
            required=True,
        )
        keep("by", str(by) or None)
        if by:
            _groups(_, user, query, str(by), events, messages)
        else:
            _results(_, user, replace(query, limit=PAGE), events, messages)


def _chart(_: Text, user: User, query: Query) -> None:
    """What was found, by time and verdict."""
    services = session.services()
    width, moments = over_time(services.db, services.lake.cursor(), services.privacy, user, query)
    zone = ZoneInfo(services.settings.console_zone)
    verdicts = [*(v.value for v in Verdict), UNDECIDED]
    names = {v: word(_, v) for v in verdicts}
    rows = [
        (datetime.fromtimestamp(m.at / 1000, zone).replace(tzinfo=None), names[m.verdict], m.messages) for m in moments
    ]
    frame = pd.DataFrame(rows, columns=["time", "verdict", "messages"])
    colours = [VERDICT_COLOURS.get(v, "#8a929c") for v in verdicts]
    per = _("messages in {time}").format(time=span(_, width))
    chart = (
        alt.Chart(frame)
        .mark_bar(width={"band": 0.9})
        .encode(
            x=alt.X("time:T", title=None, axis=alt.Axis(labelAngle=0, format="%m-%d %H:%M", tickCount=8)),
            y=alt.Y("sum(messages):Q", title=per, axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "verdict:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=colours),
                legend=alt.Legend(orient="top", columns=4),  # two rows fit a narrow window
            ),
            tooltip=[
                alt.Tooltip("time:T", title=_("Time"), format="%m-%d %H:%M"),
                alt.Tooltip("verdict:N", title=_("Verdict")),
                alt.Tooltip("sum(messages):Q", title=_("Messages"), format=","),
            ],
        )
        .properties(height=230)
    )
    st.altair_chart(chart, width="stretch")


def _groups(_: Text, user: User, query: Query, by: str, events: int, messages: int) -> None:
    """What was found by one column, with a link that narrows the search to a row."""
    services = session.services()
    found = grouped(services.db, services.lake.cursor(), services.privacy, user, query, by)
    frame = table(
        [(_shown_value(_, by, g.value), g.events, g.messages, f"{100 * g.messages / messages:.1f}") for g in found],
        columns=["value", "events", "messages", "share"],
    )
    told = _("{n} groups of {events} found, {messages} messages; text and numbers masked")
    head = st.columns([8, 1.5], vertical_alignment="center")
    head[0].caption(told.format(n=count(len(found)), events=count(events), messages=count(messages)))
    head[1].download_button(
        _("Save as csv"),
        frame.to_csv(index=False).encode("utf-8-sig"),
        file_name=f"search-by-{by}.csv",
        mime="text/csv",
        on_click="ignore",
        width="stretch",
        icon=":material/download:",
    )
    chosen = st.dataframe(
        frame,
        hide_index=True,
        height="content" if len(found) < 15 else TABLE_HEIGHT,
        on_select="rerun",
        selection_mode="single-row",
        key=f"groups_{by}_{len(found)}",
        column_config={
            "value": st.column_config.TextColumn(_(GROUP_WORDS[by]), width=560 if by == "text" else 240),
            "events": st.column_config.NumberColumn(_("Found"), format="localized", width=110),
            "messages": st.column_config.NumberColumn(_("Messages"), format="localized", width=110),
            "share": st.column_config.TextColumn(_("Share, %"), width=90),
        },
    )["selection"]["rows"]
    field = NARROWS.get(by)
    if chosen and field is not None and found[chosen[0]].value:
        st.button(
            _("Search only these"), type="primary", key="narrow", on_click=_narrow, args=(field, found[chosen[0]].value)
        )
    elif field is not None:
        st.caption(_("Choose a row to search only these."))


def _shown_value(_: Text, by: str, value: str) -> str:
    if not value:
        return _("none")
    return word(_, value) if by in ("verdict", "category") else value


def _narrow(field: str, value: str) -> None:
    """Put the chosen group into the form, before its fields are shown."""
    st.session_state[field] = value
    st.session_state["search_by"] = ""


def _results(_: Text, user: User, query: Query, events: int, messages: int) -> None:
    services = session.services()
    zone = services.settings.console_zone
    pages = -(-min(events, MAX_ROWS) // PAGE)
    row = st.columns([5, 3, 1.5], vertical_alignment="center")
    told = _("{n} found, {messages} messages; times in {zone}; text and numbers masked")
    row[0].caption(told.format(n=count(events), messages=count(messages), zone=zone))
    with row[1]:
        turned = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1

    def ask(query: Query) -> list[Found]:
        return search(services.db, services.lake.cursor(), services.privacy, user, query)

    row[2].download_button(
        _("Save as csv"),
        lambda: _frame(_, ask(replace(query, limit=MAX_ROWS)), zone).to_csv(index=False).encode("utf-8-sig"),
        file_name="search.csv",
        mime="text/csv",
        on_click="ignore",
        width="stretch",
        icon=":material/download:",
        help=_("The newest {n} at most, as shown: masked.").format(n=count(MAX_ROWS)),
    )
    found = ask(replace(query, offset=(turned - 1) * PAGE))
    idents = [f"{f.position.partition}-{f.position.offset}" for f in found]
    opened = st.query_params.get("row") in idents  # as long as none is chosen, the texts have the whole width
    left, right = st.columns([5, 3], gap="medium") if opened else (st.columns(1)[0], st.container())
    with left, st.container(key="window", height=TABLE_HEIGHT, border=False):
        chosen = _table(_, found, idents, zone)
    if (chosen is not None) != opened:
        st.rerun()
    with right:
        if chosen is None:
            st.caption(_("Choose a row to see its decision, its messages and their delivery."))
        else:
            _detail(_, user, found[chosen], zone)


def _form(_: Text, user: User, zone: str) -> Query:
    now = datetime.now(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)
    # The default is set once for each visit: a new default would make a new field each minute. It is the field's
    # value, because a default in the field's state reaches the form too late if the user presses the button at once.
    if "since" not in st.session_state:
        st.session_state["period"] = now - timedelta(days=1), now.replace(hour=23, minute=59)
    first, last = st.session_state["period"]
    with st.form("search", border=True):
        row = st.columns([2, 2, 1.5, 1.5, 1.5], vertical_alignment="bottom")
        since = row[0].datetime_input(_("From"), first, key="since", bind="query-params")
        until = row[1].datetime_input(_("To"), last, key="until", bind="query-params")
        kinds = [SUBMISSIONS] if user.scope else list(KINDS)
        kind = row[2].selectbox(
            _("What"),
            kinds,
            index=kinds.index(given("kind", kinds, SUBMISSIONS)),
            format_func=lambda kind: _(KINDS[kind]),
            key="kind",
        )
        verdicts = [None, *(v.value for v in Verdict), UNDECIDED]
        verdict = row[3].selectbox(
            _("Verdict"),
            verdicts,
            index=verdicts.index(given("verdict", verdicts, None)),
            format_func=lambda v: word(_, v or "all"),
            key="verdict",
        )
        rule = row[4].text_input(_("Rule"), max_chars=128, key="rule", bind="query-params")
        row = st.columns([2, 2, 2, 1.5, 1.5], vertical_alignment="bottom")
        port = row[0].text_input(_("Port or sender begins with"), max_chars=21, key="port", bind="query-params")
        number = row[1].text_input(
            _("Number"),
            max_chars=24,
            help=_("Recipient or sender; hashed before it is compared; not kept in the address."),
        )
        text = row[2].text_input(
            _("Text contains"),
            max_chars=100,
            help=_("Compared with masked text: figures and names are left out."),
            key="text",
            bind="query-params",
        )
        campaign = row[3].text_input(_("Campaign"), max_chars=17, key="campaign", bind="query-params")
        row[4].form_submit_button(_("Search"), type="primary", width="stretch", icon=":material/search:")

    keep("kind", None if kind == SUBMISSIONS else kind)
    keep("verdict", verdict)

    def ms(at: datetime | None) -> int:
        return int((at or now).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)

    return Query(
        since=ms(since),
        until=ms(until),
        kind=kind,
        port=port,
        verdict=verdict,
        rule=rule,
        text=text,
        number=number,
        campaign=campaign,
    )


def _frame(_: Text, found: list[Found], zone: str) -> pd.DataFrame:
    rows = [
        (
            clock(zone, f.at),
            f.sender,
            word(_, f.verdict or UNDECIDED),
            f.content,
            ", ".join(reason["rule"] for reason in f.reasons),
            f.score,
            len(f.recipients),
        )
        for f in found
    ]
    return table(rows, columns=["at", "sender", "verdict", "text", "rules", "score", "messages"])


def _table(_: Text, found: list[Found], idents: list[str], zone: str) -> int | None:
    return chosen_row(
        "row",
        _frame(_, found, zone),
        idents,
        height="stretch",
        key=f"found_{len(found)}_{idents[0]}",
        column_config={
            "at": st.column_config.TextColumn(_("Time"), width=150),
            "sender": st.column_config.TextColumn(_("Sender"), width=90),
            "verdict": st.column_config.TextColumn(_("Verdict"), width=65),
            "text": st.column_config.TextColumn(_("Text"), width=560),
            "rules": st.column_config.TextColumn(_("Rules"), width=150),
            "score": st.column_config.NumberColumn(_("Score"), format="%.2f", width=55),
            "messages": st.column_config.NumberColumn(_("Messages"), format="localized", width=75),
        },
    )


def _detail(_: Text, user: User, f: Found, zone: str) -> None:
    plain = session.plain
    st.markdown(f"**{word(_, f.verdict or UNDECIDED)}** · {plain(f.sender)} · `{f.id[:64].replace('`', '')}`")
    decided = _("Accepted {at}, decided {decided}, round {round}").format(
        at=clock(zone, f.at), decided=clock(zone, f.decided_at), round="–" if f.round is None else f.round
    )
    st.caption(decided + (" · " + _("degraded: a part was missing") if f.degraded else ""))
    spans = [(s["start"], s["end"], f"r{n % 6}") for n, reason in enumerate(f.reasons) for s in reason["spans"] or ()]
    # A masked link makes the text shorter, so the spans would mark wrong words. Then nothing is marked.
    st.html(marked(segments(f.content, spans if len(f.content) == f.length else [])))
    _parts(_, user, f.content, f.model)
    said = Sentences(session.services().db, session.chosen_language())
    for reason in f.reasons:
        words = dict.fromkeys(_found(_, s["word"], s["via"]) for s in reason["spans"] or () if s["word"])
        listed = f" · {plain(', '.join(list(words)[:WORDS_SHOWN]))}" if words else ""
        sentence = plain(said.of_reason(reason, f.policy)) + listed
        st.markdown(f"- **{plain(reason['rule'])}** → {word(_, reason['verdict'])}: {sentence}")
    for each in f.suppressed:
        st.markdown(f"- **{plain(each['rule'])}** → {word(_, each['verdict'])}: {_suppressed(_, each, zone)}")
    if f.campaign:
        size = campaign_sizes(session.services().lake.cursor(), [f.campaign]).get(f.campaign)
        st.markdown(_("Campaign") + f" `{f.campaign}` · " + (campaign_words(_, size) or _("not told any more")))
        link("explore", _("explore it"), campaign=f.campaign, by="content")
    _case(_, user, f, zone)
    if allowed(user, Right.SEE_FULL_TEXT):
        _reveal(_, user, f)
    _messages(_, user, f, zone)
    if f.sender.isdecimal() and allowed(user, Right.CONTROL_CHANNELS):
        link("channels", _("trace the frames of this sender"), section="trace", subject="port", value=f.sender)


def _suppressed(_: Text, match: dict[str, Any], zone: str) -> str:
    """Why a match did not count."""
    if match["cause"] == SuppressedBy.DAILY_CAP:
        return _("did not count: the daily cap was reached")
    until = match["until"]
    ends = clock(zone, int(until.timestamp() * 1000) if until else None)
    return _("did not count: snoozed for this {kind} until {time}").format(kind=word(_, match["scope"]), time=ends)


def _parts(_: Text, user: User, text: str, model: str | None) -> None:
    """Show the words with the largest weights in the score of this text."""
    parts = parts_of_score(session.services().db, user, text, model)
    if parts:
        pieces = " · ".join(f"{session.plain(text[p.start : p.end])} {p.log_odds:+.1f}" for p in parts)
        st.caption(_("Score by its parts (log-odds)") + ": " + pieces)


def _found(_: Text, found: str, via: str | None) -> str:
    return f"{word(_, found)} ({word(_, via)})" if via and via != "raw" else word(_, found)


def _case(_: Text, user: User, f: Found, zone: str) -> None:
    """Show the verdict of the reviewer, if there was a review."""
    if f.port is None:
        return
    with session.told():
        found = reviewed(session.services().db, user, f.port, f.sender, f.id)
        if found is None:
            return
        if found.verdict is None:
            st.markdown(_("Waits for a reviewer in case {case}.").format(case=f"`{found.case}`"))
            return
        told = _("Reviewer: {verdict}, by {name} at {at}").format(
            verdict=f"**{word(_, found.verdict)}**",
            name=session.plain(found.decided_by or "–"),
            at=clock(zone, found.decided_at),
        )
        st.markdown(told + (f" · {session.plain(found.note)}" if found.note else ""))


def _reveal(_: Text, user: User, f: Found) -> None:
    services = session.services()
    with st.popover(_("Show full text and numbers"), icon=":material/visibility:"):
        st.write(_("What you see and why is written to the audit trail."))
        reason = st.text_input(
            _("Reason"), key=f"why_{f.position}", max_chars=500, placeholder=_("e.g. a complaint's number")
        )
        if st.button(_("Show"), type="primary", key="reveal"):
            with session.told():
                full = reveal(services.db, services.settings, user, f.position, reason, now_ms())
                st.html(marked(segments(full.content, [])))
                _parts(_, user, full.content, f.model)
                st.code("\n".join(full.recipients[:100]), language=None)


def _messages(_: Text, user: User, f: Found, zone: str) -> None:
    exceptions = {x["recipient"]: x for x in f.exceptions}
    states = {}
    if f.port is not None:
        with session.told():
            states = {s.n: s for s in message_states(session.services().db, user, f.port, f.sender, f.id)}
    rows = []
    for n, recipient in enumerate(f.recipients[:SHOWN], 1):
        state = states.get(n)
        verdict = exceptions[recipient]["verdict"] if recipient in exceptions else f.verdict
        rows.append(
            (
                n,
                recipient,
                word(_, verdict or UNDECIDED),
                word(_, state.state) if state else "–",
                state.status if state else "",
                clock(zone, state.changed_at, date=False) if state else "–",
            )
        )
    columns = [_("No."), _("Recipient, hashed"), _("Verdict"), _("Delivery"), _("Carrier's word"), _("Changed")]
    st.dataframe(table(rows, columns=columns), hide_index=True, height="content" if len(rows) < 8 else 280)
