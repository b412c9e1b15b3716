"""One number of a policy is found by its name, and nothing else changes."""

from __future__ import annotations

import pytest
import yaml

from pipeline.decision.configuration import default_policy
from pipeline.errors import AntispamError
from pipeline.lake.backtest.sweep import parse_sweep, with_number
from pipeline.rules.policies.policy import parse_policy


@pytest.mark.parametrize(
    ("name", "value", "rule", "condition"),
    [
        ("recipients-in-sequence-5m", "7", "recipients-in-sequence-5m", "port_sequence_5m >= 7"),
        ("bulk-same-content", "30", "bulk-same-content", "same_content_5m > 30"),
        ("score-review.score", "0.75", "score-review", "score >= 0.75"),
        ("bulk-declared.batch_size", "10", "bulk-declared", "(messages > 50 || batch_size > 10)"),
    ],
)
def test_a_number_of_a_rule(name: str, value: str, rule: str, condition: str) -> None:
    text = with_number(default_policy(), name, value, "policy.yaml")
    before, after = (yaml.safe_load(each) for each in (default_policy(), text))
    changed = [new for old, new in zip(before["rules"], after["rules"], strict=True) if old != new]
    assert [each["id"] for each in changed] == [rule]
    assert condition in changed[0]["when"]
    assert {key: part for key, part in before.items() if key != "rules"} == {
        key: part for key, part in after.items() if key != "rules"
    }
    parse_policy(text)


def test_a_number_of_a_table() -> None:
    text = with_number(default_policy(), "port_limits_5m.high", "7", "policy.yaml")
    assert yaml.safe_load(text)["port_limits_5m"]["high"] == 7
    assert parse_policy(with_number(text, "campaign_from.messages", "5", "p")).campaign_from.messages == 5


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bulk-declard", "did you mean 'bulk-declared'"),
        ("port-volume", "has 0 numbers"),
        ("bulk-declared", "has 2 numbers; name one as bulk-declared.SIGNAL"),
        ("bulk-grace.same_content_5m", "with 2 numbers"),
        ("keyword-review.score", "with 0 numbers"),
        ("port_limits_5m.low", "has no 'port_limits_5m.low'"),
    ],
)
def test_a_place_that_is_not_one_number_is_named(name: str, why: str) -> None:
    with pytest.raises(AntispamError, match=why):
        with_number(default_policy(), name, "1", "policy.yaml")


def test_a_number_inside_a_text_is_no_number() -> None:
    policy = 'rules: [{id: r, when: port == "1069" && messages > 5}]'
    assert "messages > 6" in with_number(policy, "r", "6", "p")


@pytest.mark.parametrize("given", ["", "name", "=1", "name=", "name=a", "name=1,,2", "name=1;2"])
def test_another_form_is_refused(given: str) -> None:
    with pytest.raises(AntispamError, match="NAME=number"):
        parse_sweep(given)


def test_values_come_in_order_and_once() -> None:
    assert parse_sweep("score-review.score=0.9, 0.8,0.9") == ("score-review.score", ("0.9", "0.8"))
    with pytest.raises(AntispamError, match="at most"):
        parse_sweep("r=" + ",".join(map(str, range(21))))
