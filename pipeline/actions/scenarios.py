"""Runs a scenario of a policy: a YAML file that an analyst can read and write (`scenario_file.py`).

The events of its steps go through the decision function. Counters begin at zero and the clock is the scenario's, so a
scenario gives the same result at any time and place.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import Enum
from itertools import islice
from typing import Any

import msgspec

from pipeline.actions.conduct.complaint_limits import action_for
from pipeline.actions.consequences import consequences
from pipeline.actions.routes import Routes
from pipeline.actions.scenario_file import Agreed, Expect, Listed, Place, Recorded, Snoozed, Step, Submit, Told
from pipeline.campaigns.hot import HotCampaigns
from pipeline.campaigns.known import KnownCampaigns
from pipeline.decision.campaign_sending import sending_of
from pipeline.decision.configuration import Config
from pipeline.decision.screening import Failure, Screened, screen
from pipeline.durations import SECOND_MS, parse_duration
from pipeline.errors import AntispamError
from pipeline.events import Label, PortState, Priority, Record, Submission
from pipeline.models.classifier import SPAM_FROM, Classified, Classifier
from pipeline.models.features import Links
from pipeline.rules.clock.calendar import parse_calendar
from pipeline.rules.consents import Consents, Entry, enterprise_scope, parse_shard, port_scope, shard_of, shard_text
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.enterprises import check_parents, with_customers
from pipeline.rules.expiry import NEVER, parse_expiry
from pipeline.rules.lists import ENTITIES, PORT_RECIPIENT, ListEntry, Lists, one_form
from pipeline.rules.numbering.segments import Segments
from pipeline.rules.policies.policy import CampaignFrom, parse_policy
from pipeline.rules.policy_file import PolicyFile
from pipeline.rules.ports import PortEntry, Ports, parse_port
from pipeline.rules.snoozes import Snooze, Snoozes, check_rule, parse_scope, spelled
from pipeline.rules.speaker.names import parse_names
from pipeline.rules.words.dictionary import Dictionary
from pipeline.text import numbers
from pipeline.text.normal import Normals

BATCH = 1000  # events screened together
_STATES = {"suspend": PortState.SUSPENDED, "terminate": PortState.TERMINATED}
STORY_TEXTS = 1000  # distinct texts of a scenario that can form campaigns


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


class _Stated(Classifier):
    """A model with the score and category that a step states for its text."""

    def __init__(self, model: Classifier, score: float, step: Submit | Recorded) -> None:
        self.card, self.version = model.card, model.version
        self._model, self._score, self._step = model, score, step

    def classify(self, texts: Sequence[str], normals: Normals | None = None, links: Links = None) -> list[Classified]:
        """The model's opinion of the texts, with the stated score and category."""
        label = Label.SPAM if self._score >= SPAM_FROM else Label.HAM
        return [
            msgspec.structs.replace(
                opinion, score=self._score, label=label, category=self._step.category or opinion.category
            )
            for opinion in self._model.classify(texts, normals, links)
        ]


def _midnight(told: Told, config: Config) -> int:
    """Epoch ms at which the scenario's day begins."""
    day = told.scenario.given.day
    try:
        return config.calendar.epoch(date.fromisoformat(day), time.min)
    except ValueError:
        raise told.file.fault(("given", "day"), f"'{day}' is not a day such as 2026-03-10") from None


def _clock(file: PolicyFile, place: Place, text: str, midnight: int) -> int:
    """Epoch ms of a time on the scenario's day."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?", text)
    if not found:
        raise file.fault(place, f"'{text}' is not a time such as \"09:00:00\", in quotes")
    hours, minutes, seconds = (int(part) for part in found.groups()[:3])
    since = (hours * 3600 + minutes * 60 + seconds) * 1000 + int((found[4] or "0").ljust(3, "0"))
    return midnight + since


def _length(file: PolicyFile, place: Place, text: str) -> int:
    """The milliseconds of a duration."""
    try:
        return parse_duration(text)
    except AntispamError as error:
        raise file.fault(place, str(error)) from None


def _configuration(told: Told, under_test: Config) -> Config:
    """The configuration under test, with the parts that the scenario replaces."""
    given, file = told.scenario.given, told.file
    for n, port in enumerate(given.ports):
        for field in port.keys() - set(PortEntry.__struct_fields__):
            place = ("given", "ports", n, field)
            raise file.unknown(place, "field", field, list(PortEntry.__struct_fields__), of_name=True)
    config = replace(
        under_test,
        ports=Ports(_each(file, "ports", _stopped(told), lambda port: parse_port(msgspec.json.encode(port)))),
        lists=Lists(_each(file, "lists", given.lists, _list_entry)),
        consents=_consents(_each(file, "consents", given.consents, _consent)),
        snoozes=Snoozes(_each(file, "snoozes", given.snoozes, _snooze)),
    )
    texts: dict[str, Callable[[str], Any]] = {
        "policy": lambda text: parse_policy(text, "given.policy"),
        "calendar": lambda text: parse_calendar(text, "given.calendar"),
        "brands": parse_names,
        "dictionary": Dictionary.parse,
    }
    for name, parse in texts.items():
        text = getattr(given, name)
        if text is not None:
            try:
                config = replace(config, **{name: parse(text)})
            except AntispamError as error:
                raise file.fault(("given", name), str(error), of_name=True) from None
    return replace(config, **dict.fromkeys(given.missing))  # type: ignore[arg-type]


def _each(file: PolicyFile, part: str, entries: Sequence[Any], read: Callable[[Any], Any]) -> list[Any]:
    """What `read` makes of each entry of a part of `given`. Raises AntispamError that points at the entry."""
    found = []
    for n, entry in enumerate(entries):
        try:
            found.append(read(entry))
        except AntispamError as error:
            raise file.fault(("given", part, n), str(error)) from None
    return found


def _stopped(told: Told) -> list[dict[str, Any]]:
    """The given ports, suspended or terminated for their complaints or with their enterprise."""
    given, file = told.scenario.given, told.file
    ports = {str(port.get("code")): dict(port) for port in given.ports}
    for n, complained in enumerate(given.complaints):
        if complained.port not in ports:
            raise file.unknown(("given", "complaints", n, "port"), "port", complained.port, list(ports))
        action = action_for(complained.count, complained.count)
        if action in _STATES:
            ports[complained.port]["state"] = _STATES[action].value
    parents = {company.code: company.parent for company in given.enterprises}
    try:
        check_parents(parents)
    except AntispamError as error:
        raise file.fault(("given", "enterprises"), str(error), of_name=True) from None
    for company in given.enterprises:
        group = with_customers(parents, company.code) if company.suspended else ()
        for port in ports.values():
            if port.get("enterprise") in group and port.get("state", PortState.OPEN) == PortState.OPEN:
                port["state"] = PortState.SUSPENDED.value
    return list(ports.values())


def _snooze(entry: Snoozed) -> Snooze:
    check_rule(entry.rule)
    kind, value = parse_scope(entry.for_)
    until = _instant("until", entry.until)
    return Snooze(rule=entry.rule, kind=kind, value=spelled(kind, value), reason="", until=until or NEVER)


def _list_entry(entry: Listed) -> ListEntry:
    value = one_form(entry.list, entry.value)
    if value is None:
        form = "port:recipient" if ENTITIES[entry.list] == PORT_RECIPIENT else "one number"
        raise AntispamError(f"the list {entry.list} holds {form}, not {entry.value!r}")
    return ListEntry(entry.list, value, entry.reason, parse_expiry(entry.expires or ""))


def _consent(entry: Agreed) -> Entry:
    recipient = numbers.number(entry.recipient)
    if recipient is None:
        raise AntispamError(f"recipient {entry.recipient!r} is no number")
    if bool(entry.port) == bool(entry.enterprise):
        raise AntispamError("either port or enterprise expected")
    scope = port_scope(entry.port) if entry.port else enterprise_scope(entry.enterprise)
    given_at = _instant("given_at", entry.given_at) or 0
    return scope, recipient, given_at, entry.kind, _instant("until", entry.until)


def _instant(field: str, text: str | None) -> int | None:
    """Epoch ms of an ISO 8601 time with zone."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise AntispamError(f"{field} {text[:40]!r} is not a time such as 2026-03-10T09:00:00+08:00")
    return round(at.timestamp() * 1000)


def _consents(entries: Sequence[Entry]) -> Consents:
    rows: dict[int, list[Entry]] = {}
    for entry in entries:
        rows.setdefault(shard_of(entry[1]), []).append(entry)
    return Consents().replaced({n: parse_shard(shard_text(of_shard)) for n, of_shard in rows.items()})


def _events(file: PolicyFile, place: Place, step: Step, midnight: int) -> Iterator[tuple[int, Submission | Record]]:
    """(time, event) of each repetition of a step."""
    repeat, submit = step.repeat, step.submit
    begun = _clock(file, (*place, "at"), step.at, midnight)
    every = _length(file, (*place, "repeat", "every"), repeat.every) if repeat else 0
    count = repeat.count if repeat else 1
    people = _people(count) if repeat and repeat.people else ()
    scheduled = None
    if submit and submit.scheduled_at:
        scheduled = _clock(file, (*place, "submit", "scheduled_at"), submit.scheduled_at, midnight)
    for i in range(count):
        at, name = begun + i * every, f"{int(place[-1]) + 1}-{i}"
        recipient = people[i] if people else repeat.recipient.format(i=i) if repeat and repeat.recipient else None
        if submit is not None:
            single = recipient or submit.recipient
            recipients = (single,) if single else submit.recipients or _people(submit.messages or 0)
            if not recipients:
                raise file.fault((*place, "submit"), "no recipient", of_name=True)
            yield at, _submission(submit, recipients, name, at, scheduled)
        elif step.record is not None:
            sender = repeat.sender.format(i=i) if repeat and repeat.sender else step.record.sender
            yield (
                at,
                Record(
                    id=name,
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


def _submission(
    submit: Submit, recipients: tuple[str, ...], name: str, at: int, scheduled_at: int | None
) -> Submission:
    return Submission(
        id=name,
        port=submit.port,
        recipients=recipients,
        content=submit.content,
        accepted_at=at,
        batch_size=submit.batch_size,
        priority=Priority.of(len(recipients), submit.batch_size, submit.priority),
        round=submit.round,
        reviewed=submit.reviewed,
        scheduled_at=scheduled_at,
    )


def run(told: Told, under_test: Config) -> list[Mismatch]:
    """Run a scenario; returns the differences of each step's first event that differs.

    A campaign is known from the next step on, or after 1,000 events; in the stream this takes up to two seconds.

    Raises AntispamError that points at the part of the scenario that cannot be run.
    """
    state, now = MemoryCounters(), 0
    hot, known = HotCampaigns(STORY_TEXTS), KnownCampaigns()
    found: list[Mismatch] = []
    config = _configuration(told, under_test)
    midnight = _midnight(told, config)
    for n, step in enumerate(told.scenario.steps):
        place: Place = ("steps", n)
        stated = _stating(config, step)
        held = _length(told.file, (*place, "expect", "held"), step.expect.held) if step.expect.held else None
        differences: list[tuple[str, Any, Any]] = []
        events = _events(told.file, place, step, midnight)
        while batch := list(islice(events, BATCH)):
            if batch[0][0] < now:
                raise told.file.fault((*place, "at"), "time goes backwards")
            now = batch[-1][0]
            outcomes = screen([event for _, event in batch], state, stated, batch[0][0], campaigns=known)
            for (_, event), outcome in zip(batch, outcomes, strict=True):
                if not differences:
                    differences = _differences(step.expect, event, outcome, held)
                    found += [_mismatch(told.file, place, event.id, *difference) for difference in differences]
            if config.policy is not None:
                _learn(known, hot, config.policy.campaign_from, [event for _, event in batch], config, now)
    return found


def _learn(
    known: KnownCampaigns,
    hot: HotCampaigns,
    least: CampaignFrom,
    events: Sequence[Submission | Record],
    config: Config,
    now: int,
) -> None:
    """Make the campaigns of these events known."""
    sent = [(event.content, sending) for event in events if (sending := sending_of(event, config, "", -1))]
    hot.take([text for text, _ in sent], [its[0] for _, its in sent], [its[1] for _, its in sent], least)
    for campaign in hot.news(now, least, {}):
        known.learn(campaign)


def _stating(config: Config, step: Step) -> Config:
    """The configuration with the score that the step states."""
    event = step.submit or step.record
    if event is None or event.score is None or config.model is None:
        return config
    return replace(config, model=_Stated(config.model, event.score, event))


def _mismatch(file: PolicyFile, step: Place, event: str, field: str, expected: Any, got: Any) -> Mismatch:
    line = file.line((*step, "expect", *field.split(" ")))
    return Mismatch(file.name, line, event, field, expected, got)


def _differences(
    expect: Expect, event: Submission | Record, outcome: Screened | Failure, held: int | None
) -> list[tuple[str, Any, Any]]:
    """(field, expected, got) for each expected field with another result; `held` is the expected length in ms."""
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
        "suppressed": tuple(sorted(each.rule for each in decision.suppressed)),
        "kind": decision.kind,
        "degraded": decision.degraded,
        "words": tuple(sorted({event.content[s.start : s.end] for reason in reasons for s in reason.spans})),
        "held": None if decision.hold_until is None else _seconds(decision.hold_until - decision.accepted_at),
    }
    wanted = {name: getattr(expect, name) for name in found if getattr(expect, name) is not None}
    for name in ("rules", "alerts", "words", "shadow", "suppressed"):
        if name in wanted:
            wanted[name] = tuple(sorted(wanted[name]))
    if "held" in wanted:
        wanted["held"] = held and _seconds(held)
    if expect.causes is not None:
        channels = Routes([outcome.port.channel if outcome.port else ""], {}, Segments({}))
        topics = [topic for topic, _, _ in consequences(event, outcome, channels, lambda _: "hash", b"")]
        found["causes"], wanted["causes"] = tuple(sorted(topics)), tuple(sorted(expect.causes))
    seen = decision.counters | (reasons[0].values if reasons else {})
    found |= {f"values {name}": seen.get(name) for name in expect.values}
    wanted |= {f"values {name}": value for name, value in expect.values.items()}
    return [(name, wanted[name], found[name]) for name in wanted if found[name] != wanted[name]]


def _seconds(ms: int) -> str:
    return f"{ms / SECOND_MS:.15g}s"


def _plain(value: Any) -> str:
    """The value as an analyst writes it in YAML."""
    if isinstance(value, Enum):
        return str(value.value)
    return msgspec.json.encode(value).decode() if isinstance(value, tuple | dict | bool | None) else str(value)
