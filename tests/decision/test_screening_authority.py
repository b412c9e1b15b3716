"""What is settled before any rule: lists, the state of ports, what is missing, who must not get it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.decision.configuration import Config
from pipeline.events import (
    Kind,
    PortState,
    Verdict,
)
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import ListEntry
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import TemplateEntry
from tests.harness.screening_events import (
    AWAY,
    NOW,
    POLICY,
    RECIPIENTS,
    config,
    decide,
    port,
    record,
    submission,
    why,
)

BLACK = ListEntry("black", "10690001", "投诉", NEVER)
ALLOW = ListEntry("allow", "10690001", "已核实", NEVER)


@pytest.mark.parametrize("state", [PortState.SUSPENDED, PortState.TERMINATED])
def test_a_shut_port_is_refused_before_lists_and_rules(state: PortState) -> None:
    known = config(port(state=state), lists=[BLACK, ALLOW])
    assert why(decide(submission("禁发词"), known)) == ("reject", [f"port-{state.value}"])


def test_the_black_list_stands_before_the_allow_list_and_the_rules() -> None:
    assert why(decide(submission("禁发词"), config(lists=[BLACK, ALLOW]))) == ("reject", ["list-black"])


def test_an_extension_shares_the_list_entries_of_its_port_and_may_have_its_own() -> None:
    by_port = config(lists=[BLACK])
    assert why(decide(submission(port="1069000188"), by_port)) == ("reject", ["list-black"])
    by_extension = config(lists=[replace(BLACK, value="1069000188")])
    assert why(decide(submission(port="1069000188"), by_extension)) == ("reject", ["list-black"])
    assert why(decide(submission(), by_extension)) == ("release", [])


def test_the_allow_lane_skips_volume_and_score_and_nothing_else() -> None:
    known = config(port(volume_5m=1), lists=[ALLOW])
    several = ("13800000001", "13800000002")
    decision = decide(submission("垃圾", recipients=several), known)
    assert (why(decision), decision.counters) == (("release", []), {"volume": 2})
    assert why(decide(submission("拒发词，垃圾", recipients=several), known)) == ("reject", ["word-reject"])
    held = config(port(kind=Kind.COMMERCIAL), lists=[ALLOW])
    assert why(decide(submission("垃圾"), held)) == ("hold", ["pause"])


@pytest.mark.parametrize("entry", [BLACK, ALLOW])
def test_an_entry_counts_until_it_expires(entry: ListEntry) -> None:
    known = config(port(volume_5m=1), lists=[replace(entry, expires=NOW)])
    living = config(port(volume_5m=1), lists=[replace(entry, expires=NOW + 1)])
    event = submission(recipients=("13800000001", "13800000002"))
    assert why(decide(event, known)) == ("reject", ["volume"])
    assert why(decide(event, living)) != ("reject", ["volume"])


@pytest.mark.parametrize(("missing", "rule"), [("policy", "no-policy"), ("ports", "no-port-registry")])
def test_without_policy_or_registry_nothing_is_released(missing: str, rule: str) -> None:
    decision = decide(submission(), replace(config(), **{missing: None}))  # type: ignore[arg-type]
    assert (why(decision), decision.hold_until) == (("hold", [rule]), None)


def test_nothing_known_at_all_holds() -> None:
    assert why(decide(submission(), Config())) == ("hold", ["no-policy"])
    assert why(decide(record(), Config())) == ("hold", ["no-policy"])


def test_an_unknown_port_waits_for_its_registration() -> None:
    decision = decide(submission("禁发词", port="95555"), config())
    assert (why(decision), decision.hold_until, decision.port) == (("hold", ["port-unknown"]), None, "95555")


@pytest.mark.parametrize("missing", ["model", "dictionary"])
def test_without_model_or_dictionary_the_rest_decides_and_the_decision_says_so(missing: str) -> None:
    decision = decide(submission(), replace(config(), **{missing: None}))  # type: ignore[arg-type]
    assert (why(decision), decision.degraded) == (("release", []), True)


def test_without_a_model_a_low_score_is_not_pretended() -> None:
    policy = POLICY + "  - {id: unsure, event: submission, description: no score, when: score < 0.5, verdict: review}\n"
    decision = decide(submission(), config(policy=parse_policy(policy), model=None))
    assert (decision.score, decision.label, decision.reasons[0].values) == (None, None, {"score": -1.0})


def test_a_rule_that_cannot_be_evaluated_degrades_and_the_others_apply() -> None:
    broken = POLICY + "  - {id: broken, event: submission, description: x, when: 1 / batch_size > 3, verdict: review}\n"
    decision = decide(submission("拒发词"), config(policy=parse_policy(broken)))
    assert (why(decision), decision.degraded) == (("reject", ["word-reject"]), True)


def test_a_counter_that_cannot_be_evaluated_degrades() -> None:
    odd = "{name: odd, event: submission, key: [port], where: 1 / batch_size > 0, window: 5m, description: x}"
    counter = f"counters:\n  - {odd}\n"
    decision = decide(submission(), config(policy=parse_policy(POLICY.replace("counters:\n", counter))))
    assert (decision.counters, decision.degraded) == ({"volume": 1}, True)


# Kinds, templates, recipients


def test_the_kind_is_the_templates_then_the_ports() -> None:
    template = TemplateEntry("t", "【示例】验证码{code}", Kind.ONE_TIME_CODE)
    known = config(port(kind=Kind.COMMERCIAL, templates=(template,)))
    assert decide(submission("【示例】验证码123456"), known).kind is Kind.ONE_TIME_CODE
    assert decide(submission("【示例】清仓"), known).kind is Kind.COMMERCIAL


@pytest.mark.parametrize(
    ("kind", "excepted"),
    [
        (Kind.NOTICE, {"13800000003": "recipient-blocked"}),
        (Kind.ONE_TIME_CODE, {"13800000003": "recipient-blocked"}),
        (Kind.COMMERCIAL, {"13800000001": "recipient-unsubscribed", "13800000003": "recipient-blocked"}),
    ],
)
def test_exceptions_are_per_recipient_and_unsubscribing_stops_commercial_messages_only(
    kind: Kind, excepted: dict[str, str]
) -> None:
    decision = decide(submission(recipients=RECIPIENTS, round=2), config(port(kind=kind), lists=AWAY))
    assert decision.verdict is Verdict.RELEASE
    assert {e.recipient: e.rule for e in decision.exceptions} == excepted
    assert {e.verdict for e in decision.exceptions} == {Verdict.REJECT}


def test_a_refusal_needs_no_exceptions_and_an_expired_entry_makes_none() -> None:
    known = config(lists=AWAY)
    assert decide(submission("拒发词", recipients=RECIPIENTS), known).exceptions == ()
    expired = config(lists=[replace(entry, expires=NOW) for entry in AWAY])
    assert decide(submission(recipients=RECIPIENTS), expired).exceptions == ()
