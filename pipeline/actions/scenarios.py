"""Scenarios of a policy: YAML files that an analyst can read and write, run through the decision function.

given:   ports (as in ports.jsonl), lists ({list, value, reason, expires}), consents (port/<code>:number or
         enterprise/<code>:number), policy (YAML text; by default the policy under test), calendar (YAML text; by
         default the shipped one), day (by default 2026-03-10, a Tuesday), missing (parts to leave out: policy, ports,
         dictionary, model)
steps:   at (HH:MM:SS on that day, in the calendar's zone; 32:00:00 is 8 o'clock the next day; never backwards), repeat
         ({count, every, recipient or sender with {i}; people: true for recipients not in sequence}), submit or
         record, expect
expect:  verdict, rule (the deciding rule), rules (all matched rules), values (some values of the deciding rule or the
         counters), exceptions (recipient: rule), alerts (rules), causes (topics written to), kind, degraded,
         words (dictionary words marked in the text), held (duration, such as 10s), shadow (rules in shadow mode)

Counters begin at zero and the clock is the scenario's, so a scenario gives the same result at any time and place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from pipeline.actions.consequences import consequences
from pipeline.actions.routes import Routes
from pipeline.campaigns.hot import HotCampaigns
from pipeline.campaigns.known import KnownCampaigns
from pipeline.decision.campaign_sending import sending_of
from pipeline.decision.configuration import Config
from pipeline.decision.screening import Failure, Screened, screen
from pipeline.durations import parse_duration
from pipeline.errors import AntispamError
from pipeline.events import Kind, Record, RecordKind, Submission, Verdict
from pipeline.rules.clock.calendar import parse_calendar
from pipeline.rules.consents import ConsentKind, Consents, Entry, parse_shard, shard_of, shard_text
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.expiry import parse_expiry
from pipeline.rules.lists import ENTITIES, PORT_RECIPIENT, ListEntry, Lists, one_form
from pipeline.rules.policy import parse_policy
from pipeline.rules.ports import PortEntry, Ports, parse_port
from pipeline.rules.segments import Segments
from pipeline.text import numbers
from pipeline.text.yaml_text import load

STORY_TEXTS = 1000  # distinct texts of a scenario that can form campaigns


class Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A part of a scenario; an unknown field is an error."""


class Listed(Form, frozen=True):
    """An entry of a list; `expires` is an ISO 8601 time with zone. Without `expires` the entry is permanent."""

    list: Literal["black", "allow", "blocked", "unsubscribed", "registered"]
    value: str
    reason: str = ""
    expires: str | None = None


class Given(Form, frozen=True):
    """The state before the first step."""

    ports: tuple[dict[str, Any], ...] = ()
    lists: tuple[Listed, ...] = ()
    consents: tuple[str, ...] = ()
    policy: str | None = None
    calendar: str | None = None
    day: str = "2026-03-10"
    missing: tuple[Literal["policy", "ports", "dictionary", "model"], ...] = ()


class Repeat(Form, frozen=True):
    """Repeats a step `count` times at the interval `every`; `{i}` counts from 0.

    With `people`, each time has another recipient, and the numbers are not in sequence.
    """

    count: int
    every: str
    people: bool = False
    recipient: str | None = None
    sender: str | None = None


class Submit(Form, frozen=True):
    """A submission; `messages` generates this number of recipients, `scheduled_at` is HH:MM:SS."""

    port: str
    content: str
    recipient: str | None = None
    recipients: tuple[str, ...] = ()
    messages: int | None = None
    batch_size: int | None = None
    round: int = 0
    scheduled_at: str | None = None
    reviewed: bool = False


class Recorded(Form, frozen=True):
    """A record of the SMSC."""

    sender: str
    content: str
    recipient: str = "13800000001"
    kind: RecordKind = RecordKind.MO


class Expect(Form, frozen=True):
    """The expected result of a step; an absent field is not checked."""

    verdict: Verdict
    rule: str | None = None
    rules: tuple[str, ...] | None = None
    values: dict[str, Any] = {}
    exceptions: dict[str, str] | None = None
    alerts: tuple[str, ...] | None = None
    causes: tuple[str, ...] | None = None
    kind: Kind | None = None
    degraded: bool = False
    words: tuple[str, ...] | None = None
    held: str | None = None
    shadow: tuple[str, ...] | None = None


class Step(Form, frozen=True):
    """An event and its expected result."""

    at: str
    expect: Expect
    repeat: Repeat | None = None
    submit: Submit | None = None
    record: Recorded | None = None


class Scenario(Form, frozen=True):
    """A scenario: title, initial state and steps."""

    title: str
    steps: tuple[Step, ...]
    given: Given = Given()


@dataclass(frozen=True, slots=True)
class Told:
    """A parsed scenario with its source and the line of each step."""

    source: str
    scenario: Scenario
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A difference from the expectation: the event `<step>-<repetition>` (counted from 1 and 0) and the field."""

    source: str
    line: int
    event: str
    field: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}: event {self.event}"
        return f"{where}: {self.field}: expected {_plain(self.expected)}, got {_plain(self.got)}"


class ScenarioError(AntispamError):
    """The scenario is invalid and cannot be run."""


def scenario_files(paths: Sequence[Path]) -> list[Path]:
    """The given files, and the `*.yaml` files of given folders. Raises AntispamError if there are none."""
    found = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not found:
        raise AntispamError(f"{paths[0]}: no *.yaml in it")
    return found


def read(text: str, source: str = "scenario") -> Told:
    """Parse a scenario. Raises AntispamError with the place and field of the fault."""
    told = load(text, source)
    try:
        scenario = msgspec.convert(told, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{source}: {error}") from None
    if not scenario.steps:
        raise ScenarioError(f"{source}: steps: none")
    lines = _lines(text)
    for number, (step, line) in enumerate(zip(scenario.steps, lines, strict=True), 1):
        if (step.submit is None) == (step.record is None):
            raise ScenarioError(f"{source}:{line}: step {number}: either submit or record expected")
        if step.submit and not step.repeat:
            ways = (step.submit.recipient, step.submit.recipients, step.submit.messages)
            if sum(map(bool, ways)) != 1:
                raise ScenarioError(
                    f"{source}:{line}: step {number}: one of recipient, recipients and messages expected"
                )
    return Told(source, scenario, lines)


def _lines(text: str) -> tuple[int, ...]:
    """The 1-based first lines of the steps in a valid scenario."""
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 - the text is already parsed as a Scenario
    (steps,) = (value for key, value in root.value if key.value == "steps")
    return tuple(step.start_mark.line + 1 for step in steps.value)


def _midnight(given: Given, config: Config) -> int:
    """Epoch ms at which the scenario's day begins."""
    try:
        return config.calendar.epoch(date.fromisoformat(given.day), time.min)
    except ValueError:
        raise ScenarioError(f"day: '{given.day}' is not YYYY-MM-DD") from None


def _clock(text: str, midnight: int) -> int:
    """Epoch ms of a time on the scenario's day."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?", text)
    if not found:
        raise ScenarioError(f"at: '{text}' is not HH:MM:SS")
    hours, minutes, seconds = (int(part) for part in found.groups()[:3])
    since = (hours * 3600 + minutes * 60 + seconds) * 1000 + int((found[4] or "0").ljust(3, "0"))
    return midnight + since


def _configuration(given: Given, under_test: Config) -> Config:
    """The configuration under test, with the parts that the scenario replaces."""
    entries = [_list_entry(entry) for entry in given.lists]
    for port in given.ports:
        unknown = port.keys() - set(PortEntry.__struct_fields__)
        if unknown:
            raise ScenarioError(f"ports: unknown field {min(unknown)!r}")
    ports = Ports(parse_port(msgspec.json.encode(port)) for port in given.ports)
    config = replace(under_test, ports=ports, lists=Lists(entries), consents=_consents(given.consents))
    if given.policy is not None:
        config = replace(config, policy=parse_policy(given.policy))
    if given.calendar is not None:
        config = replace(config, calendar=parse_calendar(given.calendar))
    return replace(config, **dict.fromkeys(given.missing))  # type: ignore[arg-type]


def _list_entry(entry: Listed) -> ListEntry:
    if ENTITIES[entry.list] == PORT_RECIPIENT and ":" not in entry.value:
        raise ScenarioError(f"lists: {entry.list} holds port:recipient")
    try:
        ends = parse_expiry(entry.expires or "")
    except AntispamError as error:
        raise ScenarioError(f"lists: {error}") from None
    return ListEntry(entry.list, one_form(entry.list, entry.value) or entry.value, entry.reason, ends)


def _consents(written: Sequence[str]) -> Consents:
    """All these consents in one set; each is in force for ever."""
    rows: dict[int, list[Entry]] = {}
    for text in written:
        scope, _, value = text.partition(":")
        recipient = numbers.number(value)
        if recipient is None or not re.fullmatch(r"(?:port|enterprise)/.+", scope):
            raise ScenarioError(f"consents: {text}: port/<code>:number or enterprise/<code>:number expected")
        rows.setdefault(shard_of(recipient), []).append((scope, recipient, 0, ConsentKind.CONSENT, None))
    return Consents().replaced({n: parse_shard(shard_text(entries)) for n, entries in rows.items()})


def _events(step: Step, number: int, midnight: int) -> Iterator[tuple[int, Submission | Record]]:
    """(time, event) of each repetition of a step."""
    people = _people(step.repeat.count) if step.repeat and step.repeat.people else ()
    begun, repeat = _clock(step.at, midnight), step.repeat
    for i in range(repeat.count if repeat else 1):
        at = begun + (i * parse_duration(repeat.every) if repeat else 0)
        recipient = people[i] if people else repeat.recipient.format(i=i) if repeat and repeat.recipient else None
        if step.submit is not None:
            yield at, _submission(step.submit, recipient, f"{number}-{i}", at, midnight)
        elif step.record is not None:
            sender = repeat.sender.format(i=i) if repeat and repeat.sender else step.record.sender
            yield (
                at,
                Record(
                    id=f"{number}-{i}",
                    kind=step.record.kind,
                    sender=sender,
                    recipient=recipient or step.record.recipient,
                    content=step.record.content,
                    submitted_at=at,
                    ingested_at=at,
                ),
            )


def _people(count: int) -> tuple[str, ...]:
    """Invented recipients. Their numbers are not in sequence."""
    return tuple(map(str, random.Random(0).sample(range(139_0000_0000, 140_0000_0000), count)))  # noqa: S311 - no secret


def _submission(submit: Submit, recipient: str | None, name: str, at: int, midnight: int) -> Submission:
    single = recipient or submit.recipient
    recipients = (single,) if single else submit.recipients or _people(submit.messages or 0)
    if not recipients:
        raise ScenarioError(f"step {name}: no recipient")
    return Submission(
        id=name,
        port=submit.port,
        recipients=recipients,
        content=submit.content,
        accepted_at=at,
        batch_size=submit.batch_size,
        round=submit.round,
        reviewed=submit.reviewed,
        scheduled_at=_clock(submit.scheduled_at, midnight) if submit.scheduled_at else None,
    )


def run(told: Told, under_test: Config) -> list[Mismatch]:
    """Run a scenario; returns the differences of each step's first event that differs.

    A campaign is known from the next event on; in the stream this takes up to two seconds.

    Raises ScenarioError for an invalid scenario.
    """
    state, now = MemoryCounters(), 0
    hot, known = HotCampaigns(STORY_TEXTS), KnownCampaigns()
    found: list[Mismatch] = []
    try:
        config = _configuration(told.scenario.given, under_test)
        midnight = _midnight(told.scenario.given, config)
    except (AntispamError, ValueError) as error:
        raise ScenarioError(f"{told.source}: {error}") from None
    for number, (step, line) in enumerate(zip(told.scenario.steps, told.lines, strict=True), 1):
        told_of_step = False
        try:
            for at, event in _events(step, number, midnight):
                if at < now:
                    raise ScenarioError("time goes backwards")
                now = at
                [outcome] = screen([event], state, config, now, campaigns=known)
                if config.policy is not None and (sending := sending_of(event, config, "", -1)):
                    hot.take([event.content], [sending[0]], [sending[1]], config.policy.campaign_from)
                    for campaign in hot.news(at, config.policy.campaign_from, {}):
                        known.learn(campaign)
                differences = _differences(step.expect, event, outcome)
                if not told_of_step:
                    found += [Mismatch(told.source, line, event.id, *difference) for difference in differences]
                told_of_step = told_of_step or bool(differences)
        except AntispamError as error:
            raise ScenarioError(f"{told.source}:{line}: step {number}: {error}") from None
    return found


def _differences(expect: Expect, event: Submission | Record, outcome: Screened | Failure) -> list[tuple[str, Any, Any]]:
    """(field, expected, got) for each expected field with another result."""
    if isinstance(outcome, Failure):
        return [("verdict", expect.verdict, f"a failure: {outcome.cause}")]
    decision = outcome.decision
    reasons = decision.reasons
    found: dict[str, Any] = {
        "verdict": decision.verdict,
        "rule": reasons[0].rule if reasons else None,
        "rules": tuple(sorted(reason.rule for reason in reasons)),
        "exceptions": {exception.recipient: exception.rule for exception in decision.exceptions},
        "alerts": tuple(sorted(alert.rule for alert in outcome.alerts)),
        "shadow": tuple(sorted(watched.rule for watched in decision.shadow)),
        "kind": decision.kind,
        "degraded": decision.degraded,
        "words": tuple(sorted({event.content[s.start : s.end] for reason in reasons for s in reason.spans})),
        "held": None if decision.hold_until is None else decision.hold_until - decision.accepted_at,
    }
    wanted = {name: getattr(expect, name) for name in found if getattr(expect, name) is not None}
    for name in ("rules", "alerts", "words", "shadow"):
        if name in wanted:
            wanted[name] = tuple(sorted(wanted[name]))
    if "held" in wanted:
        wanted["held"] = parse_duration(wanted["held"])
    if expect.causes is not None:
        channels = Routes([outcome.port.channel if outcome.port else ""], {}, Segments({}))
        topics = [topic for topic, _, _ in consequences(event, outcome, channels, lambda _: "hash", b"")]
        found["causes"], wanted["causes"] = tuple(sorted(topics)), tuple(sorted(expect.causes))
    seen = decision.counters | (reasons[0].values if reasons else {})
    found |= {f"values {name}": seen.get(name) for name in expect.values}
    wanted |= {f"values {name}": value for name, value in expect.values.items()}
    return [(name, wanted[name], found[name]) for name in wanted if found[name] != wanted[name]]


def _plain(value: Any) -> str:
    """The value as an analyst writes it in YAML."""
    if isinstance(value, Enum):
        return str(value.value)
    return msgspec.json.encode(value).decode() if isinstance(value, tuple | dict | bool | None) else str(value)
