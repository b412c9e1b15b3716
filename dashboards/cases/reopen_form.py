"""Reopening a verdict in effect: what it does is told before the key is pressed."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.guard import now_ms
from dashboards.language import N_, Text
from dashboards.words import count
from pipeline.actions.quality import reopening
from pipeline.events import Verdict
from pipeline.store import audit
from pipeline.store.accounts.roles import User

REOPENED = "reopened"  # key in the session state: the case that was reopened, and what became of its messages
DONE = {
    Verdict.RELEASE: N_("{n} messages have left or are leaving now: they cannot be called back."),
    Verdict.REJECT: N_("{n} messages were refused and answered: they leave only if their sender sends again."),
}


def show(_: Text, user: User, case: str) -> None:
    """Offer to reopen a case, or tell what reopening it has done."""
    with session.told():
        kept = st.session_state.get(REOPENED)
        if kept is not None and kept[0] == case:
            _outcome(_, kept[1])
            return
        effect = reopening.reopening(session.services().db, user, case)
        with st.popover(_("Reopen"), icon=":material/undo:"):
            st.markdown("\n".join(f"- {line}" for line in _told(_, effect)))
            reason = st.text_input(_("Reason"), max_chars=200, key=f"reopen_reason_{case}")
            short = audit.is_short(reason)
            if st.button(_("Reopen"), type="primary", key="reopen", disabled=short):
                done = reopening.reopen(session.services().db, user, case, reason, now_ms())
                st.session_state[REOPENED] = (case, done)
                st.rerun()


def _told(_: Text, effect: reopening.Reopening) -> list[str]:
    done = DONE[Verdict.RELEASE if effect.verdict == Verdict.RELEASE else Verdict.REJECT]
    lines = [_(done).format(n=count(effect.done))] if effect.done else []
    if effect.waiting:
        told = _("{n} messages have not been carried out: they wait for another reviewer in an open case.")
        lines.append(told.format(n=count(effect.waiting)))
    lines.append(_("Later submissions of this text or campaign no longer follow the verdict."))
    if effect.verdict == Verdict.BLACKLIST:
        lines.append(_("A suspension of the port stays until somebody resumes the port."))
    return lines


def _outcome(_: Text, done: reopening.Reopening) -> None:
    st.success(_("Reopened. Later submissions no longer follow the verdict."), icon=":material/undo:")
    if done.case is not None:
        told = _("{n} messages wait in [an open case]({link}).")
        st.markdown(told.format(n=count(done.waiting), link=f"/review?view=cases&open={done.case}"))
