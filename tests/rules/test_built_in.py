"""The ids of built-in rules: fixed on the wire, and apart from those of the policy."""

from __future__ import annotations

from pipeline.rules.built_in import BuiltInRule
from tests.harness.screening_events import shipped

ON_THE_WIRE = {
    "no-policy",
    "no-port-registry",
    "port-unknown",
    "port-suspended",
    "port-terminated",
    "list-black",
    "recipient-unsubscribed",
    "recipient-blocked",
    "recipient-not-registered",
    "scheduled",
    "expired",
    "unmet",
    "review",
    "unreviewed",
    "review-closed",
    "channel-unknown",
    "complaints",
    "refused-bulk",
    "case-overdue",
    "daily-cap",
    "rule-rate",
    "rule-rate-ended",
    "release-without-proof",
    "much-complained",
    "much-refused",
    "volume",
    "over-strict",
    "traffic",
    "degraded",
    "dead-letters",
    "undelivered",
    "cases-waiting",
    "ports-suspended",
    "unpublished",
    "answers-due",
    "answers-overdue",
    "orders-given-up",
    "numbers-differ",
}


def test_an_id_keeps_its_value_since_old_records_hold_it() -> None:
    assert set(BuiltInRule) == ON_THE_WIRE


def test_no_rule_of_the_shipped_policy_has_the_id_of_a_built_in_rule() -> None:
    policy = shipped().policy
    assert policy is not None
    ids = {rule.id for rules in policy.sets.values() for rule in rules.rules}
    assert ids
    assert ids.isdisjoint(BuiltInRule)
