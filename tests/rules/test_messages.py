"""Sentences of rules: a template in each language, filled with the values that the rule saw."""

from __future__ import annotations

import re

import pytest

from pipeline.decision.configuration import default_policy
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import BUILT_IN, LANGUAGES, built_in, filled, slots
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.policy_file import PolicyError

POLICY = """
rules:
  - id: score
    event: submission
    description: {zh: "垃圾概率 {score}[，含 {links} 个链接]", en: "P(spam) {score}[, {links} links]"}
    when: score > 0.5 && links >= 0
    verdict: review
"""


@pytest.mark.parametrize("rule", BuiltInRule)
def test_every_built_in_rule_has_a_sentence_in_every_language(rule: BuiltInRule) -> None:
    assert set(BUILT_IN[rule]) == set(LANGUAGES)
    assert not re.search("[一-鿿]", BUILT_IN[rule]["en"])
    assert re.search("[一-鿿]", BUILT_IN[rule]["zh"])
    assert slots(BUILT_IN[rule]["en"]) == slots(BUILT_IN[rule]["zh"])


def test_a_part_in_brackets_is_left_out_without_its_value() -> None:
    template = "垃圾概率 {score}[，含 {links} 个链接][，联系方式 {contacts}]"
    assert filled(template, {"score": 0.91234, "links": 0, "contacts": []}) == "垃圾概率 0.912"
    assert filled(template, {"score": 0.5, "links": 2, "contacts": ["qq", "wechat"]}) == (
        "垃圾概率 0.500，含 2 个链接，联系方式 qq, wechat"
    )
    assert built_in(BuiltInRule.BLACK_LISTED, {"entry": "fraud"}, "en") == "The sender is on the black list: fraud"
    assert built_in(BuiltInRule.BLACK_LISTED, {"entry": ""}, "en") == "The sender is on the black list"


@pytest.mark.parametrize("empty", [[], ""])
def test_no_sentence_ends_in_an_empty_value(empty: object) -> None:
    template = "垃圾概率 {score}，且含 {links} 个链接或 {contacts}"
    values = {"score": 0.9, "links": 1, "contacts": empty}
    assert filled(template, values) == "垃圾概率 0.900，且含 1 个链接或 –"


def test_brackets_without_a_value_are_text() -> None:
    assert filled("[退订] {n}", {"n": 1}) == "[退订] 1"


def test_a_rule_of_the_policy_has_a_sentence_in_every_language() -> None:
    [rule] = parse_policy(POLICY).rules
    assert rule.message({"score": 0.75, "links": 1}) == "垃圾概率 0.750，含 1 个链接"
    assert filled(rule.descriptions["en"], {"score": 0.75, "links": 0}) == "P(spam) 0.750"


def test_one_text_serves_every_language() -> None:
    [rule] = parse_policy(re.sub("description: .*", "description: 概率 {score}", POLICY)).rules
    assert rule.descriptions == dict.fromkeys(LANGUAGES, "概率 {score}")


@pytest.mark.parametrize(
    ("description", "fault", "caret"),
    [
        ('{zh: "概率"}', "the text in 'en' is missing", "{zh"),
        ('{zh: "概率", fr: "proba", en: "p"}', "unknown language 'fr'", "fr"),
        ('{zh: "概率 {score}", en: "{scor}"}', "unknown value (not in 'when') 'scor'", "scor"),
        ('{zh: "概率 {score}", en: "p"}', "the text in 'zh' has {score}; this one has not", "p"),
        ('{zh: "概率", en: 7}', "'en' is missing or empty", "7"),
        ("''", "'description' is missing or empty", "''"),
    ],
)
def test_a_faulty_description_is_pointed_at(description: str, fault: str, caret: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(re.sub("description: .*", f"description: {description}", POLICY))
    first, shown, marks, *_ = str(refused.value).split("\n")
    assert fault in first
    column = int(first.split(":")[2]) - 1
    assert shown.partition("| ")[2][column:].strip('"').startswith(caret.strip("'") or "'")
    assert marks.strip().startswith("^")


def test_every_shipped_rule_is_told_in_both_languages() -> None:
    for rule in parse_policy(default_policy()).rules:
        assert re.search("[一-鿿]", rule.descriptions["zh"]), rule.id
        assert not re.search("[一-鿿]", rule.descriptions["en"]), rule.id
