"""What the events of a batch share that have the same sender and text: found once for each such pair."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pipeline.decision.configuration import Config
from pipeline.rules.clock.calendar import Calendar
from pipeline.rules.context import Facts
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import ListEntry, Lists
from pipeline.rules.ports import Port
from pipeline.rules.templates import Template
from pipeline.rules.words.dictionary import Hit, in_force


class Pair(msgspec.Struct, frozen=True, gc=False):
    """One sender and one text. `number` tells the pairs of a batch apart.

    `template` is the template of `port` that the text fits. `hits` are the words in force. `calendar` is in the zone of
    the port. `black` and `allow` are the list entries of the sender and of its port.
    """

    number: int
    facts: Facts
    port: Port | None
    template: Template | None
    hits: tuple[Hit, ...]
    calendar: Calendar
    black: tuple[ListEntry, ...]
    allow: tuple[ListEntry, ...]


class Pairs:
    """The pairs of one batch."""

    def __init__(self, config: Config, facts: Mapping[str, Facts]) -> None:
        self._config = config
        self._facts = facts
        self._found: dict[tuple[str, str, bool], Pair] = {}
        self._count = 0

    def of(self, sender: str, text: str, at: int, *, from_port: bool) -> Pair:
        """The pair of an event at `at` (epoch ms). Only a sender `from_port` has a port."""
        key = (sender, text, from_port)
        pair = self._found.get(key)
        if pair is None:
            pair = self._pair(sender, text, at, from_port)
            if all(hit.expires == NEVER for hit in pair.facts.hits):  # otherwise the words in force depend on the time
                self._found[key] = pair
        return pair

    def _pair(self, sender: str, text: str, at: int, from_port: bool) -> Pair:
        config, facts = self._config, self._facts[text]
        port = config.ports.find(sender) if config.ports and from_port else None
        self._count += 1
        return Pair(
            self._count,
            facts,
            port,
            port.fitting(text, facts.links, facts.contacts) if port else None,
            in_force(facts.hits, at),
            calendar_of(port, config),
            _entries(config.lists, "black", sender, port),
            _entries(config.lists, "allow", sender, port),
        )


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
