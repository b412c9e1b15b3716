"""The shipped scenarios notice each change of the shipped policy: a rule switched off, a number changed up or down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import yaml

from pipeline.actions.scenario_file import Told, read, scenario_files, shipped_scenarios
from pipeline.actions.scenarios import run
from pipeline.decision.configuration import Config, default_policy, load_directory
from pipeline.rules.policies.policy import parse_policy

NUMBER = re.compile(r"(?<![\w.\"])\d+(?:\.\d+)?(?![\w.\"])")
LENGTH = re.compile(r"(\d+)([smh])")
CLOCK = re.compile(r"(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change of the policy: the place in its YAML, and the value that it gets."""

    place: tuple[Any, ...]
    name: str
    value: Any

    @property
    def about(self) -> str:
        """The id of the rule or the name of the counter that changes."""
        return self.name.split(" ")[0]


@cache
def policy() -> Any:
    return yaml.safe_load(default_policy())


@cache
def scenarios() -> list[Told]:
    return [read(path.read_text(encoding="utf-8"), path.name) for path in scenario_files([shipped_scenarios()])]


@cache
def shipped() -> Config:
    return load_directory(None)


def mutations() -> Iterator[Mutation]:
    """Each rule in force or in shadow switched off, and each number of the policy changed up and down."""
    for n, rule in enumerate(policy()["rules"]):
        yield Mutation(("rules", n, "mode"), f"{rule['id']} off", "off")
    for place, about, value in _numbers():
        for name, changed in _steps(value):
            yield Mutation(place, f"{about} {place[-1]} {name}", changed)


def _numbers() -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """(place, id, value) of each value that holds numbers."""
    for key in ("port_limits_5m", "campaign_from"):
        for name in policy()[key]:
            yield (key, name), key, policy()[key][name]
    for n, counter in enumerate(policy()["counters"]):
        for field in ("where", "window", "up_to"):
            if field in counter:
                yield ("counters", n, field), counter["name"], counter[field]
    for n, rule in enumerate(policy()["rules"]):
        for field in ("when", "hold", "hold_until"):
            if field in rule:
                yield ("rules", n, field), rule["id"], rule[field]


def _steps(value: Any) -> Iterator[tuple[str, Any]]:
    """(name, changed value) of each number in a value, one step up and one step down."""
    if isinstance(value, int):
        yield from ((f"{value} to {value + step}", value + step) for step in (1, -1) if value + step > 0)
    elif found := LENGTH.fullmatch(value):
        # A window has 60 buckets, so a step of a sixtieth could be lost in one.
        for step in (1.2, 0.8):
            seconds = round(int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] * step)
            yield f"{value} to {seconds}s", f"{seconds}s"
    elif found := CLOCK.fullmatch(value):
        for step in (1, -1):
            changed = f"{int(found[1]) + step:02}:{found[2]}"
            yield f"{value} to {changed}", changed
    elif value in ("hour", "day"):
        yield f"{value} to {'day' if value == 'hour' else 'hour'}", "day" if value == "hour" else "hour"
    else:
        for found in NUMBER.finditer(value):
            for step in (1, -1):
                number = found[0]
                changed = f"{float(number) + step / 100:.2f}" if "." in number else str(int(number) + step)
                if not changed.startswith("-"):
                    yield (
                        f"{value[max(0, found.start() - 24) : found.end()]} to {changed}",
                        (value[: found.start()] + changed + value[found.end() :]),
                    )


def mutated(mutation: Mutation) -> Config:
    """The shipped configuration with this change of the policy."""
    changed = yaml.safe_load(default_policy())
    part = changed
    for key in mutation.place[:-1]:
        part = part[key]
    part[mutation.place[-1]] = mutation.value
    return replace(shipped(), policy=parse_policy(yaml.safe_dump(changed, allow_unicode=True, sort_keys=False)))


def noticed_by(mutation: Mutation) -> str | None:
    """The first scenario that comes otherwise under the change; those that name what it is about go first."""
    under_test = mutated(mutation)
    names = re.compile(rf"(?<![\w-]){re.escape(mutation.about)}(?![\w-])")
    for told in sorted(scenarios(), key=lambda told: (not names.search(told.file.text), len(told.file.text))):
        if run(told, under_test):
            return told.file.name
    return None


@pytest.mark.slow
def test_a_scenario_notices_each_change_of_the_policy() -> None:
    assert all(run(told, shipped()) == [] for told in scenarios())
    assert [mutation.name for mutation in mutations() if noticed_by(mutation) is None] == []


def test_every_rule_and_every_number_is_changed() -> None:
    names = [mutation.name for mutation in mutations()]
    assert len(set(names)) == len(names)
    for expected in (
        "bulk-same-content off",
        "bulk-same-content when same_content_5m > 50 to 51",
        "bulk-same-content when same_content_5m > 50 to 49",
        "port_limits_5m high 2000 to 2001",
        "campaign_from messages 20 to 19",
        "same_content_5m window 5m to 360s",
        "bulk-grace hold 10s to 8s",
        "quiet-hours hold_until 08:00 to 07:00",
    ):
        assert expected in names
