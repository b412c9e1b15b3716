"""The differences between two policies in words."""

from __future__ import annotations

import pytest

from pipeline.decision.configuration import default_policy
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.policies.policy_diff import differences

OLD = """\
title: old
port_limits_5m: {high: 5, ordinary: 10}
counters:
  - {name: sent_5m, event: submission, key: [port], window: 5m, description: messages}
rules:
  - {id: volume, event: submission, description: "{sent_5m} sent", when: sent_5m > 50 && score >= 0.5, verdict: reject}
  - {id: wait, event: submission, description: wait, when: 'kind == "commercial"', verdict: hold, hold: 10s}
  - {id: gone, event: submission, description: gone, when: messages > 1, verdict: review, mode: shadow}
"""


def said(new: str, old: str = OLD, language: str = "en") -> list[str]:
    return [line[language] for line in differences(parse_policy(old), parse_policy(new))]


@pytest.mark.parametrize(
    ("old", "new", "en", "zh"),
    [
        ("sent_5m > 50", "sent_5m > 60", "rule volume: threshold sent_5m 50 → 60", "规则 volume：阈值 sent_5m 50 → 60"),
        (
            "score >= 0.5",
            "score >= 0.75",
            "rule volume: threshold score 0.5 → 0.75",
            "规则 volume：阈值 score 0.5 → 0.75",
        ),
        ("mode: shadow", "mode: enforce", "rule gone: now enforced", "规则 gone：现在执行"),
        ("mode: shadow", "mode: 'off'", "rule gone: now off", "规则 gone：现在停用"),
        (
            "verdict: reject",
            "verdict: review",
            "rule volume: verdict reject → review",
            "规则 volume：结论 reject → review",
        ),
        ("hold: 10s", "hold: 1m", "rule wait: length of the hold 10 s → 60 s", "规则 wait：等待时长 10 s → 60 s"),
        ("mode: shadow", "mode: shadow, daily_cap: 9", "rule gone: daily cap – → 9", "规则 gone：每日上限 – → 9"),
        (
            "title: old",
            "title: old\noutside_review_hours: refuse",
            "bulk that needs a person outside review hours queue → refuse",
            "审核时间外需人工审核的群发 queue → refuse",
        ),
        ("title: old", "title: new", "title old → new", "标题 old → new"),
        (
            "ordinary: 10}",
            "ordinary: 20}",
            "5-minute limit of ordinary ports 10 → 20",
            "ordinary 级端口 5 分钟上限 10 → 20",
        ),
        ("description: gone", "description: went", "rule gone: description changed", "规则 gone：说明文字有改动"),
        (
            'kind == "commercial"',
            'kind == "notice"',
            'rule wait: condition kind == "commercial" → kind == "notice"',
            '规则 wait：条件 kind == "commercial" → kind == "notice"',
        ),
        (
            "mode: shadow",
            'mode: shadow, expires: "2027-01-01T00:00:00+08:00"',
            "rule gone: expiry – → 2026-12-31T16:00+00:00",
            "规则 gone：到期 – → 2026-12-31T16:00+00:00",
        ),
    ],
)
def test_one_change_is_one_sentence(old: str, new: str, en: str, zh: str) -> None:
    changed = OLD.replace(old, new)
    assert said(changed) == [en]
    assert said(changed, language="zh") == [zh]


def test_a_capped_rule_with_another_threshold_is_one_sentence() -> None:
    old = OLD.replace("mode: shadow", "daily_cap: 9")
    assert said(old.replace("messages > 1", "messages > 2"), old) == ["rule gone: threshold messages 1 → 2"]


def test_rules_and_counters_come_and_go() -> None:
    new = OLD.replace("id: gone", "id: here").replace("key: [port]", "key: [port, recipient]")
    assert said(new) == [
        "new rule here: now in shadow, without effect",
        "rule gone removed",
        "counter sent_5m: key port → port, recipient",
        "counter sent_5m begins at zero",
    ]
    assert said(new.replace("sent_5m", "other_5m"))[-2:] == ["new counter other_5m", "counter sent_5m removed"]


def test_the_size_of_campaigns() -> None:
    assert said(OLD + "campaign_from: {messages: 30, senders: 2}\n") == [
        "least size of a campaign (messages/senders) 20/1 → 30/2"
    ]


def test_spelling_alone_is_no_difference() -> None:
    assert said(OLD.replace("sent_5m > 50 &&", "sent_5m  >  50  &&") + "# a comment\n") == []
    assert said(default_policy(), default_policy()) == []


def test_a_number_within_a_name_or_a_text_is_no_threshold() -> None:
    old = OLD.replace('kind == "commercial"', 'signature == "店50"')
    assert said(old.replace("店50", "店60"), old) == ['rule wait: condition signature == "店50" → signature == "店60"']
