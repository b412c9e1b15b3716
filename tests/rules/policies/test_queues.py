"""Queues of a policy: the first that fits takes a case; a fault is pointed at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.policies.policy_diff import differences
from pipeline.rules.policies.queues import MAX_QUEUES, UNNAMED, CaseFacts
from pipeline.rules.policy_file import PolicyError

TEXT = """\
queues:
  - {name: fraud, description: {zh: 诈骗, en: Fraud}, when: 'category in ["fraud", "phishing"] || score >= 0.9'}
  - {name: large, description: 大批量 / large, when: messages > 1000 && !express}
  - {name: own, description: own, when: 'port.startsWith("1069") || rule == "impersonation" || of_campaign'}
rules: []
"""
CASE = CaseFacts(rule="x", category="", score=-1.0, port="1010", messages=1, express=False, of_campaign=False)


@pytest.mark.parametrize(
    ("fields", "queue"),
    [
        ({}, UNNAMED),
        ({"category": "phishing", "messages": 5000}, "fraud"),
        ({"score": 0.9}, "fraud"),
        ({"score": 0.89}, UNNAMED),
        ({"messages": 1001}, "large"),
        ({"messages": 1000}, UNNAMED),
        ({"messages": 1001, "express": True}, UNNAMED),
        ({"port": "10690001"}, "own"),
        ({"rule": "impersonation"}, "own"),
        ({"of_campaign": True}, "own"),
    ],
)
def test_the_first_queue_that_fits_takes_the_case(fields: dict[str, object], queue: str) -> None:
    assert parse_policy(TEXT).queues.queue_of(replace(CASE, **fields)) == queue  # type: ignore[arg-type]


@given(st.builds(CaseFacts))
def test_every_case_has_a_queue(case: CaseFacts) -> None:
    names = {queue.name for queue in parse_policy(TEXT).queues.queues}
    assert parse_policy(TEXT).queues.queue_of(case) in names | {UNNAMED}
    assert parse_policy("rules: []").queues.queue_of(case) == UNNAMED


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("category in", "categry in", "unknown signal 'categry'\n    2 | "),
        ("category in", "categry in", "did you mean 'category'?"),
        ("port.startsWith", "port_tier.startsWith", "the signal 'port_tier' cannot be read here"),
        ("port.startsWith", "port_tier.startsWith", "one of category, express, messages, of_campaign, port, rule"),
        ("messages > 1000", 'messages > "many"', "policy.yaml:3:51: wrong types (messages is int)"),
        ("messages > 1000 && !express", "messages", "a condition is true or false; this is int"),
        ("name: large", "name: fraud", "policy.yaml:3:12: 'fraud' is declared twice"),
        ("name: large", "name: Large", "a queue's name is 2 to 32 of a-z, 0-9 and -"),
        ("name: large", "nam: large", "unknown field 'nam'"),
        ("{zh: 诈骗, en: Fraud}", "{zh: 诈骗}", "the text in 'en' is missing"),
        ("description: own", "description: '{score}'", "unknown value (not in 'when') 'score'"),
        ("queues:\n", "queues: 3\nother:\n", "unknown field 'other'"),
    ],
)
def test_a_fault_is_pointed_at(before: str, after: str, told: str) -> None:
    assert before in TEXT
    with pytest.raises(PolicyError) as error:
        parse_policy(TEXT.replace(before, after, 1))
    assert told in str(error.value)


def test_more_queues_than_a_page_can_show_are_refused() -> None:
    queue = "  - {{name: q{}, description: q, when: express}}\n"
    with pytest.raises(PolicyError, match=f"more than {MAX_QUEUES} queues"):
        parse_policy("queues:\n" + "".join(map(queue.format, range(MAX_QUEUES + 1))))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("messages > 1000", "messages > 2000", "queue large: threshold messages 1000 → 2000"),
        ("  - {name: own", "  - {name: new, description: n, when: express}\n  - {name: own", "new queue new"),
        ("name: large", "name: huge", "queue large removed"),
    ],
)
def test_a_difference_is_told(before: str, after: str, told: str) -> None:
    lines = differences(parse_policy(TEXT), parse_policy(TEXT.replace(before, after)))
    assert told in [line["en"] for line in lines]


def test_another_order_is_told() -> None:
    first, *queues, rules = TEXT.splitlines(keepends=True)
    turned = "".join([first, *reversed(queues), rules])
    (line,) = differences(parse_policy(TEXT), parse_policy(turned))
    assert line["en"] == "order of queues fraud, large, own → own, large, fraud"
