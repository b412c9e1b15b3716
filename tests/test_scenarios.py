"""Stories an analyst can read and write: `tests/scenarios/*.yaml`, run through the decision function.

given:   ports (as in ports.jsonl), lists ({list, value, reason, expires}), policy (YAML text; the shipped one
         if absent), missing (parts to leave out: policy, ports, dictionary, model)
steps:   at (HH:MM:SS, a day of our own; never backwards), repeat ({count, every, recipient or sender with {i}}),
         submit or record, expect
expect:  verdict, rule (the deciding one), rules (all of them), values (some of what the deciding rule or the
         counters saw), exceptions (recipient: rule), alerts (rules), causes (topics written to), kind, degraded,
         words (dictionary words marked in the text), held (how long, such as 10s), shadow (rules in shadow mode)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import yaml

from pipeline.actions.route import consequences
from pipeline.actions.routes import Routes
from pipeline.configuration import Config, load_directory
from pipeline.events import Kind, Record, RecordKind, Submission, Verdict
from pipeline.models.hot_campaigns import HotCampaigns
from pipeline.models.known_campaigns import KnownCampaigns
from pipeline.rules.counters import MemoryCounters
from pipeline.rules.lists import ENTITIES, NEVER, ListEntry, Lists
from pipeline.rules.policy import parse_policy
from pipeline.rules.ports import Ports, parse_port
from pipeline.rules.segments import Segments
from pipeline.screening import Screened, screen
from pipeline.stream.campaigns import sending_of

SCENARIOS = sorted(Path(__file__).with_name("scenarios").glob("*.yaml"))
DAY = datetime.fromisoformat("2026-03-10T00:00:00+08:00")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A part of a scenario; a misspelt field is an error, never ignored."""


class Listed(Form, frozen=True):
    list: Literal["black", "allow", "blocked", "unsubscribed"]
    value: str
    reason: str = ""
    expires: str | None = None


class Given(Form, frozen=True):
    ports: tuple[dict[str, Any], ...] = ()
    lists: tuple[Listed, ...] = ()
    policy: str | None = None
    missing: tuple[Literal["policy", "ports", "dictionary", "model"], ...] = ()


class Repeat(Form, frozen=True):
    count: int
    every: str
    recipient: str | None = None
    sender: str | None = None


class Submit(Form, frozen=True):
    port: str
    content: str
    recipient: str | None = None
    recipients: tuple[str, ...] = ()
    messages: int | None = None
    batch_size: int | None = None
    round: int = 0


class Recorded(Form, frozen=True):
    sender: str
    content: str
    recipient: str = "13800000001"
    kind: RecordKind = RecordKind.MO


class Expect(Form, frozen=True):
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
    at: str
    expect: Expect
    repeat: Repeat | None = None
    submit: Submit | None = None
    record: Recorded | None = None


class Scenario(Form, frozen=True):
    title: str
    steps: tuple[Step, ...]
    given: Given = Given()


class ScenarioError(Exception):
    """A scenario that cannot be run as written."""


@cache
def shipped() -> Config:
    return load_directory(None)


def read(text: str) -> Scenario:
    """A scenario; raises ScenarioError naming the field at fault."""
    try:
        scenario = msgspec.convert(yaml.safe_load(text), Scenario)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ScenarioError(str(error)) from None
    if not scenario.steps:
        raise ScenarioError("steps: none")
    for number, step in enumerate(scenario.steps, 1):
        if (step.submit is None) == (step.record is None):
            raise ScenarioError(f"step {number}: either submit or record expected")
        if step.submit and not step.repeat:
            ways = (step.submit.recipient, step.submit.recipients, step.submit.messages)
            if sum(map(bool, ways)) != 1:
                raise ScenarioError(f"step {number}: one of recipient, recipients and messages expected")
    return scenario


def duration(text: str) -> int:
    """Milliseconds of 100ms, 10s, 5m, 1h."""
    found = re.fullmatch(r"(\d+)(ms|s|m|h)", text)
    if not found:
        raise ScenarioError(f"'{text}' is not a duration such as 100ms, 10s, 5m")
    return int(found[1]) * _UNITS[found[2]]


def clock(text: str) -> int:
    """Epoch ms of a time of our day."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?", text)
    if not found:
        raise ScenarioError(f"at: '{text}' is not HH:MM:SS")
    hours, minutes, seconds = (int(part) for part in found.groups()[:3])
    since = (hours * 3600 + minutes * 60 + seconds) * 1000 + int((found[4] or "0").ljust(3, "0"))
    return int(DAY.timestamp() * 1000) + since


def configuration(given: Given) -> Config:
    """What the story takes as given; the rest is what we ship."""
    entries = [
        ListEntry(
            entry.list, entry.value, entry.reason,
            NEVER if entry.expires is None else int(datetime.fromisoformat(entry.expires).timestamp() * 1000),
        )
        for entry in given.lists
    ]  # fmt: skip
    for entry in given.lists:
        if ENTITIES[entry.list] == "port_recipient" and ":" not in entry.value:
            raise ScenarioError(f"lists: {entry.list} holds port:recipient")
    for port in given.ports:
        unknown = port.keys() - {"code", "name", "enterprise", "tier", "state", "kind", "signatures", "channel",
                                 "volume_5m", "templates"}  # fmt: skip
        if unknown:
            raise ScenarioError(f"ports: unknown field {min(unknown)!r}")
    ports = Ports(parse_port(msgspec.json.encode(port)) for port in given.ports)
    config = replace(shipped(), ports=ports, lists=Lists(entries))
    if given.policy is not None:
        config = replace(config, policy=parse_policy(given.policy))
    return replace(config, **dict.fromkeys(given.missing))  # type: ignore[arg-type]


def events(step: Step, number: int) -> Iterator[tuple[int, Submission | Record]]:
    """(time, event) of a step, once or as often as it repeats."""
    begun, repeat = clock(step.at), step.repeat
    for i in range(repeat.count if repeat else 1):
        at = begun + (i * duration(repeat.every) if repeat else 0)
        recipient = repeat.recipient.format(i=i) if repeat and repeat.recipient else None
        if step.submit is not None:
            yield at, _submission(step.submit, recipient, f"{number}-{i}", at)
        elif step.record is not None:
            sender = repeat.sender.format(i=i) if repeat and repeat.sender else step.record.sender
            yield (
                at,
                Record(
                    id=f"{number}-{i}", kind=step.record.kind, sender=sender,
                    recipient=recipient or step.record.recipient, content=step.record.content,
                    submitted_at=at, ingested_at=at,
                ),
            )  # fmt: skip


def _submission(submit: Submit, recipient: str | None, name: str, at: int) -> Submission:
    single = recipient or submit.recipient
    if submit.messages:
        recipients = tuple(f"139{n:08d}" for n in range(submit.messages))
    else:
        recipients = (single,) if single else submit.recipients
    if not recipients:
        raise ScenarioError(f"step {name}: nobody to send to")
    return Submission(
        id=name, port=submit.port, recipients=recipients, content=submit.content, accepted_at=at,
        batch_size=submit.batch_size, round=submit.round,
    )  # fmt: skip


def run(scenario: Scenario) -> None:
    """Tell the story; raises AssertionError at the step that turns out otherwise.

    Campaigns are known from the next event on: what takes the stream up to two seconds.
    """
    state, config, now = MemoryCounters(), configuration(scenario.given), 0
    hot, known = HotCampaigns(1000), KnownCampaigns()
    for number, step in enumerate(scenario.steps, 1):
        for at, event in events(step, number):
            if at < now:
                raise ScenarioError(f"step {number}: time goes backwards")
            now = at
            [outcome] = screen([event], state, config, now, campaigns=known)
            assert isinstance(outcome, Screened), f"step {number}: {outcome}"
            if config.policy is not None and (sending := sending_of(event, config, "", -1)):
                hot.take([event.content], [sending[0]], [sending[1]], config.policy.campaign_from)
                for campaign in hot.news(at, config.policy.campaign_from, {}):
                    known.learn(campaign)
            check(step.expect, event, outcome, f"{scenario.title}, step {event.id}")


def check(expect: Expect, event: Submission | Record, outcome: Screened, where: str) -> None:
    """Compare what is expected, field by field, with what was decided."""
    decision = outcome.decision
    reasons = decision.reasons
    found: dict[str, Any] = {
        "verdict": decision.verdict,
        "rule": reasons[0].rule if reasons else None,
        "rules": tuple(sorted(reason.rule for reason in reasons)),
        "exceptions": {exception.recipient: exception.rule for exception in decision.exceptions},
        "alerts": tuple(sorted(rule for _, rule, _ in outcome.alerts)),
        "shadow": tuple(sorted(outcome.rule for outcome in decision.shadow)),
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
        wanted["held"] = duration(wanted["held"])
    if expect.causes is not None:
        channels = Routes([outcome.port.channel if outcome.port else ""], {}, Segments({}))
        topics = [topic for topic, _, _ in consequences(event, outcome, channels, lambda number: "hash")]
        found["causes"], wanted["causes"] = tuple(sorted(topics)), tuple(sorted(expect.causes))
    seen = decision.counters | (reasons[0].values if reasons else {})
    found |= {f"values {name}": seen.get(name) for name in expect.values}
    wanted |= {f"values {name}": value for name, value in expect.values.items()}
    assert {name: found[name] for name in wanted} == wanted, where


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_story_ends_as_told(path: Path) -> None:
    run(read(path.read_text(encoding="utf-8")))


def test_titles_differ_and_there_are_stories() -> None:
    titles = [read(path.read_text(encoding="utf-8")).title for path in SCENARIOS]
    assert len(titles) >= 10
    assert len(set(titles)) == len(titles)


STORY = """\
title: one release
given:
  ports: [{code: "10690001"}]
steps:
  - at: "09:00:00"
    submit: {port: "10690001", recipient: "13800000001", content: 您好}
    expect: {verdict: release}
"""


def test_the_story_the_following_mistakes_are_made_in_is_sound() -> None:
    run(read(STORY))


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("title:", "titel:", "titel"),
        ("given:", "givn:", "givn"),
        ("ports:", "prots:", "prots"),
        ("code:", "codes: 1, code:", "codes"),
        ("at:", "att:", "att"),
        ("submit:", "sumbit:", "sumbit"),
        ("recipient:", "recipent:", "recipent"),
        ("expect: {verdict", "expect: {rulez: x, verdict", "rulez"),
        ("verdict: release", "verdict: relase", "relase"),
        ('"09:00:00"', '"9 o\'clock"', "HH:MM:SS"),
        ("    submit:", "    repeat: {count: 2, every: a while}\n    submit:", "a while"),
        ("    submit:", "    repeat: {count: 2, every: 1s, resipient: x}\n    submit:", "resipient"),
        ("    submit:", '    record: {sender: "139", content: x}\n    submit:', "either submit or record"),
        ('recipient: "13800000001", ', "", "one of recipient"),
        ("given:", "given:\n  lists: [{list: grey, value: x}]", "grey"),
        ("given:", "given:\n  lists: [{list: unsubscribed, value: x}]", "port:recipient"),
        ("given:", "given:\n  missing: [modle]", "modle"),
        ("steps:", "steps: []\nother:", "other"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_story_fails_loudly(right: str, wrong: str, message: str) -> None:
    assert right in STORY
    with pytest.raises(ScenarioError, match=re.escape(message)):
        run(read(STORY.replace(right, wrong, 1)))


@pytest.mark.parametrize(
    "expect",
    [
        "verdict: hold",
        "verdict: release, rule: port-unknown",
        "verdict: release, rules: [port-unknown]",
        "verdict: release, values: {port_volume_5m: 2}",
        "verdict: release, values: {port_volume: 1}",
        'verdict: release, exceptions: {"13800000001": recipient-blocked}',
        "verdict: release, alerts: [port-volume]",
        "verdict: release, causes: [cases]",
        "verdict: release, kind: commercial",
        "verdict: release, degraded: true",
        "verdict: release, words: [您好]",
        "verdict: release, held: 10s",
        "verdict: release, shadow: [campaign-across-ports]",
    ],
)
def test_a_story_that_turns_out_otherwise_fails(expect: str) -> None:
    with pytest.raises(AssertionError):
        run(read(STORY.replace("verdict: release", expect)))


def test_time_never_goes_backwards_in_a_story() -> None:
    _, _, step = STORY.partition("steps:\n")
    with pytest.raises(ScenarioError, match="step 2: time goes backwards"):
        run(read(STORY + step.replace("09:00:00", "08:59:59")))
