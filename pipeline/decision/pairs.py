"""What the events of a batch share that have the same sender and text: found once for each such pair."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pipeline.decision.configuration import Config
from pipeline.events import PortState
from pipeline.rules.clock.calendar import Calendar
from pipeline.rules.context import Facts
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import ListEntry, Lists
from pipeline.rules.ports import Port
from pipeline.rules.templates import Template
from pipeline.rules.words.dictionary import Hit, in_force


class Sender(msgspec.Struct, frozen=True, gc=False):
    """One sender. `calendar` is in the zone of its port. `black`, `allow` and `watched` are its list entries and
    its port's.

    `may_send`: the rules alone decide its submissions.
    """

    port: Port | None
    calendar: Calendar
    black: tuple[ListEntry, ...]
    allow: tuple[ListEntry, ...]
    watched: tuple[ListEntry, ...]
    may_send: bool


class Pair(msgspec.Struct, frozen=True, gc=False):
    """One sender and one text. `number` tells the pairs of a batch apart.

    `template` is the template of the sender's port that the text fits. `hits` are the words in force.
    """

    number: int
    sender: Sender
    facts: Facts
    template: Template | None
    hits: tuple[Hit, ...]


class Pairs:
    """The pairs of one batch."""

    def __init__(self, config: Config, facts: Mapping[str, Facts]) -> None:
        self._config = config
        self._facts = facts
        self._senders: dict[tuple[str, bool], Sender] = {}
        self._found: dict[tuple[str, str, bool], Pair] = {}
        self._count = 0

    def of(self, sender: str, text: str, at: int, *, from_port: bool) -> Pair:
        """The pair of an event at `at` (epoch ms). Only a sender `from_port` has a port."""
        key = (sender, text, from_port)
        pair = self._found.get(key)
        if pair is None:
            pair = self._pair(self._sender(sender, from_port), text, at)
            port = pair.sender.port
            on_probation = bool(pair.sender.watched) or (port is not None and port.probation_until is not None)
            # Otherwise the words in force, or the tier of the port, depend on the time.
            if not on_probation and all(hit.expires == NEVER for hit in pair.facts.hits):
                self._found[key] = pair
        return pair

    def _sender(self, sender: str, from_port: bool) -> Sender:
        found = self._senders.get((sender, from_port))
        if found is None:
            config = self._config
            port = config.ports.find(sender) if config.ports and from_port else None
            black, allow, watched = (
                _entries(config.lists, name, sender, port) for name in ("black", "allow", "watched")
            )
            ready = config.policy is not None and port is not None and port.state is PortState.OPEN and not black
            calendar = calendar_of(port, config)
            found = self._senders[sender, from_port] = Sender(port, calendar, black, allow, watched, ready)
        return found

    def _pair(self, sender: Sender, text: str, at: int) -> Pair:
        facts, port = self._facts[text], sender.port
        template = port.fitting(text, facts.links, facts.contacts) if port else None
        self._count += 1
        return Pair(self._count, sender, facts, template, in_force(facts.hits, at))


def _entries(lists: Lists, name: str, sender: str, port: Port | None) -> tuple[ListEntry, ...]:
    values = (sender, port.code) if port and port.code != sender else (sender,)
    return tuple([entry for value in values if (entry := lists.find(name, value))])


def calendar_of(port: Port | None, config: Config) -> Calendar:
    """The calendar in the port's zone."""
    return config.calendar.in_zone(port.entry.zone) if port else config.calendar


def entry_in_force(entries: tuple[ListEntry, ...], at: int) -> ListEntry | None:
    """The first entry that has not expired at `at` (epoch ms), or None."""
    for entry in entries:
        if entry.expires > at:
            return entry
    return None
