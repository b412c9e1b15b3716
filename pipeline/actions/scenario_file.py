"""The file of a scenario: its form, and the place of each of its parts.

given:   ports (as in ports.jsonl), lists ({list, value, reason, expires}), consents ({recipient, port or enterprise,
         kind, given_at, until}), snoozes ({rule, for, until}), complaints of the month ({port, count}), enterprises
         ({code, parent, suspended}), day (by default 2026-03-10, a Tuesday), missing (parts to leave out: policy,
         ports, dictionary, model), and texts of files: policy (by default the policy under test), calendar, brands
         and dictionary (by default those under test)
steps:   at (HH:MM:SS on that day, in the calendar's zone; 32:00:00 is 8 o'clock the next day; never backwards), repeat
         ({count, every, recipient or sender with {i}; people: true for recipients not in sequence}), submit or
         record, expect
expect:  verdict, rule (the deciding rule), rules (all matched rules), values (some values of the deciding rule or the
         counters), exceptions (recipient: rule), alerts (rules), causes (topics written to), kind, degraded,
         words (dictionary words marked in the text), held (duration, such as 10s), shadow (rules in shadow mode),
         suppressed (rules that matched and did not count)
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import msgspec

from pipeline.errors import AntispamError
from pipeline.events import Category, Kind, Priority, RecordKind, Verdict
from pipeline.rules.consents import ConsentKind
from pipeline.rules.policy_file import PolicyFile
from pipeline.text.faults.form_faults import form_fault

Place = tuple[str | int, ...]  # the names and indexes that lead to a value of the file


class Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A part of a scenario; an unknown field is an error."""


class Listed(Form, frozen=True):
    """An entry of a list; `expires` is an ISO 8601 time with zone. Without `expires` the entry is permanent."""

    list: Literal["black", "allow", "watched", "blocked", "unsubscribed", "registered"]
    value: str
    reason: str = ""
    expires: str | None = None


class Agreed(Form, frozen=True):
    """An entry of the record of consents, of a port or an enterprise. Times are ISO 8601 with zone.

    Without `given_at` the entry is the oldest of all; without `until` the consent does not end.
    """

    recipient: str
    port: str = ""
    enterprise: str = ""
    kind: ConsentKind = ConsentKind.CONSENT
    given_at: str | None = None
    until: str | None = None


class Snoozed(Form, frozen=True):
    """A snooze: `for` is such as port:10690001. Without `until` (an ISO 8601 time with zone) it does not end."""

    rule: str
    for_: str = msgspec.field(name="for")
    until: str | None = None


class Complained(Form, frozen=True):
    """The complaints about a port in a month. They suspend or terminate it as they would live."""

    port: str
    count: int


class Company(Form, frozen=True):
    """An enterprise, and its reseller. A suspended one has the open ports suspended: its own and its customers'."""

    code: str
    parent: str = ""
    suspended: bool = False


class Given(Form, frozen=True):
    """The state before the first step."""

    ports: tuple[dict[str, Any], ...] = ()
    lists: tuple[Listed, ...] = ()
    consents: tuple[Agreed, ...] = ()
    snoozes: tuple[Snoozed, ...] = ()
    complaints: tuple[Complained, ...] = ()
    enterprises: tuple[Company, ...] = ()
    policy: str | None = None
    calendar: str | None = None
    brands: str | None = None
    dictionary: str | None = None
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
    """A submission; `messages` generates this number of recipients, `scheduled_at` is HH:MM:SS.

    Without a `priority` it takes the lane that the door gives it.

    `score` and `category` stand in place of the model's: so a story of a threshold outlives the model.
    """

    port: str
    content: str
    recipient: str | None = None
    recipients: tuple[str, ...] = ()
    messages: int | None = None
    batch_size: int | None = None
    priority: Priority | None = None
    round: int = 0
    scheduled_at: str | None = None
    reviewed: bool = False
    score: float | None = None
    category: Category | None = None


class Recorded(Form, frozen=True):
    """A record of the SMSC; `score` and `category` as in a submission."""

    sender: str
    content: str
    recipient: str = "13800000001"
    kind: RecordKind = RecordKind.MO
    score: float | None = None
    category: Category | None = None


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
    suppressed: tuple[str, ...] | None = None


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
    """A parsed scenario and its file, which knows the place of each part."""

    file: PolicyFile
    scenario: Scenario


def scenario_files(paths: list[Path]) -> list[Path]:
    """The given files, and the `*.yaml` files of given folders. Raises AntispamError if there are none."""
    found = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not found:
        raise AntispamError(f"{paths[0]}: no *.yaml in it")
    return found


def shipped_scenarios() -> Path:
    """The folder of the scenarios that the package ships."""
    with as_file(files("pipeline.rules") / "defaults" / "scenarios") as folder:
        return folder


def read(text: str, source: str = "scenario") -> Told:
    """Parse a scenario. Raises AntispamError with the place of the fault and the nearest valid name."""
    file = PolicyFile(text, source)
    try:
        scenario = msgspec.convert(file.data, Scenario)
    except msgspec.ValidationError as error:
        fault = form_fault(error, Scenario)
        if fault.word:
            what = "field" if fault.what == "field" else fault.message.split()[1]
            known, of_name = list(fault.known), fault.what == "field"
            raise file.unknown(fault.place, what, fault.word, known, of_name=of_name) from None
        raise file.fault(fault.place, fault.message) from None
    if not scenario.steps:
        raise file.fault(("steps",), "at least one step expected")
    for n, step in enumerate(scenario.steps):
        if (step.submit is None) == (step.record is None):
            raise file.fault(("steps", n), "either submit or record expected", of_name=True)
        if step.submit and not step.repeat:
            ways = (step.submit.recipient, step.submit.recipients, step.submit.messages)
            if sum(map(bool, ways)) != 1:
                place = ("steps", n, "submit")
                raise file.fault(place, "one of recipient, recipients and messages expected", of_name=True)
    return Told(file, scenario)
