"""The form that adds one word to a draft of the dictionary. The address may hold `word`, `category` and `case`."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.from_case import dry_run
from dashboards.guard import now_ms
from dashboards.language import Text
from dashboards.words import word
from pipeline.events import Category, Verdict
from pipeline.rules.policies.lifecycle import LivingKind
from pipeline.rules.words.dictionary_file import MAX_LENGTH, with_word
from pipeline.store.accounts.roles import User
from pipeline.store.registry import policy_lifecycle

VERDICTS = (Verdict.REVIEW, Verdict.REJECT, Verdict.BLACKLIST)


def show(_: Text, user: User, start: str) -> str | None:
    """Show the form; `start` is the text in force. Returns the version of a draft that was saved."""
    given = st.query_params
    case, asked = given.get("case", "")[:64], given.get("category", "")
    categories = [category.value for category in Category]
    with st.form("word", border=True):
        st.header(_("Add a word"))
        written = st.text_input(_("Word"), value=given.get("word", "")[:MAX_LENGTH], max_chars=MAX_LENGTH)
        category = st.selectbox(
            _("Category"),
            categories,
            index=categories.index(asked) if asked in categories else 0,
            format_func=lambda each: word(_, each),
        )
        verdict = st.selectbox(_("Verdict"), VERDICTS, format_func=lambda each: word(_, each.value))
        reason = st.text_input(
            _("What the change is for"), value=_("Case {case}: ").format(case=case) if case else "", max_chars=200
        )
        tried = st.form_submit_button(_("Try it on the last 24 hours"), width="stretch")
        saved = st.form_submit_button(_("Save as draft"), type="primary", width="stretch", key="save_word")
    with session.told():
        changed = with_word(start, written, Category(category), verdict, case) if tried or saved else ""
        if tried:
            dry_run.show(_, user, dry_run.of_word(written, now_ms()))
        if saved:
            db, kind = session.services().db, LivingKind.DICTIONARY
            return policy_lifecycle.draft(db, user, changed, reason.strip(), now_ms(), kind)
    return None
