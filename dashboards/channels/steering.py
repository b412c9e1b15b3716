"""What people set for a channel: shown, changed after a confirmation, and undone."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.guard import now_ms
from dashboards.language import Text
from dashboards.words import clock
from pipeline.actions.senders.live import controls
from pipeline.actions.senders.live.controls import MOST_RATE, MOST_WEIGHT, Control, Steered
from pipeline.store import audit
from pipeline.store.accounts.roles import User

ACROSS = 4  # weights side by side; more stand below each other


def show(_: Text, user: User, channel: str, *, may: bool) -> None:
    """Show what is set for this channel; with the right, the form."""
    services = session.services()
    zone = services.settings.console_zone
    known = controls.controls(services.db, user).get(channel)
    if known is None:
        st.caption(_("Nothing is set for this channel: it works as its file says."))
    else:
        st.caption(
            _("{settings}. Set by {person} at {time}: {reason}").format(
                settings=_words(_, known.control),
                person=session.plain(known.changed_by),
                time=clock(zone, known.changed_at),
                reason=session.plain(known.reason),
            )
        )
    if not may:
        return
    if known is not None and known.before is not None:
        _undo(_, user, channel, known.changed_at, known.before)
    _form(_, user, channel, known)


def _undo(_: Text, user: User, channel: str, changed_at: int, before: Control) -> None:
    with st.popover(_("Undo the last change"), icon=":material/undo:"):
        st.write(_("Set it back to: {settings}").format(settings=_words(_, before)))
        mark = f"{channel}_{changed_at}"
        reason = st.text_input(_("Reason"), key=f"undo_reason_{mark}", max_chars=audit.LONGEST_REASON)
        short = audit.is_short(reason)
        if st.button(_("Undo"), type="primary", key=f"undo_{mark}", disabled=short):
            with session.told():
                controls.undo(session.services().db, user, channel, changed_at, reason, now_ms())
                st.rerun()


def _form(_: Text, user: User, channel: str, known: Steered | None) -> None:
    others = [name for name in session.services().settings.channels if name != channel]
    now = known.control if known is not None else Control()
    mark = f"{channel}_{known.changed_at if known is not None else 0}"  # a change elsewhere begins the form anew
    on, limit, order = st.columns([1, 1, 2], gap="medium")
    off = not on.toggle(_("Sends"), value=not now.off, key=f"on_{mark}")
    rate = limit.number_input(
        _("Limit, parts a second over all links"),
        min_value=0.1,
        max_value=MOST_RATE,
        value=now.total_rate,
        placeholder=_("as in the file"),
        key=f"rate_{mark}",
    )
    follow: tuple[str, ...] | None = None
    with order:
        if others and not st.checkbox(
            _("Who takes over: as in the file"), value=now.next is None, key=f"as_file_{mark}"
        ):
            kept = [name for name in now.next or () if name in others]
            chosen = st.multiselect(
                _("Takes over, the first one chosen first"),
                others,
                default=kept,
                placeholder=_("nobody"),
                key=f"next_{mark}",
            )
            follow = tuple(chosen)
    weights = _weights(_, [channel, *others], now, mark) if others else None
    wanted = Control(off=off, total_rate=rate, next=follow, weights=weights)
    if wanted == now:
        return
    with st.container(border=True):
        st.markdown(
            _("**{channel}**: {before} → {after}").format(
                channel=session.plain(channel), before=_words(_, now), after=_words(_, wanted)
            )
        )
        if wanted.off and not now.off:
            st.caption(
                _(
                    "Within two seconds it begins no further part. Its links stay, for answers and reports. Its "
                    "messages go to the channels that take over; those of ports that name this channel wait."
                )
            )
        reason = st.text_input(_("Reason"), key=f"reason_{mark}", max_chars=audit.LONGEST_REASON)
        short = audit.is_short(reason)
        if st.button(_("Set"), type="primary", key=f"set_{mark}", disabled=short):
            with session.told():
                services = session.services()
                seen = known.changed_at if known is not None else None
                controls.steer(services.db, user, services.settings.channels, channel, wanted, seen, reason, now_ms())
                st.toast(_("Set"))
                st.rerun()


def _weights(_: Text, channels: list[str], now: Control, mark: str) -> dict[str, int] | None:
    """What the form says of sharing; None: the channel sends all of its messages."""
    shares = not st.checkbox(_("It sends all of its messages"), value=now.weights is None, key=f"whole_{mark}")
    if not shares:
        return None
    st.caption(
        _(
            "Of its messages, each channel gets as many as its weight says; all messages of one port to one number "
            "take the same way. Ports that name this channel keep it. What a channel cannot take is sent here."
        )
    )
    before = now.weights or {channels[0]: 1}
    columns = st.columns(len(channels), gap="small") if len(channels) <= ACROSS else [st.container()] * len(channels)
    found = {
        name: int(column.number_input(name, 0, MOST_WEIGHT, before.get(name, 0), 1, key=f"weight_{name}_{mark}"))
        for name, column in zip(channels, columns, strict=True)
    }
    weights = {name: weight for name, weight in found.items() if weight}
    return weights if weights.keys() - {channels[0]} else None


def _words(_: Text, control: Control) -> str:
    """The settings in a few words."""
    words = [_("off") if control.off else _("on")]
    if control.total_rate is not None:
        words.append(_("at most {n} parts a second").format(n=f"{control.total_rate:g}"))
    if control.next is not None:
        names = session.plain(" → ".join(control.next)) or _("nobody")
        words.append(_("takes over: {channels}").format(channels=names))
    if control.weights is not None:
        shares = ", ".join(f"{name} {weight}" for name, weight in control.weights.items())
        words.append(_("shares: {weights}").format(weights=session.plain(shares)))
    if len(words) == 1 and not control.off:
        words.append(_("all else as in the file"))
    return ", ".join(words)
