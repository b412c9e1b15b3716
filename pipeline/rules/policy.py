"""The policy: declared counters and rules in YAML, checked and compiled once, immutable afterwards.

All enabled rules of one kind of event become one CEL list expression, so a submission costs one
evaluation whatever the number of rules (24 rules: 5 µs, of which most is handing the values over).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from random import Random
from typing import Any, Literal

import cel

from pipeline.events import AlertLevel, Tier, Verdict
from pipeline.rules.counters import Aggregate, Counter, KeyPart
from pipeline.rules.policy_file import PolicyFile
from pipeline.rules.signals import CATALOGUE, Signal

On = Literal["submission", "record"]
KINDS: tuple[On, ...] = ("submission", "record")
# What a counter's condition may use: everything known before anything is counted or scored.
_EARLY = {"port_tier", "kind", "template_fits", "messages", "batch_size", "record_kind", "content_length"}
_DURATION = re.compile(r"(\d{1,6})(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MAX_WINDOW_MS = 86_400_000  # the changelog keeps three days
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `signals` are the names its condition reads: they become the reason's values.

    `severity` (0-100) orders reasons of one verdict. `hold_ms` is how long a hold lasts. `expires`
    is epoch ms or None. `skippable` rules read volume or score signals: the allow lane skips them.
    """

    id: str
    on: On
    description: str
    when: str
    verdict: Verdict
    severity: int
    mode: Literal["enforce", "shadow", "off"]
    expires: int | None
    hold_ms: int | None
    alert: AlertLevel | None
    signals: tuple[str, ...]
    skippable: bool

    def message(self, values: Mapping[str, Any]) -> str:
        """The description with `{signal}` filled in; texts never appear in it."""
        return _SLOT.sub(lambda m: str(values.get(m[1], m[0])), self.description)


class RuleSet:
    """The enabled rules of one kind of event, compiled to one expression."""

    def __init__(self, rules: tuple[Rule, ...], counters: tuple[Counter, ...]) -> None:
        self.rules = rules
        self.counters = counters
        self.signals = tuple(sorted({name for rule in rules for name in rule.signals}))
        self._all = _compiled([rule.when for rule in rules])
        self._each = [cel.compile(rule.when) for rule in rules]
        conditions = [c.where for c in counters if c.where is not None]
        self._where = _compiled(conditions) if conditions else None
        self.early = tuple(sorted({v for c in conditions for v in cel.compile(c).variables()}))
        self._conditional = tuple(c.where is not None for c in counters)

    def matching(self, values: dict[str, Any]) -> tuple[list[Rule], list[Rule]]:
        """Rules whose condition holds, and rules that could not be evaluated (a fault of the policy)."""
        if not self.rules:
            return [], []
        try:
            hits = self._all(values)
        except (RuntimeError, TypeError, ValueError):
            return self._one_by_one(values)
        return [rule for rule, hit in zip(self.rules, hits, strict=True) if hit is True], []

    def _one_by_one(self, values: dict[str, Any]) -> tuple[list[Rule], list[Rule]]:
        matched, failed = [], []
        for rule, program in zip(self.rules, self._each, strict=True):
            try:
                if program.execute(values) is True:
                    matched.append(rule)
            except (RuntimeError, TypeError, ValueError):
                failed.append(rule)
        return matched, failed

    def counted(self, values: dict[str, Any]) -> list[Counter]:
        """The counters whose condition holds for an event with these early signals."""
        if self._where is None:
            return list(self.counters)
        answers = iter(self._where(values))
        return [
            counter
            for counter, conditional in zip(self.counters, self._conditional, strict=True)
            if not conditional or next(answers) is True
        ]


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy. `version` is the hash of its text; `port_limits_5m` is messages by tier."""

    version: str
    title: str
    rules: tuple[Rule, ...]
    counters: tuple[Counter, ...]
    port_limits_5m: Mapping[Tier, int]
    sets: Mapping[On, RuleSet]


def parse_policy(text: str, name: str = "policy.yaml") -> Policy:
    """Check and compile a policy.

    Raises PolicyError with file, line, caret and the nearest valid name for unknown fields, names
    and verdicts, wrong types, rules that can never match, duplicates and bad durations.
    """
    file = PolicyFile(text, name)
    data = file.data
    if not isinstance(data, dict):
        raise file.fault((), "a mapping with 'counters' and 'rules' expected")
    _only(file, (), data, {"title", "counters", "rules", "port_limits_5m"})
    counters = tuple(_counter(file, i, entry) for i, entry in enumerate(_list(file, data, "counters")))
    _unique(file, "counters", [c.name for c in counters], "counter")
    rules = tuple(_rule(file, i, entry, counters) for i, entry in enumerate(_list(file, data, "rules")))
    _unique(file, "rules", [r.id for r in rules], "rule")
    limits = _limits(file, data.get("port_limits_5m", {}))
    sets = {
        on: RuleSet(
            tuple(r for r in rules if r.on == on and r.mode != "off"),
            tuple(c for c in counters if c.on == on),
        )
        for on in KINDS
    }
    version = sha256(text.encode()).hexdigest()[:12]
    return Policy(version, str(data.get("title", "")), rules, counters, limits, sets)


def known_signals(on: On, counters: tuple[Counter, ...]) -> dict[str, Signal]:
    """Every name a rule on this kind of event may use, declared counters included."""
    known = {s.name: s for s in CATALOGUE.values() if on in s.on}
    for counter in counters:
        if counter.on == on:
            known[counter.name] = Signal(counter.name, "int", counter.description, (on,), "volume")
    return known


def _compiled(expressions: list[str]) -> Callable[[dict[str, Any]], list[Any]]:
    program = cel.compile("[" + ",".join(f"({e})" for e in expressions) + "]")
    execute: Callable[[dict[str, Any]], list[Any]] = program.execute
    return execute


def _counter(file: PolicyFile, i: int, entry: Any) -> Counter:
    path = ("counters", i)
    _mapping(file, path, entry)
    _only(file, path, entry, {"name", "event", "key", "where", "window", "aggregate", "description"})
    name = _text(file, path, entry, "name")
    if not re.fullmatch(r"[a-z][a-z0-9_]{2,40}", name):
        raise file.fault((*path, "name"), "a counter's name is 3 to 41 of a-z, 0-9 and _")
    if name in CATALOGUE:
        raise file.fault((*path, "name"), f"'{name}' is a signal already")
    on: On = _choice(file, path, entry, "event", KINDS)
    keys = entry.get("key")
    keys = keys if isinstance(keys, list) else [keys]
    allowed: list[KeyPart] = ["port", "fingerprint"] if on == "submission" else ["sender", "fingerprint"]
    for key in keys:
        if key not in allowed:
            raise file.unknown((*path, "key"), f"key of a {on} counter", str(key), list(allowed))
    if allowed[0] not in keys:  # a counter lives where its stream is partitioned
        raise file.fault((*path, "key"), f"the key of a {on} counter begins with '{allowed[0]}'")
    window = _duration(file, (*path, "window"), entry.get("window"))
    if not 1000 <= window <= _MAX_WINDOW_MS:
        raise file.fault((*path, "window"), "a window lasts from 1s to 24h")
    aggregates: tuple[Aggregate, ...] = ("messages", "submissions")
    aggregate: Aggregate = _choice(file, path, entry, "aggregate", aggregates, "messages")
    where = entry.get("where")
    if where is not None:
        known = {n: s for n, s in CATALOGUE.items() if n in _EARLY and on in s.on}
        _condition(file, (*path, "where"), where, known)
    return Counter(name, on, tuple(keys), window, aggregate, where, _text(file, path, entry, "description"))


def _rule(file: PolicyFile, i: int, entry: Any, counters: tuple[Counter, ...]) -> Rule:
    path = ("rules", i)
    _mapping(file, path, entry)
    fields = {"id", "event", "description", "when", "verdict", "severity", "mode", "expires", "hold", "alert"}
    _only(file, path, entry, fields)
    on: On = _choice(file, path, entry, "event", KINDS)
    known = known_signals(on, counters)
    signals = _condition(file, (*path, "when"), entry.get("when"), known)
    description = _text(file, path, entry, "description")
    for slot in _SLOT.finditer(description):
        if slot[1] not in signals:
            raise file.unknown((*path, "description"), "value (not in 'when')", slot[1], list(signals), slot.start(1))
    verdict = Verdict(_choice(file, path, entry, "verdict", tuple(v.value for v in Verdict)))
    hold = entry.get("hold")
    if (hold is not None) != (verdict is Verdict.HOLD):
        raise file.fault(path, "a rule has 'hold' (how long) if and only if its verdict is hold")
    severity = entry.get("severity", 50)
    if not isinstance(severity, int) or not 0 <= severity <= 100:
        raise file.fault((*path, "severity"), "severity is a number from 0 to 100")
    modes: tuple[Literal["enforce", "shadow", "off"], ...] = ("enforce", "shadow", "off")
    alert = entry.get("alert")
    return Rule(
        id=_text(file, path, entry, "id"),
        on=on,
        description=description,
        when=entry["when"],
        verdict=verdict,
        severity=severity,
        mode=_choice(file, path, entry, "mode", modes, "enforce"),
        expires=_expiry(file, (*path, "expires"), entry.get("expires")),
        hold_ms=None if hold is None else _duration(file, (*path, "hold"), hold),
        alert=None
        if alert is None
        else AlertLevel(_choice(file, path, entry, "alert", tuple(a.value for a in AlertLevel))),
        signals=signals,
        skippable=any(known[name].group in ("volume", "score") for name in signals),
    )


def _condition(
    file: PolicyFile, path: tuple[Any, ...], expression: Any, known: Mapping[str, Signal]
) -> tuple[str, ...]:
    """Check one CEL condition; returns the signals it reads, sorted."""
    if not isinstance(expression, str) or not expression.strip():
        raise file.fault(path, "a CEL condition expected")
    try:
        program = cel.compile(expression)
    except ValueError as error:
        found = re.search(r"<input>:\d+:(\d+): (?:Syntax error: )?([^\n]*)", str(error))
        at, why = (int(found[1]) - 1, found[2]) if found else (0, str(error).splitlines()[0])
        raise file.fault(path, f"not CEL: {why}", min(at, max(0, len(expression) - 1)), 1) from None
    names = tuple(program.variables())
    for name in names:
        if name not in known:
            used = re.search(rf"\b{re.escape(name)}\b", expression)
            raise file.unknown(path, "signal", name, list(known), used.start() if used else 0)
    answer = None
    for values in _samples(names, known):
        try:
            answer = program.execute(values)
        except TypeError as error:
            types = ", ".join(f"{name} is {known[name].type}" for name in names)
            raise file.fault(path, f"wrong types ({types}): {str(error).split('. ')[0]}") from None
        except (RuntimeError, ValueError) as error:
            if "Undefined" in str(error):
                raise file.fault(path, str(error).split(". ")[0]) from None
            continue  # a value such as 0 can make a sound condition fail; screening marks it degraded
        if not isinstance(answer, bool):
            raise file.fault(path, f"a condition is true or false; this is {type(answer).__name__}")
    if not names and not answer:
        raise file.fault(path, "can never be true")
    return names


def _samples(names: tuple[str, ...], known: Mapping[str, Signal]) -> Iterator[dict[str, Any]]:
    """Values to try a condition on: && and || hide a wrong type behind a value that decides already."""
    rng = Random(0)  # noqa: S311 - not for secrets; the same policy must always give the same answer
    for _ in range(64):
        yield {name: rng.choice(known[name].examples) for name in names}


def _limits(file: PolicyFile, data: Any) -> dict[Tier, int]:
    path = ("port_limits_5m",)
    _mapping(file, path, data)
    _only(file, path, data, {tier.value for tier in Tier})
    for tier, limit in data.items():
        if not isinstance(limit, int) or limit < 1:
            raise file.fault((*path, tier), "messages in 5 minutes: a number of 1 or more")
    return {tier: data.get(tier.value, 1 << 31) for tier in Tier}


def _mapping(file: PolicyFile, path: tuple[Any, ...], entry: Any) -> None:
    if not isinstance(entry, dict):
        raise file.fault(path, "a mapping expected")


def _only(file: PolicyFile, path: tuple[Any, ...], entry: dict[Any, Any], fields: set[str]) -> None:
    for key in entry:
        if key not in fields:
            raise file.unknown((*path, key), "field", str(key), sorted(fields))


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
    file: PolicyFile, path: tuple[Any, ...], entry: dict[str, Any], key: str,
    allowed: tuple[Any, ...], default: Any = None,
) -> Any:  # fmt: skip
    value = entry.get(key, default)
    value = "off" if value is False else value  # YAML 1.1 reads a bare off as false
    if value not in allowed:
        raise file.unknown((*path, key), key, str(value), [str(a) for a in allowed])
    return value


def _unique(file: PolicyFile, key: str, names: list[str], what: str) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise file.fault((key, i), f"{what} '{name}' is declared twice")


def _duration(file: PolicyFile, path: tuple[Any, ...], value: Any) -> int:
    found = _DURATION.fullmatch(str(value))
    if not found:
        raise file.fault(path, f"'{value}' is not a duration such as 10s, 5m, 24h")
    return int(found[1]) * _UNIT_MS[found[2]]


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
