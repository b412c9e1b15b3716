"""Traces: the frames of a channel, a port or a number, started for some minutes, shown with their fields."""

from __future__ import annotations

import msgspec
import streamlit as st

from dashboards import session
from dashboards.address import chosen_row, given
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.table import table
from dashboards.words import clock, count
from pipeline.actions.tracing import traces
from pipeline.actions.tracing.one_message import of_message
from pipeline.actions.tracing.recorder import Noted, of_account
from pipeline.actions.tracing.subject import Subject
from pipeline.store import audit
from pipeline.store.accounts.roles import Right, User, allowed

SUBJECTS = {Subject.CHANNEL: N_("channel"), Subject.PORT: N_("port"), Subject.NUMBER: N_("number")}
RESULTS = ("result", "status")  # 0: accepted
WIDTHS = (105, 100, 90, 120, 110, 720)  # pixels, of the columns of frames
REVEALED = "trace_revealed"


def page(_: Text, user: User) -> None:
    """Show the traces, the form that starts one, and the frames of the chosen one; the address keeps it."""
    if not allowed(user, Right.CONTROL_CHANNELS):
        st.info(_("Traces need the right control_channels, for all ports."), icon=":material/lock:")
        return
    services, now = session.services(), now_ms()
    zone = services.settings.console_zone
    _start(_, user)
    rows = traces.traces(services.db, user)
    if not rows:
        st.info(_("No trace is here. Start one, and send a message."), icon=":material/inbox:")
        return
    frame = table(
        [
            (
                str(row.id),
                _(SUBJECTS[row.subject]),
                row.value,
                _("runs until {time}").format(time=clock(zone, row.until)) if row.until > now else _("over"),
                count(row.frames),
                row.reason,
                row.started_by,
                clock(zone, row.started_at),
            )
            for row in rows
        ],
        columns=[
            _("trace"),
            _("of a"),
            _("value"),
            _("state"),
            _("frames"),
            _("reason"),
            _("by"),
            _("started"),
        ],
    )
    st.caption(_("The newest first; times in {zone}.").format(zone=zone))
    number = chosen_row("trace", frame, [str(row.id) for row in rows], key=f"traces_{rows[0].id}", height="content")
    if number is None:
        st.caption(_("Choose a trace to see its frames."))
        return
    row = rows[number]
    buttons = st.container(horizontal=True)
    if buttons.button(_("Read again"), icon=":material/refresh:", key="trace_again"):
        st.session_state.pop(REVEALED, None)
    if row.until > now and buttons.button(_("Stop this trace"), icon=":material/stop_circle:", key="trace_stop"):
        with session.told():
            traces.stop(services.db, user, row.id, now)
            st.rerun()
    _frames(_, user, row.id, zone)


def _start(_: Text, user: User) -> None:
    subjects = list(Subject)
    with st.expander(_("Start a trace"), icon=":material/radio_button_checked:"):
        left, middle, right = st.columns([1, 2, 1])
        subject = left.selectbox(
            _("Of a"),
            subjects,
            index=subjects.index(Subject(given("subject", [str(each) for each in subjects], "port"))),
            format_func=lambda each: _(SUBJECTS[each]),
        )
        value = middle.text_input(_("Its name, code or number"), value=st.query_params.get("value", ""), max_chars=32)
        minutes = right.number_input(_("Minutes"), 1, traces.MOST_MINUTES, 10)
        reason = st.text_input(_("Reason"), max_chars=audit.LONGEST_REASON)
        st.caption(
            _("At most {n} frames are kept, for {days} days. The audit trail keeps the reason.").format(
                n=count(traces.MOST_FRAMES), days=session.services().settings.status_days
            )
        )
        if st.button(
            _("Start"), type="primary", key="trace_start", disabled=audit.is_short(reason) or not value.strip()
        ):
            with session.told():
                db = session.services().db
                made = traces.start(db, user, subject, value, int(minutes), reason, now_ms())
                st.query_params["trace"] = str(made)
                st.rerun()


def _frames(_: Text, user: User, trace: int, zone: str) -> None:
    found = traces.frames(session.services().db, user, trace)
    if not found:
        st.info(_("No frame yet: senders and links look for traces every second."), icon=":material/hourglass_empty:")
        return
    full = _revealed(_, user, trace) if allowed(user, Right.SEE_FULL_TEXT) else None
    if full is not None:  # of a running trace, not as many as were found above
        found = full
    columns = [_("time"), _("channel or account"), _("link number"), _("direction"), _("frame"), _("fields")]
    number = chosen_row(
        "frame",
        table([_row(_, each, zone) for each in found], columns),
        [str(n) for n in range(len(found))],
        key=f"frames_{trace}_{len(found)}_{full is not None}",
        height=360,
        column_config={name: st.column_config.Column(width=wide) for name, wide in zip(columns, WIDTHS, strict=True)},
    )
    if number is None:
        st.caption(_("Choose a frame to see its fields and the other frames of its message."))
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.header(_("Its fields"))
        fields = [(name, _plain(value)) for name, value in found[number].body.items()]
        st.dataframe(table(fields, (_("field"), _("value"))), hide_index=True, height="content")
    with right:
        st.header(_("Frames of its message"))
        own = of_message(found, found[number])
        st.dataframe(table([_row(_, each, zone) for each in own], columns), hide_index=True, height="content")


def _revealed(_: Text, user: User, trace: int) -> list[Noted] | None:
    """The frames with numbers and texts, after a reason; kept until they are read again or another trace is chosen."""
    kept: tuple[str, int, list[Noted]] | None = st.session_state.get(REVEALED)
    if kept is not None and kept[:2] == (user.name, trace):
        return kept[2]
    st.session_state.pop(REVEALED, None)
    with st.popover(_("Show numbers and texts"), icon=":material/visibility:"):
        reason = st.text_input(_("Reason"), key=f"trace_reason_{trace}", max_chars=audit.LONGEST_REASON)
        if st.button(_("Show"), type="primary", key=f"trace_full_{trace}", disabled=audit.is_short(reason)):
            with session.told():
                full = traces.full_frames(session.services().db, user, trace, reason, now_ms())
                st.session_state[REVEALED] = (user.name, trace, full)
                st.rerun()
    return None


def _row(_: Text, noted: Noted, zone: str) -> tuple[str, ...]:
    at = f"{clock(zone, noted.at, date=False)}.{noted.at % 1000:03d}"
    port = noted.channel.startswith(of_account(""))
    if noted.outgoing:
        direction = _("to the port") if port else _("to the carrier")
    else:
        direction = _("from the port") if port else _("from the carrier")
    return at, noted.channel, str(noted.link), direction, noted.command, _line(noted)


def _line(noted: Noted) -> str:
    """The fields in a line: number and result, then texts, then codes. Those that say nothing are left out."""
    body = noted.body
    always = RESULTS if noted.command.endswith("Resp") else ()
    left_out = ("content", "short_message") if body.get("text") or body.get("report") else ()  # the same in octets
    said = [
        (name, value)
        for name, value in body.items()
        if name in always or (name not in left_out and not _is_nothing(value))
    ]
    said.sort(key=lambda each: (each[0] != "sequence", each[0] not in RESULTS, isinstance(each[1], int)))
    return " · ".join(f"{name} {_plain(value)}" for name, value in said)


def _is_nothing(value: object) -> bool:
    return not (value.strip("0") if isinstance(value, str) else value)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
