"""Snoozes: for one port, enterprise, signature or link, a rule of the policy does not count until a time.

A snoozed rule is still evaluated. Its match stays in the decision among `suppressed`, without effect on the verdict.
The time of the event decides whether the snooze has ended, so no timer is needed and a replay gives the same decision.
The rules that are written in code cannot be snoozed: they protect by law or by an operator's list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

import msgspec

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import Event, encode
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.context import Context
from pipeline.text.links import find_links
from pipeline.text.normal import normalise_batch
from pipeline.text.numbers import service_code
from pipeline.text.signatures import signature_name

MAX_DAYS = 30
MAX_MS = MAX_DAYS * DAY_MS
MAX_VALUE = 128  # code points
_BUILT_IN = frozenset(BuiltInRule)


class SnoozeKind(StrEnum):
    """What a snooze is for. An event with several signatures or links is snoozed by each of them."""

    PORT = "port"
    ENTERPRISE = "enterprise"  # its own ports, not those of its customers
    SIGNATURE = "signature"
    LINK = "link"  # the registered domain; for a shortener host and path


class Snooze(Event, frozen=True, kw_only=True):
    """One snooze. `value` is in the spelling of `spelled`; `until` is epoch ms."""

    rule: str
    kind: SnoozeKind
    value: str
    reason: str
    until: int

    @property
    def name(self) -> str:
        """Its name among all snoozes, on the config topic and in decisions."""
        return f"{self.rule}/{self.scope}"

    @property
    def scope(self) -> str:
        """What it is for, as `port/10690001`."""
        return f"{self.kind}/{self.value}"


_VALUES: Mapping[SnoozeKind, Callable[[Context], Iterable[str]]] = {
    SnoozeKind.PORT: lambda c: (c.port.code,) if c.port else (),
    SnoozeKind.ENTERPRISE: lambda c: (c.port.entry.enterprise,) if c.port and c.port.entry.enterprise else (),
    SnoozeKind.SIGNATURE: lambda c: [signature.name for signature in c.facts.signatures],
    SnoozeKind.LINK: lambda c: [link.key for link in c.facts.links],
}


class Snoozes:
    """All snoozes, immutable."""

    def __init__(self, entries: Iterable[Snooze] = ()) -> None:
        self.by_rule: dict[str, list[Snooze]] = {}
        for entry in entries:
            self.by_rule.setdefault(entry.rule, []).append(entry)

    def of(self, rule: str, context: Context, at: int) -> Snooze | None:
        """The snooze of this rule for an event at `at` (epoch ms) that ends last, or None."""
        given = self.by_rule.get(rule)
        if given is None:
            return None
        values = {kind: frozenset(read(context)) for kind, read in _VALUES.items()}
        found = [each for each in given if at < each.until and each.value in values[each.kind]]
        return max(found, key=lambda each: (each.until, each.name), default=None)


def check_rule(rule: str) -> None:
    """Raises AntispamError for a rule that no snooze may silence."""
    if rule in _BUILT_IN:
        raise AntispamError("rule {rule} protects by law or by an operator's list: it cannot be snoozed", rule=rule)


def parse_scope(written: str) -> tuple[SnoozeKind, str]:
    """What a snooze is for, of a text such as port:10690001. Raises AntispamError for another text."""
    kind, _, value = written.partition(":")
    if kind not in set(SnoozeKind) or not value:
        raise AntispamError(
            "{written!r}: KIND:VALUE with KIND {known} expected", written=written[:40], known=", ".join(SnoozeKind)
        )
    return SnoozeKind(kind), value


def spelled(kind: SnoozeKind, written: str) -> str:
    """The value as events have it. Raises AntispamError for a text that no event can have."""
    written = written.strip()
    if len(written) > MAX_VALUE or "\0" in written:
        raise AntispamError(
            "{field}: at most {most} characters, none of them NUL, expected", field=kind, most=MAX_VALUE
        )
    if kind is SnoozeKind.LINK:
        keys = {link.key for link in find_links(normalise_batch([written]))[0]}
        if len(keys) != 1:
            raise AntispamError("link {value!r}: one link such as example.com expected", value=written[:40])
        return keys.pop()
    read: Mapping[SnoozeKind, Callable[[str], str | None]] = {
        SnoozeKind.PORT: service_code,
        SnoozeKind.ENTERPRISE: str,
        SnoozeKind.SIGNATURE: signature_name,
    }
    value = read[kind](written)
    if not value:
        raise AntispamError("{kind} {value!r}: no {kind} is written like this", kind=kind, value=written[:40])
    return value


def text(snooze: Snooze) -> str:
    """The value on the config topic."""
    return encode(snooze).decode()


def parse_snooze(value: str) -> Snooze:
    """The inverse of `text`. Raises AntispamError for a damaged value and for a rule that cannot be snoozed."""
    try:
        snooze = msgspec.json.decode(value, type=Snooze)
    except msgspec.DecodeError as error:
        raise AntispamError("snooze: {fault}", fault=error) from None
    check_rule(snooze.rule)
    return snooze
