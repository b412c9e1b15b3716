"""The decision function: the order of authority, every verdict, and what never changes a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.configuration import Config, load_directory
from pipeline.events import (
    AlertLevel,
    Decision,
    Kind,
    PortState,
    Record,
    RecordKind,
    Submission,
    Tier,
    Verdict,
)
from pipeline.models.classifier import Classified, Classifier
from pipeline.rules.counters import MemoryCounters
from pipeline.rules.dictionary import Dictionary
from pipeline.rules.lists import NEVER, ListEntry, Lists
from pipeline.rules.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports, TemplateEntry
from pipeline.screening import Failure, Screened, screen

NOW = 1_760_000_000_000
CALM = "【示例银行】您尾号1234的账户收入500.00元"

POLICY = """\
port_limits_5m: {high: 5, ordinary: 10, trusted: 1000}
counters:
  - {name: volume, event: submission, key: [port], window: 5m, description: messages of the port}
  - {name: sent, event: record, key: [sender], window: 5m, where: record_kind == "MO", description: by a number}
rules:
  - {id: volume, event: submission, description: "已发 {volume} 条", when: volume > port_limit_5m,
     verdict: reject, severity: 60, alert: warning}
  - {id: pause, event: submission, description: wait, when: 'kind == "commercial" && round < 2',
     verdict: hold, hold: 10s, severity: 20}
  - {id: longer, event: submission, description: wait longer, when: 'kind == "commercial" && messages == 2',
     verdict: hold, hold: 30s, severity: 10}
  - {id: score, event: submission, description: spam, when: score > 0.9, verdict: review}
  - {id: word-review, event: submission, description: a word, when: keyword_verdict == "review", verdict: review}
  - {id: word-reject, event: submission, description: a word, when: keyword_verdict == "reject", verdict: reject}
  - {id: word-black, event: submission, description: a word, when: keyword_verdict == "blacklist",
     verdict: blacklist, severity: 90, alert: severe}
  - {id: watched, event: submission, description: shadow, when: messages > 0, verdict: blacklist, mode: shadow}
  - {id: gone, event: submission, description: expired, when: messages > 0, verdict: blacklist,
     expires: "2025-01-01T00:00:00+08:00"}
  - {id: not-asked, event: submission, description: not asked, when: messages > 0, verdict: blacklist, mode: off}
  - {id: many, event: record, description: "已发 {sent} 条", when: sent > 2, verdict: blacklist, alert: severe}
  - {id: belated, event: record, description: late, when: late, verdict: review}
"""
WORDS = "word,category,verdict\n需审词,other,review\n拒发词,fraud,reject\n禁发词,gambling,blacklist\n"


class Opinion:
    """A classifier that thinks the worst of a text that says so."""

    version = "opinion"

    def classify(self, texts: Sequence[str]) -> list[Classified]:
        if any("炸" in text for text in texts):
            raise FloatingPointError("planted")
        honest = _shipped_model().classify(texts)
        return [replace(c, score=0.99 if "垃圾" in text else 0.1) for c, text in zip(honest, texts, strict=True)]


@cache
def _shipped_model() -> Classifier:
    return Classifier.load()


@cache
def shipped() -> Config:
    return load_directory(None)


def port(code: str = "10690001", **fields: Any) -> Port:
    return Port(PortEntry(code=code, **fields))


def config(*ports: Port, lists: Sequence[ListEntry] = (), **parts: Any) -> Config:
    given: dict[str, Any] = {
        "epoch": 7,
        "policy": parse_policy(POLICY),
        "ports": Ports(ports or (port(),)),
        "lists": Lists(lists),
        "dictionary": Dictionary.parse(WORDS),
        "model": Opinion(),
    }
    return Config(**given | parts)


def submission(content: str = CALM, at: int = NOW, **fields: Any) -> Submission:
    given: dict[str, Any] = {"id": "s-1", "port": "10690001", "recipients": ("13800000001",)}
    return Submission(**given | fields, content=content, accepted_at=at)


def record(at: int = NOW, **fields: Any) -> Record:
    given: dict[str, Any] = {
        "id": "r-1", "kind": RecordKind.MO, "sender": "13900000009", "recipient": "13800000001", "content": "在吗",
        "ingested_at": at,
    }  # fmt: skip
    return Record(**given | fields, submitted_at=at)


def outcome(event: Submission | Record, known: Config, state: MemoryCounters | None = None) -> Screened:
    [found] = screen([event], state or MemoryCounters(), known, NOW + 5)
    assert isinstance(found, Screened)
    return found


def decide(event: Submission | Record, known: Config, state: MemoryCounters | None = None) -> Decision:
    return outcome(event, known, state).decision


def why(decision: Decision) -> tuple[str, list[str]]:
    return decision.verdict.value, [reason.rule for reason in decision.reasons]


# Verdicts


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (CALM, Kind.NOTICE, ("release", [])),
        (CALM, Kind.COMMERCIAL, ("hold", ["pause"])),
        ("需审词", Kind.NOTICE, ("review", ["word-review"])),
        ("拒发词", Kind.NOTICE, ("reject", ["word-reject"])),
        ("禁发词", Kind.NOTICE, ("blacklist", ["word-black"])),
        ("需审词和拒发词", Kind.COMMERCIAL, ("reject", ["word-reject", "pause"])),
        ("垃圾，需审词", Kind.NOTICE, ("review", ["score", "word-review"])),
    ],
)
def test_the_most_severe_verdict_wins_and_its_reason_stands_first(
    content: str, kind: Kind, expected: tuple[str, list[str]]
) -> None:
    assert why(decide(submission(content), config(port(kind=kind)))) == expected


def test_a_decision_says_what_it_was_made_with() -> None:
    known = config()
    decision = decide(submission("需审词", recipients=("13800000001", "13800000002")), known)
    assert known.policy is not None
    assert known.dictionary is not None
    assert (decision.epoch, decision.policy, decision.dictionary, decision.model) == (
        7, known.policy.version, known.dictionary.version, "opinion",
    )  # fmt: skip
    assert (decision.counters, decision.messages, decision.source) == ({"volume": 2}, 2, "submission")
    assert (decision.accepted_at, decision.decided_at) == (NOW, NOW + 5)
    assert not decision.degraded


def test_a_reason_holds_the_values_it_saw() -> None:
    state, known = MemoryCounters(), config(port(volume_5m=3))
    for n in range(3):
        assert why(decide(submission(id=f"s-{n}"), known, state)) == ("release", [])
    found = outcome(submission(id="s-3"), known, state)
    [reason] = found.decision.reasons
    assert (reason.rule, reason.values, reason.message) == ("volume", {"volume": 4, "port_limit_5m": 3}, "已发 4 条")
    assert found.alerts == ((AlertLevel.WARNING, "volume", "已发 4 条"),)


@pytest.mark.parametrize(("tier", "limit"), [(Tier.HIGH, 5), (Tier.ORDINARY, 10), (Tier.TRUSTED, 1000)])
def test_without_a_limit_of_its_own_a_port_has_that_of_its_tier(tier: Tier, limit: int) -> None:
    numbers = tuple(f"139{n:08d}" for n in range(limit + 1))
    known = config(port(tier=tier))
    assert decide(submission(recipients=numbers[:limit]), known).verdict is Verdict.RELEASE
    assert decide(submission(recipients=numbers), known).verdict is Verdict.REJECT


def test_an_extension_does_not_escape_the_limit_of_its_port() -> None:
    state, known = MemoryCounters(), config(port(volume_5m=2))
    verdicts = [decide(submission(port=f"10690001{n:03d}"), known, state) for n in range(3)]
    assert [v.verdict.value for v in verdicts] == ["release", "release", "reject"]
    assert {v.port for v in verdicts} == {"10690001"}


def test_spans_point_at_the_words_where_the_reader_sees_them() -> None:
    text = "😀【ＡＢ】先生，需审词　和 拒发词！"
    reasons = decide(submission(text), config()).reasons
    assert {s.word: text[s.start : s.end] for reason in reasons for s in reason.spans} == {
        "需审词": "需审词", "拒发词": "拒发词",
    }  # fmt: skip


def test_a_text_full_of_words_has_a_bounded_decision() -> None:
    decision = decide(submission("需审词，" * 400), config())
    assert [len(reason.spans) for reason in decision.reasons] == [20]


def test_a_shadow_rule_is_noted_and_decides_nothing() -> None:
    decision = decide(submission(), config())
    assert why(decision) == ("release", [])
    assert [(s.rule, s.verdict) for s in decision.shadow] == [("watched", Verdict.BLACKLIST)]


def test_a_challenger_is_scored_for_shadow_rules_and_decides_nothing() -> None:
    trial = (
        "  - {id: trial, event: submission, description: on trial, when: challenger_score > 0.9, verdict: reject,"
        " mode: shadow}\n"
    )
    known = config(policy=parse_policy(POLICY + trial), model=None, challenger=Opinion())
    decision = decide(submission("垃圾" + CALM), known)
    assert (decision.score, decision.verdict) == (None, Verdict.RELEASE)
    assert [s.rule for s in decision.shadow] == ["watched", "trial"]
    without = decide(submission("垃圾" + CALM), replace(known, challenger=None))
    assert [s.rule for s in without.shadow] == ["watched"]


def test_rules_end_at_their_expiry_by_the_time_of_the_event() -> None:
    before = submission(at=1_735_660_799_999)
    assert why(decide(before, config())) == ("blacklist", ["gone"])
    assert why(decide(submission(at=1_735_660_800_000), config())) == ("release", [])


# Order of authority

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


RECIPIENTS = ("13800000001", "13800000002", "13800000003")
AWAY = [
    ListEntry("unsubscribed", "10690001:13800000001", "退订"),
    ListEntry("unsubscribed", "10690002:13800000002", "退订"),
    ListEntry("blocked", "13800000003", "本人要求"),
]


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


# Holds and rounds


def test_a_hold_ends_by_its_longest_rule_and_by_its_round() -> None:
    known = config(port(kind=Kind.COMMERCIAL))
    until = [decide(submission(round=n), known).hold_until for n in range(3)]
    assert until == [NOW + 10_000, NOW + 20_000, None]
    both = submission(recipients=RECIPIENTS[:2])
    assert decide(both, known).hold_until == NOW + 30_000


def test_what_waits_for_the_graver_verdict_has_no_time_to_end() -> None:
    assert decide(submission("需审词"), config(port(kind=Kind.COMMERCIAL))).hold_until is None


def test_later_rounds_read_the_counters_and_do_not_move_them() -> None:
    state, known = MemoryCounters(), config(port(kind=Kind.COMMERCIAL))
    assert decide(submission(), known, state).counters == {"volume": 1}
    for n in (1, 2):
        assert decide(submission(at=NOW, round=n), known, state).counters == {"volume": 1}
    assert decide(submission(id="s-2"), known, state).counters == {"volume": 2}


def test_refused_submissions_move_the_counters_too() -> None:
    state, known = MemoryCounters(), config(port(volume_5m=2, state=PortState.SUSPENDED))
    assert decide(submission(), known, state).counters == {"volume": 1}
    assert decide(submission(), known, state).counters == {"volume": 2}


# Records


def test_records_count_by_sender_and_by_event_time() -> None:
    state, known = MemoryCounters(), config()
    decisions = [decide(record(at=NOW + n, id=f"r-{n}"), known, state) for n in range(3)]
    assert [d.verdict.value for d in decisions] == ["release", "release", "blacklist"]
    assert decide(record(at=NOW, sender="13900000008"), known, state).counters == {"sent": 1}
    assert decide(record(at=NOW, kind=RecordKind.MT), known, state).counters == {}
    assert {d.source for d in decisions} == {"record"}


def test_a_record_of_a_port_is_known_by_its_port_unless_a_person_sent_it() -> None:
    known = config(port("1069", kind=Kind.COMMERCIAL))
    sent = decide(record(sender="10691234", kind=RecordKind.AO), known)
    assert (sent.port, sent.kind) == ("1069", Kind.COMMERCIAL)
    assert decide(record(sender="10691234"), known).port == ""


def test_listed_numbers_lateness_and_the_allow_lane_of_records() -> None:
    black = config(lists=[ListEntry("black", "13900000009", "群发")])
    assert why(decide(record(), black)) == ("reject", ["list-black"])
    late = record(at=NOW - 600_001, ingested_at=NOW)
    assert why(decide(late, config())) == ("review", ["belated"])
    assert why(decide(record(at=NOW - 600_000, ingested_at=NOW), config())) == ("release", [])
    state, allowed = MemoryCounters(), config(lists=[ListEntry("allow", "13900000009", "客服")])
    assert [decide(record(), allowed, state).verdict for _ in range(3)] == [Verdict.RELEASE] * 3


# What never changes a decision


def test_a_text_that_raises_costs_only_its_own_events() -> None:
    batch = [submission(id="a"), submission("炸", id="b"), submission("需审词", id="c"), submission("炸", id="d")]
    outcomes = screen(batch, MemoryCounters(), config(), NOW)
    assert [type(o) for o in outcomes] == [Screened, Failure, Screened, Failure]
    failures = [o for o in outcomes if isinstance(o, Failure)]
    assert [f.index for f in failures] == [1, 3]
    assert all(f.cause.startswith("FloatingPointError at classify:") for f in failures)
    assert not any("炸" in f.cause or "planted" in f.cause for f in failures)


def test_an_event_that_raises_costs_only_itself() -> None:
    class Faulty(MemoryCounters):
        def add(self, counter: Any, key: str, at: int, n: int) -> int:
            if n == 2:
                raise ZeroDivisionError("13800000001")
            return super().add(counter, key, at, n)

    batch = [submission(id="a"), submission(id="b", recipients=RECIPIENTS[:2]), submission(id="c")]
    first, second, third = screen(batch, Faulty(), config(), NOW)
    assert isinstance(first, Screened)
    assert isinstance(third, Screened)
    assert third.decision.counters == {"volume": 2}
    assert isinstance(second, Failure)
    assert second.cause.startswith("ZeroDivisionError at add:")


def test_nothing_to_decide_is_decided() -> None:
    assert screen([], MemoryCounters(), config(), NOW) == []


@st.composite
def streams(draw: st.DrawFn) -> list[Submission | Record]:
    """Submissions and records of a few ports and numbers, in order of time, some texts alike."""
    texts = st.sampled_from([CALM, "需审词", "拒发词", "禁发词", "垃圾", "【示例】验证码123456", "在吗"])
    events: list[Submission | Record] = []
    at = NOW
    for n in range(draw(st.integers(1, 40))):
        at += draw(st.integers(0, 60_000))
        if draw(st.booleans()):
            code = draw(st.sampled_from(["10690001", "1069000107", "10690002", "95555"]))
            rounds, numbers = draw(st.sampled_from([0, 0, 0, 1])), RECIPIENTS[: draw(st.integers(1, 3))]
            events.append(submission(draw(texts), at, id=f"s-{n}", port=code, recipients=numbers, round=rounds))
        else:
            sender, kind = draw(st.sampled_from(["13900000008", "13900000009"])), draw(st.sampled_from(RecordKind))
            events.append(record(at, id=f"r-{n}", sender=sender, kind=kind, content=draw(texts)))
    return events


KNOWN = config(port(tier=Tier.HIGH, kind=Kind.COMMERCIAL), port("10690002", volume_5m=4), lists=AWAY)


def _decisions(batches: Sequence[Sequence[Submission | Record]]) -> list[Decision]:
    state = MemoryCounters()
    found = [o for batch in batches for o in screen(batch, state, KNOWN, NOW)]
    return [msgspec.structs.replace(o.decision, timings={}) for o in found if isinstance(o, Screened)]


@settings(max_examples=100, deadline=None)
@given(events=streams(), cuts=st.lists(st.integers(0, 40)))
def test_cutting_the_stream_into_other_batches_never_changes_a_decision(
    events: list[Submission | Record], cuts: list[int]
) -> None:
    edges = sorted({0, len(events), *(min(cut, len(events)) for cut in cuts)})
    whole = _decisions([events])
    assert len(whole) == len(events)
    assert _decisions([events[a:b] for a, b in pairwise(edges)]) == whole


def test_the_shipped_model_scores_a_text_alike_in_any_company() -> None:
    known = replace(shipped(), ports=Ports([port()]))
    texts = [CALM, "代开发票，加微信", "周末聚餐吗", "恭喜您获得大奖，点击领取"]
    together = screen([submission(t) for t in texts], MemoryCounters(), known, NOW)
    scores = [o.decision.score for o in together if isinstance(o, Screened)]
    assert scores == [decide(submission(t), known).score for t in texts]
