"""The policy: declared counters and rules in YAML, checked and compiled once, immutable afterwards.

The conditions of all enabled rules for one kind of event are evaluated together: for a batch in columns, for a single
event in one CEL program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.durations import DAY_MS, HOUR_MS, parse_duration
from pipeline.errors import AntispamError
from pipeline.events import AlertLevel, Tier, Verdict
from pipeline.rules.conditions.columns import Column
from pipeline.rules.conditions.condition import MAX_LENGTH, check_condition
from pipeline.rules.conditions.conditions import Conditions, Rows
from pipeline.rules.context import Context
from pipeline.rules.counting.counters import FIRST, OF_VALUES, Aggregate, Counter
from pipeline.rules.counting.keys import PARTS, Move, move_of
from pipeline.rules.counting.sequences import LEAST
from pipeline.rules.messages import DEFAULT, LANGUAGES, Templates, filled, slots
from pipeline.rules.policies.daily_cap import MOST, ZONE, DailyCap, daily_cap
from pipeline.rules.policies.queues import CASE_SIGNALS, MAX_QUEUES, NO_QUEUES, Queue, Queues
from pipeline.rules.policy_file import PolicyFile
from pipeline.rules.signals import CATALOGUE, CHALLENGER_SCORE, Signal, of_counter
from pipeline.rules.versions import version_of

POLICY = "policy.yaml"  # the name of the one policy among the configurations
On = Literal["submission", "record"]
OutsideReviewHours = Literal["queue", "refuse"]
OUTSIDE = "outside_review_hours"  # the field of a policy
KINDS: tuple[On, ...] = ("submission", "record")
_MAX_WINDOW_MS = DAY_MS  # the counters' changelog is kept for three days
_NATURAL = {"hour": HOUR_MS, "day": DAY_MS}  # windows of a zone's clock
_UP_TO = {"distinct": 100, "sequence": 100, "cuts": 500}  # values that a counter remembers by default
_MOST_UP_TO = 1_000
_HOLDS = ("hold", "hold_until")
MAX_RULES, MAX_COUNTERS = 1_000, 200
MAX_CONDITIONS = 60_000  # code points of all conditions; loading a policy evaluates each operand


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `signals` are the names that its condition reads; the reason reports their values.

    `severity` (0-100) orders reasons of one verdict. `hold_ms` is the length of a hold, `hold_until` the local time at
    which it ends; a rule that holds has one of them. `expires` is epoch ms or None.
    `skippable` rules read volume or score signals; senders on the allow list skip them. `spans` names the parts of
    the text that its reasons mark: words, links, contacts. `recipients` names the signal whose recipients alone the
    rule refuses; None: it refuses the whole submission. `warn_owner`: the owner of the port is told that it will be
    suspended if this goes on. `daily_cap` bounds the decisions of a day. `own` are
    those of its signals that events of a batch with the same sender and text may differ in (`Signal.of_pair`).
    `descriptions` are the templates of its sentence, by language.
    """

    id: str
    on: On
    descriptions: Templates
    when: str
    verdict: Verdict
    severity: int
    mode: Literal["enforce", "shadow", "off"]
    expires: int | None
    hold_ms: int | None
    hold_until: time | None
    alert: AlertLevel | None
    warn_owner: bool
    signals: tuple[str, ...]
    skippable: bool
    spans: frozenset[str]
    recipients: str | None
    daily_cap: DailyCap | None
    own: tuple[str, ...]

    @property
    def shown(self) -> Sequence[str]:
        """The signals whose values its sentence shows, in its order: a decision has the same bytes in every process."""
        return slots(self.descriptions[DEFAULT])

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether its condition holds for these values of its signals."""
        return bool(_program(self.when).answer(dict(values))[0])

    def message(self, values: Mapping[str, Any]) -> str:
        """The rule's sentence with these values, in the DEFAULT language (messages.py)."""
        return filled(self.descriptions[DEFAULT], values)


@lru_cache(MAX_RULES)
def _program(when: str) -> Rows:
    return Rows([when])


class RuleSet:
    """The enabled rules and the counters of one kind of event, with their conditions compiled.

    `known` are the signals by name. Events that the counters `of_cuts` do not count see their values too.
    """

    def __init__(self, rules: tuple[Rule, ...], counters: tuple[Counter, ...], known: Mapping[str, Signal]) -> None:
        self.rules = rules
        self.counters = counters
        self.known = known
        self._when = Conditions(rules, [rule.when for rule in rules], known)
        moves = [move_of(c, known[c.of].read if c.aggregate == "sum" and c.of else None) for c in counters]
        self._where = Conditions(moves, [counter.where or "true" for counter in counters], known)
        self.of_cuts = tuple(move for move in moves if move.counter.aggregate == "cuts")

    def matching(self, values: dict[str, Any]) -> tuple[list[Rule], list[Rule]]:
        """The rules whose condition holds, and the rules whose evaluation failed (a fault of the policy)."""
        return self._when.answer(values)

    def matching_each(
        self, contexts: Sequence[Context], columns: dict[str, Column]
    ) -> list[tuple[list[Rule], list[Rule]]]:
        """The answer of `matching` for each event. `columns` has some of their columns; those it reads are added."""
        return self._when.answers(contexts, columns)

    def counted(self, values: dict[str, Any]) -> tuple[list[Move], list[Move]]:
        """The counters whose condition holds for these early signals, and the counters whose evaluation failed."""
        return self._where.answer(values)

    def counted_each(
        self, contexts: Sequence[Context], columns: dict[str, Column]
    ) -> list[tuple[list[Move], list[Move]]]:
        """The answer of `counted` for each event. `columns`: see `matching_each`."""
        return self._where.answers(contexts, columns)


@dataclass(frozen=True, slots=True)
class CampaignFrom:
    """The least size from which the rules see a campaign."""

    messages: int = 20
    senders: int = 1


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy. `version` is the hash of its text; `port_limits_5m` is messages in 5 minutes by tier.

    `campaign_from` is the least size from which the rules see a campaign. `outside_review_hours` says what becomes of
    submissions of the bulk lane that need a person while nobody reviews. `queues` sort the cases that people review.
    """

    version: str
    title: str
    rules: tuple[Rule, ...]
    counters: tuple[Counter, ...]
    port_limits_5m: Mapping[Tier, int]
    sets: Mapping[On, RuleSet]
    campaign_from: CampaignFrom
    outside_review_hours: OutsideReviewHours = "queue"
    queues: Queues = NO_QUEUES

    @property
    def kept(self) -> tuple[Counter, ...]:
        """Everything that it counts: its counters, and those of daily caps."""
        return self.counters + tuple(rule.daily_cap.counter for rule in self.rules if rule.daily_cap)


@lru_cache(8)  # 35 ms for the shipped one; pages, backtests and publications ask for the same few again and again
def parse_policy(text: str, name: str = "policy.yaml") -> Policy:
    """Check and compile a policy.

    Raises PolicyError for unknown fields, names and verdicts, wrong types, rules that can never match, duplicates and
    invalid durations. The error has file, line, caret and the nearest valid name.
    """
    file = PolicyFile(text, name)
    data = file.data
    if not isinstance(data, dict):
        raise file.fault((), "a mapping with 'counters' and 'rules' expected")
    _only(file, (), data, {"title", "counters", "rules", "port_limits_5m", "campaign_from", "queues", OUTSIDE})
    _bounded(file, *(_list(file, data, key) for key in ("counters", "rules", "queues")))
    counters = tuple(_counter(file, i, entry) for i, entry in enumerate(_list(file, data, "counters")))
    _unique(file, "counters", "name", [c.name for c in counters])
    known = {on: known_signals(on, counters) for on in KINDS}
    rules = tuple(_rule(file, i, entry, known) for i, entry in enumerate(_list(file, data, "rules")))
    _unique(file, "rules", "id", [r.id for r in rules])
    queues = [_queue(file, i, entry) for i, entry in enumerate(_list(file, data, "queues"))]
    _unique(file, "queues", "name", [queue.name for queue in queues])
    limits = _limits(file, data.get("port_limits_5m", {}))
    sets = {
        on: RuleSet(
            tuple(r for r in rules if r.on == on and r.mode != "off"),
            tuple(c for c in counters if c.on == on),
            known[on],
        )
        for on in KINDS
    }
    version = version_of(text)
    known_from = _campaign_from(file, data.get("campaign_from", {}))
    outside: OutsideReviewHours = _choice(file, (), data, OUTSIDE, ("queue", "refuse"), "queue")
    title = str(data.get("title", ""))
    return Policy(version, title, rules, counters, limits, sets, known_from, outside, Queues(queues))


def known_signals(on: On, counters: tuple[Counter, ...]) -> dict[str, Signal]:
    """Every name that a rule on this kind of event may use, including declared counters."""
    known = {s.name: s for s in CATALOGUE.values() if on in s.on}
    return known | {c.name: of_counter(c) for c in counters if c.on == on}


def _bounded(file: PolicyFile, counters: list[Any], rules: list[Any], queues: list[Any]) -> None:
    """Raises PolicyError for more entries or conditions than can be checked in about two seconds."""
    length = 0
    for key, field, entries, most in (
        ("counters", "where", counters, MAX_COUNTERS),
        ("rules", "when", rules, MAX_RULES),
        ("queues", "when", queues, MAX_QUEUES),
    ):
        for i, entry in enumerate(entries):
            if i >= most:
                raise file.fault((key, i), f"more than {most} {key}")
            length += min(len(str(entry.get(field, ""))), MAX_LENGTH) if isinstance(entry, dict) else 0
            if length > MAX_CONDITIONS:
                raise file.fault(
                    (key, i, field), f"all conditions together have up to {MAX_CONDITIONS} characters", 0, 1
                )


def _counter(file: PolicyFile, i: int, entry: Any) -> Counter:
    path = ("counters", i)
    _mapping(file, path, entry)
    fields = {"name", "event", "key", "where", "window", "zone", "aggregate", "of", "up_to", "description"}
    _only(file, path, entry, fields)
    name = _text(file, path, entry, "name")
    if not re.fullmatch(r"[a-z][a-z0-9_]{2,40}", name):
        raise file.fault((*path, "name"), "a counter's name is 3 to 41 of a-z, 0-9 and _")
    if name in CATALOGUE:
        raise file.fault((*path, "name"), f"'{name}' is already the name of a signal")
    on: On = _choice(file, path, entry, "event", KINDS)
    keys = entry.get("key")
    keys = keys if isinstance(keys, list) else [keys]
    parts = [part for part in PARTS if part != "port" or on == "submission"]
    for j, key in enumerate(keys):
        if key not in parts:
            raise file.unknown((*path, "key", j), f"key of a {on} counter", str(key), parts)
    window, zone = _window(file, path, entry)
    aggregates: tuple[Aggregate, ...] = ("messages", "submissions", "sum", "distinct", "sequence", "cuts")
    aggregate: Aggregate = _choice(file, path, entry, "aggregate", aggregates, "messages")
    if aggregate == "cuts" and not set(keys) & set(FIRST[on]):
        raise file.fault((*path, "key"), f"a counter of cuts has one of {', '.join(FIRST[on])} in its key")
    early = {n: s for n, s in CATALOGUE.items() if s.early and on in s.on}
    of: str | None = None
    if aggregate in ("sum", "distinct"):
        summed = tuple(name for name, signal in early.items() if signal.type == "int")
        of = _choice(file, path, entry, "of", summed if aggregate == "sum" else tuple(parts))
    elif "of" in entry:
        raise file.fault((*path, "of"), "only the aggregates sum and distinct are 'of' something")
    where = entry.get("where")
    if where is not None:
        check_condition(file, (*path, "where"), where, early)
    description = _text(file, path, entry, "description")
    up_to = _up_to(file, path, entry, aggregate)
    return Counter(name, on, tuple(keys), window, aggregate, where, description, of, up_to, zone)


def _queue(file: PolicyFile, i: int, entry: Any) -> Queue:
    path = ("queues", i)
    _mapping(file, path, entry)
    _only(file, path, entry, {"name", "description", "when"})
    name = _text(file, path, entry, "name")
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,31}", name):
        raise file.fault((*path, "name"), "a queue's name is 2 to 32 of a-z, 0-9 and -, beginning with a letter")
    check_condition(file, (*path, "when"), entry.get("when"), CASE_SIGNALS)
    descriptions = _descriptions(file, (*path, "description"), entry.get("description"), ())
    return Queue(name, descriptions, entry["when"])


def _window(file: PolicyFile, path: tuple[Any, ...], entry: dict[str, Any]) -> tuple[int, str | None]:
    """Length (ms) and zone of a counter's window; a sliding window has no zone."""
    length = _NATURAL.get(entry.get("window", ""))
    if length is not None:
        zone = entry.get("zone", ZONE)
        try:
            return length, ZoneInfo(zone).key
        except (ZoneInfoNotFoundError, TypeError, ValueError):
            raise file.fault((*path, "zone"), f"'{zone}' is not a time zone such as {ZONE}") from None
    if "zone" in entry:
        raise file.fault((*path, "zone"), "only the windows hour and day have a zone")
    window = _duration(file, (*path, "window"), entry.get("window"))
    if not 1000 <= window <= _MAX_WINDOW_MS:
        raise file.fault((*path, "window"), "a window lasts from 1s to 24h, or is an hour or day of the clock")
    return window, None


def _up_to(file: PolicyFile, path: tuple[Any, ...], entry: dict[str, Any], aggregate: Aggregate) -> int | None:
    """How many values a counter of values remembers; None for other counters."""
    if aggregate not in OF_VALUES:
        if "up_to" in entry:
            raise file.fault((*path, "up_to"), "only the aggregates distinct, sequence and cuts have 'up_to'")
        return None
    up_to = entry.get("up_to", _UP_TO[aggregate])
    if type(up_to) is not int or not LEAST <= up_to <= _MOST_UP_TO:
        raise file.fault((*path, "up_to"), f"up_to is a number from {LEAST} to {_MOST_UP_TO}")
    return up_to


def _rule(file: PolicyFile, i: int, entry: Any, known_on: Mapping[On, Mapping[str, Signal]]) -> Rule:
    path = ("rules", i)
    _mapping(file, path, entry)
    fields = {"id", "event", "description", "when", "verdict", "severity", "mode", "expires", "alert", "recipients"}
    _only(file, path, entry, fields | {"daily_cap", "warn_owner"} | set(_HOLDS))
    on: On = _choice(file, path, entry, "event", KINDS)
    known = known_on[on]
    signals = check_condition(file, (*path, "when"), entry.get("when"), known)
    descriptions = _descriptions(file, (*path, "description"), entry.get("description"), signals)
    verdict = Verdict(_choice(file, path, entry, "verdict", tuple(v.value for v in Verdict)))
    holds = [field for field in _HOLDS if entry.get(field) is not None]
    if len(holds) != (verdict is Verdict.HOLD):
        at_fault = (*path, holds[-1] if holds else "verdict")
        raise file.fault(
            at_fault,
            "a rule with verdict hold needs 'hold' (a duration) or 'hold_until' (a local time); others have neither",
        )
    severity = entry.get("severity", 50)
    if type(severity) is not int or not 0 <= severity <= 100:  # YAML reads yes as a bool, which isinstance accepts
        raise file.fault((*path, "severity"), "severity is a number from 0 to 100")
    modes: tuple[Literal["enforce", "shadow", "off"], ...] = ("enforce", "shadow", "off")
    mode = _choice(file, path, entry, "mode", modes, "enforce")
    if mode == "enforce" and CHALLENGER_SCORE in signals:
        raise file.fault((*path, "when"), f"only rules with mode: shadow may read {CHALLENGER_SCORE}")
    alert = entry.get("alert")
    return Rule(
        id=_text(file, path, entry, "id"),
        on=on,
        descriptions=descriptions,
        when=entry["when"],
        verdict=verdict,
        severity=severity,
        mode=mode,
        expires=_expiry(file, (*path, "expires"), entry.get("expires")),
        hold_ms=_duration(file, (*path, "hold"), entry["hold"]) if "hold" in holds else None,
        hold_until=_clock(file, (*path, "hold_until"), entry["hold_until"]) if "hold_until" in holds else None,
        alert=None
        if alert is None
        else AlertLevel(_choice(file, path, entry, "alert", tuple(a.value for a in AlertLevel))),
        warn_owner=_warn_owner(file, path, entry, on),
        signals=signals,
        skippable=any(known[name].group in ("volume", "score") for name in signals),
        spans=frozenset(spans for name in signals if (spans := known[name].spans)),
        recipients=_recipients(file, path, entry.get("recipients"), verdict, [known[name] for name in signals]),
        daily_cap=_daily_cap(file, path, entry, on),
        own=tuple(name for name in signals if not known[name].of_pair),
    )


def _warn_owner(file: PolicyFile, path: tuple[Any, ...], entry: dict[str, Any], on: On) -> bool:
    warn = entry.get("warn_owner", False)
    if type(warn) is not bool:
        raise file.fault((*path, "warn_owner"), "true or false expected")
    if warn and on != "submission":
        raise file.fault((*path, "warn_owner"), "only a rule on submissions warns the owner of their port")
    return warn


def _daily_cap(file: PolicyFile, path: tuple[Any, ...], entry: dict[str, Any], on: On) -> DailyCap | None:
    most = entry.get("daily_cap")
    if most is None:
        return None
    if type(most) is not int or not 1 <= most <= MOST:
        raise file.fault((*path, "daily_cap"), f"daily_cap is a number of decisions a day, from 1 to {MOST}")
    return daily_cap(entry["id"], on, entry["when"], most)


def _descriptions(file: PolicyFile, path: tuple[Any, ...], given: Any, signals: Sequence[str]) -> Templates:
    """The templates of a rule's sentence in every language, from one text or from one text a language."""
    if isinstance(given, dict):
        for language in given:
            if language not in LANGUAGES:
                raise file.unknown((*path, language), "language", str(language), list(LANGUAGES), of_name=True)
        for language in LANGUAGES:
            if language not in given:
                raise file.fault(path, f"the text in '{language}' is missing")
        places = {language: (*path, language) for language in LANGUAGES}
    else:
        places = dict.fromkeys(LANGUAGES, path)
        given = dict.fromkeys(LANGUAGES, given)
    for language, place in places.items():
        text = given[language]
        if not isinstance(text, str) or not text.strip():
            raise file.fault(place, f"'{place[-1]}' is missing or empty")
        for slot in slots(text):
            if slot not in signals:
                raise file.unknown(place, "value (not in 'when')", slot, list(signals), text.index(f"{{{slot}}}") + 1)
    for language, place in places.items():
        for other in LANGUAGES:
            if missing := set(slots(given[other])) - set(slots(given[language])):
                raise file.fault(place, f"the text in '{other}' has {{{min(missing)}}}; this one has not")
    return {language: given[language] for language in LANGUAGES}


def _recipients(
    file: PolicyFile, path: tuple[Any, ...], name: Any, verdict: Verdict, signals: list[Signal]
) -> str | None:
    if name is None:
        return None
    if name not in [signal.name for signal in signals if signal.recipients]:
        raise file.fault((*path, "recipients"), "the name of a signal in 'when' that counts recipients expected")
    if verdict is not Verdict.REJECT:
        raise file.fault((*path, "verdict"), "a rule with 'recipients' must have the verdict reject")
    return str(name)


def _limits(file: PolicyFile, data: Any) -> dict[Tier, int]:
    path = ("port_limits_5m",)
    _mapping(file, path, data)
    _only(file, path, data, {tier.value for tier in Tier})
    for tier, limit in data.items():
        if type(limit) is not int or limit < 1:
            raise file.fault((*path, tier), "the limit is messages in 5 minutes, a whole number of 1 or more")
    return {tier: data.get(tier.value, 1 << 31) for tier in Tier}


def _campaign_from(file: PolicyFile, data: Any) -> CampaignFrom:
    path = ("campaign_from",)
    _mapping(file, path, data)
    _only(file, path, data, {"messages", "senders"})
    for name, fewest in (("messages", 2), ("senders", 1)):
        if name in data and (type(data[name]) is not int or data[name] < fewest):
            raise file.fault((*path, name), f"{name} of a campaign: a number of {fewest} or more")
    return CampaignFrom(**data)


def _mapping(file: PolicyFile, path: tuple[Any, ...], entry: Any) -> None:
    if not isinstance(entry, dict):
        raise file.fault(path, "a mapping expected")


def _only(file: PolicyFile, path: tuple[Any, ...], entry: dict[Any, Any], fields: set[str]) -> None:
    for key in entry:
        if key not in fields:
            raise file.unknown((*path, key), "field", str(key), sorted(fields), of_name=True)


def _list(file: PolicyFile, data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key) or []
    if not isinstance(value, list):
        raise file.fault((key,), "a list expected")
    return value


def _text(file: PolicyFile, path: tuple[Any, ...], entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise file.fault((*path, key), f"'{key}' is missing or empty")
    return value


def _choice(
    file: PolicyFile,
    path: tuple[Any, ...],
    entry: dict[str, Any],
    key: str,
    allowed: tuple[Any, ...],
    default: Any = None,
) -> Any:
    value = entry.get(key, default)
    value = "off" if value is False else value  # YAML 1.1 reads an unquoted off as false
    if value not in allowed:
        raise file.unknown((*path, key), key, str(value), [str(a) for a in allowed])
    return value


def _unique(file: PolicyFile, key: str, field: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise file.fault((key, i, field), f"'{name}' is declared twice")


def _duration(file: PolicyFile, path: tuple[Any, ...], value: Any) -> int:
    try:
        return parse_duration(str(value))
    except AntispamError as error:
        raise file.fault(path, str(error)) from None


def _clock(file: PolicyFile, path: tuple[Any, ...], value: Any) -> time:
    """A local time. YAML reads an unquoted 21:00 as 1,260 (base 60), and 08:00 as text."""
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])", value) if isinstance(value, str) else None
    if found is None:
        raise file.fault(path, 'a local time in quotes expected, from "00:00" to "23:59"')
    return time(int(found[1]), int(found[2]))


def _expiry(file: PolicyFile, path: tuple[Any, ...], value: Any) -> int | None:
    if value is None:
        return None
    try:
        at = value if isinstance(value, date) else datetime.fromisoformat(str(value))
    except ValueError:
        raise file.fault(path, f"'{value}' is not an ISO 8601 time") from None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise file.fault(path, f"'{value}' needs a time of day and a zone")
    return int(at.timestamp() * 1000)
