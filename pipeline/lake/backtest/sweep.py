"""A sweep: one number of a policy, replaced by several values.

The number is named by its place in the policy file:

    RULE                  the only number in the condition of a rule
    RULE.SIGNAL           the number with which the condition compares a signal
    port_limits_5m.TIER, campaign_from.messages, campaign_from.senders
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

import yaml

from pipeline.errors import AntispamError
from pipeline.rules.policy_file import PolicyFile

MOST_VALUES = 20
_NUMBER = r"-?\d+(?:\.\d+)?"
_IS_NUMBER = re.compile(_NUMBER)
_TABLES = ("port_limits_5m", "campaign_from")
_TOKEN = re.compile(rf"\"[^\"]*\"|'[^']*'|(?P<number>(?<![\w.]){_NUMBER}(?![\w.]))")


def parse_sweep(given: str) -> tuple[str, tuple[str, ...]]:
    """(name, values) of `NAME=a,b,c`. Raises AntispamError for another form."""
    name, _, listed = given.partition("=")
    values = tuple(dict.fromkeys(value.strip() for value in listed.split(",")))
    if not name.strip() or not all(_IS_NUMBER.fullmatch(value) for value in values):
        raise AntispamError(f"--sweep {given[:60]!r}: NAME=number,number,… expected")
    if len(values) > MOST_VALUES:
        raise AntispamError(f"--sweep: at most {MOST_VALUES} values")
    return name.strip(), values


def with_number(text: str, name: str, value: str, file: str) -> str:
    """The text of the policy with this number in the place `name`. Raises AntispamError if there is no such place."""
    data = PolicyFile(text, file).data
    if not isinstance(data, dict):
        raise AntispamError(f"{file}: a mapping with 'counters' and 'rules' expected")
    first, _, second = name.partition(".")
    if first in _TABLES:
        table = data.get(first)
        if not isinstance(table, dict) or second not in table:
            raise AntispamError(f"--sweep: {file} has no {name!r}")
        table[second] = yaml.safe_load(value)
    else:
        rule = _rule(data, first, file)
        rule["when"] = _replaced(str(rule.get("when", "")), first, second, value)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


def _rule(data: dict[str, Any], name: str, file: str) -> dict[str, Any]:
    rules = {str(rule.get("id")): rule for rule in data.get("rules") or () if isinstance(rule, dict)}
    if name not in rules:
        near = get_close_matches(name[:60], [*rules, *_TABLES], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AntispamError(f"--sweep: {file} has no rule {name[:60]!r}{hint}")
    return rules[name]


def _replaced(when: str, rule: str, signal: str, value: str) -> str:
    if signal:
        pattern = re.compile(rf"(?<!\w)({re.escape(signal)}\s*(?:[<>]=?|[=!]=)\s*){_NUMBER}(?![\w.])")
        places = [found.span() for found in pattern.finditer(when)]
        if len(places) == 1:
            return pattern.sub(lambda found: found[1] + value, when)
        raise AntispamError(
            f"--sweep: rule {rule} compares {signal!r} with {len(places)} numbers, not with one: {when}"
        )
    numbers = [found for found in _TOKEN.finditer(when) if found["number"]]
    if len(numbers) != 1:
        raise AntispamError(
            f"--sweep: the condition of {rule} has {len(numbers)} numbers; name one as {rule}.SIGNAL: {when}"
        )
    begin, end = numbers[0].span()
    return when[:begin] + value + when[end:]
