"""docs/policy-guide.md: its table of rules and stories is that of the shipped policy and the shipped stories."""

from __future__ import annotations

import re

from pipeline.actions.scenario_file import shipped_scenarios
from pipeline.decision.configuration import default_policy
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.policies.policy import parse_policy
from tests.harness.places import ROOT

TABLE = (ROOT / "docs" / "policy-guide.md").read_text(encoding="utf-8").split("and the story that shows it\n")[1]
ROWS = [
    (re.findall(r"`([a-z0-9-]+)`", rules), [name for name in stories.strip().split(", ") if name])
    for rules, stories in re.findall(r"^\| (?!subject|---).*? \| (.*?) \| (.*?)\|$", TABLE, re.MULTILINE)
]


def test_every_shipped_rule_has_its_row_and_every_named_rule_exists() -> None:
    shipped = {rule.id for rule in parse_policy(default_policy()).rules}
    named = {rule for rules, _ in ROWS for rule in rules}
    assert shipped - named == set()
    assert named - shipped <= set(BuiltInRule)


def test_every_named_rule_is_expected_by_a_story_of_its_row() -> None:
    assert len(ROWS) > 15
    lost = []
    for rules, stories in ROWS:
        told = "\n".join((shipped_scenarios() / f"{name}.yaml").read_text(encoding="utf-8") for name in stories)
        expected = re.findall(r"expect:.*(?:\n      .*)*", told)
        lost += [rule for rule in rules if not re.search(rf"(?<![\w-]){rule}(?![\w-])", "\n".join(expected))]
    assert lost == []
