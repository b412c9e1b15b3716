"""A dry run: what of the last 24 hours a list entry, a word or a snooze would have concerned.

It counts with the service of Search, so it sees what the user may see, and masked texts: a word counts as it is
written, not in a disguise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboards import session
from dashboards.language import Text
from dashboards.words import clock, count, word
from pipeline.actions.console.search import RECORDS, UNDECIDED, Group, Query, grouped
from pipeline.durations import DAY_MS
from pipeline.rules.lists import ENTITIES, PORT_RECIPIENT, one_form
from pipeline.rules.snoozes import SnoozeKind
from pipeline.store.accounts.roles import User
from pipeline.store.registry import snoozes

_is_person = re.compile(r"1[3-9][0-9]{9}").fullmatch


def of_entry(name: str, value: str, now: int) -> Query:
    """The search for the messages of the last day that an entry of this list concerns."""
    last_day = Query(since=now - DAY_MS, until=now)
    value = one_form(name, value) or value.strip()
    if ENTITIES[name] == PORT_RECIPIENT:
        port, _colon, number = value.partition(":")
        return replace(last_day, port=port, number=number)
    if name == "blocked":
        return replace(last_day, number=value)
    return replace(last_day, number=value, kind=RECORDS) if _is_person(value) else replace(last_day, port=value)


def of_word(written: str, now: int) -> Query:
    """The search for the submissions of the last day whose text contains this word."""
    return Query(since=now - DAY_MS, until=now, text=written.strip())


def of_snooze(user: User, rule: str, kind: SnoozeKind, value: str, now: int) -> Query:
    """The search for the submissions of the last day that a rule stopped or asked for, of what a snooze is for."""
    codes = snoozes.ports_of(session.services().db, user, kind, value)
    return Query(since=now - DAY_MS, until=now, rule=rule, codes=codes, text=value if codes is None else "")


def show_snooze(_: Text, user: User, query: Query) -> None:
    """Show how often the rule counted, and what it alone has decided: that would have been released."""
    services = session.services()
    alone = _found(user, replace(query, alone=True))
    told = _(
        "Last 24 hours until {time}, {zone}: it counted for {events} submissions with {messages} messages. It was the "
        "only reason for {alone} messages, which would have been released:"
    ).format(
        **_sums(_found(user, query)),
        time=clock(services.settings.console_zone, query.until),
        zone=services.settings.console_zone,
        alone=count(sum(group.messages for group in alone)),
    )
    st.info(" ".join([told, _by_verdict(_, alone) or "–"]), icon=":material/experiment:")
    if query.text:
        st.caption(_("Signatures and links are counted as written; the rule finds disguised spellings too."))


def show(_: Text, user: User, query: Query) -> None:
    """Show how many events and messages fit, by what became of them."""
    services = session.services()
    found = _found(user, query)
    told = _("Last 24 hours until {time}, {zone}: {events} fit, with {messages} messages.").format(
        time=clock(services.settings.console_zone, query.until),
        zone=services.settings.console_zone,
        **_sums(found),
    )
    st.info(" ".join([told, _by_verdict(_, found)]), icon=":material/experiment:")
    if query.text:
        st.caption(_("Words are counted as written; the rule finds disguised spellings too."))


def _found(user: User, query: Query) -> list[Group]:
    services = session.services()
    return grouped(services.db, services.lake.cursor(), services.privacy, user, query, "verdict")


def _sums(found: Sequence[Group]) -> dict[str, str]:
    return {
        "events": count(sum(group.events for group in found)),
        "messages": count(sum(group.messages for group in found)),
    }


def _by_verdict(_: Text, found: Sequence[Group]) -> str:
    return ", ".join(f"{word(_, group.value or UNDECIDED)} {count(group.messages)}" for group in found)
