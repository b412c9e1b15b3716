"""How the text of each kind of configuration with a life is named, read, and compared in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import AntispamError
from pipeline.rules.clock.calendar import CALENDAR, Calendar, parse_calendar
from pipeline.rules.lists import LISTS, WHITE, Numbers, numbers_of, read_lists
from pipeline.rules.policies.brands_diff import brands_differences
from pipeline.rules.policies.calendar_diff import calendar_differences
from pipeline.rules.policies.dictionary_diff import dictionary_differences
from pipeline.rules.policies.difference import Line
from pipeline.rules.policies.lifecycle import LivingKind
from pipeline.rules.policies.list_diff import list_differences, list_summary
from pipeline.rules.policies.policy import POLICY, Policy, parse_policy
from pipeline.rules.policies.policy_diff import differences
from pipeline.rules.policies.port_templates import parse_templates, port_of, templates_differences
from pipeline.rules.speaker.names import BRANDS
from pipeline.rules.words import dictionary_file
from pipeline.text.brands import Brand, merged, parse_brands, shipped_brands


@dataclass(frozen=True, slots=True)
class Format:
    """The text of one kind.

    `name` is that of its entry among the configurations: the only one; of list files, the one of a configuration
    folder; empty for templates, whose name is the port. `parse` takes the text and its source for messages, and raises
    AntispamError that points at the first fault. `differences` compares two parsed texts. `summary` says what a parsed
    text holds.
    """

    name: str
    parse: Callable[[str, str], Any]
    differences: Callable[[Any, Any], list[Line]]
    summary: Callable[[Any], str]
    max_bytes: int = 1_000_000


def _words(text: str, source: str) -> tuple[dictionary_file.Entry, ...]:
    try:
        return dictionary_file.parse_entries(text)
    except AntispamError as error:
        raise AntispamError(f"{source}: {error}") from None


def _brands(text: str, source: str) -> tuple[Brand, ...]:
    return merged(shipped_brands(), parse_brands(text, source))


def _entries(text: str, source: str) -> Numbers:
    return numbers_of(read_lists(text, source))


def _policy_summary(policy: Policy) -> str:
    by_mode = {mode: sum(rule.mode == mode for rule in policy.rules) for mode in ("enforce", "shadow", "off")}
    modes = ", ".join(f"{count} {mode}" for mode, count in by_mode.items() if count)
    queues = f", {len(policy.queues.queues)} queues" if policy.queues.queues else ""
    return f"{len(policy.rules)} rules ({modes}), {len(policy.counters)} counters{queues}"


def _calendar_summary(calendar: Calendar) -> str:
    years = ", ".join(map(str, sorted(calendar.years))) or "none"
    return f"years {years}; {len(calendar.holidays)} holidays, {len(calendar.workdays)} moved workdays"


FORMATS: Mapping[LivingKind, Format] = {
    LivingKind.POLICY: Format(POLICY, parse_policy, differences, _policy_summary),
    LivingKind.DICTIONARY: Format(
        "dictionary.csv",
        _words,
        dictionary_differences,
        lambda entries: f"{len(entries)} words and patterns",
        dictionary_file.MAX_BYTES,
    ),
    LivingKind.CALENDAR: Format(CALENDAR, parse_calendar, calendar_differences, _calendar_summary),
    LivingKind.BRANDS: Format(
        BRANDS, _brands, brands_differences, lambda brands: f"{len(brands)} brands with the shipped ones"
    ),
    LivingKind.LIST: Format(LISTS, _entries, list_differences, list_summary, 500_000_000),  # ten million rows
    LivingKind.TEMPLATES: Format(
        "", parse_templates, templates_differences, lambda told: f"{len(told.templates)} templates of port {told.port}"
    ),
}


def living(kind: str, name: str) -> LivingKind | None:
    """The kind of this entry of the configuration if its versions have a life, or None."""
    if kind == LivingKind.LIST:
        return None if name.startswith(WHITE) else LivingKind.LIST
    if kind == LivingKind.TEMPLATES:
        return LivingKind.TEMPLATES
    return next((each for each, text in FORMATS.items() if (each, text.name) == (kind, name)), None)


def name_of(kind: LivingKind, text: str, given: str = "") -> str:
    """The name of the entry that a text is for. `given` is that of a list file.

    Raises AntispamError for a name that is not possible, and for templates of no port.
    """
    if kind is LivingKind.TEMPLATES:
        return port_of(text)
    name = given or FORMATS[kind].name
    if living(kind, name) is not kind:
        raise AntispamError("{kind}: name {name!r} is not possible", kind=kind, name=name[:64])
    return name
