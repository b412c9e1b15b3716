"""The decision function: the order of authority, every verdict, and what never changes a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decision.outcome import RuleAlert
from pipeline.decision.screening import Failure, Screened, screen
from pipeline.durations import MINUTE_MS
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
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.lists import ListEntry
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Ports
from tests.harness.examples import examples
from tests.harness.screening_events import (
    AWAY,
    CALM,
    NOW,
    POLICY,
    RECIPIENTS,
    Opinion,
    config,
    decide,
    outcome,
    port,
    record,
    shipped,
    submission,
    why,
)
from tests.harness.screening_streams import streams

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
        7,
        known.policy.version,
        known.dictionary.version,
        "opinion",
    )
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
    assert found.alerts == (RuleAlert(AlertLevel.WARNING, "volume", "已发 4 条", {"volume": 4}),)


def test_the_values_of_an_alert_come_in_the_order_of_its_sentence() -> None:
    """A set has another order in each process, and the same event would have decisions of other bytes."""
    named = ["port_limit_5m", "messages", "score", "keywords", "links", "round"]
    slots, when = "，".join(f"{{{n}}}" for n in named * 2), " && ".join(f"{n} >= 0" for n in named)
    rule = f'id: all, event: submission, description: "{slots}", when: {when}, verdict: review, alert: severe'
    [alert] = outcome(submission(), config(policy=parse_policy(f"rules: [{{{rule}}}]"))).alerts
    assert list(alert.values) == named


@pytest.mark.parametrize(("tier", "limit"), [(Tier.HIGH, 5), (Tier.ORDINARY, 10), (Tier.TRUSTED, 1000)])
def test_without_a_limit_of_its_own_a_port_has_that_of_its_tier(tier: Tier, limit: int) -> None:
    numbers = tuple(f"139{n:08d}" for n in range(limit + 1))
    known = config(port(tier=tier))
    assert decide(submission(recipients=numbers[:limit]), known).verdict is Verdict.RELEASE
    assert decide(submission(recipients=numbers), known).verdict is Verdict.REJECT


def test_a_probation_ends_at_midnight_for_equal_texts_of_one_batch_too() -> None:
    last_day = datetime(2026, 3, 10, 23, 59, tzinfo=ZoneInfo("Asia/Shanghai"))
    times = [int(last_day.timestamp() * 1000) + minutes * MINUTE_MS for minutes in (0, 2, 0)]
    when = 'probation && port_tier == "high"'
    strict = f"rules: [{{id: strict, event: submission, description: d, when: '{when}', verdict: review}}]"
    using = config(port(tier=Tier.TRUSTED, probation_until="2026-03-10"), policy=parse_policy(strict))
    events = [submission(at=at, id=str(n)) for n, at in enumerate(times)]
    found = screen(events, MemoryCounters(), using, times[1])
    verdicts = [outcome.decision.verdict.value for outcome in found if isinstance(outcome, Screened)]
    assert verdicts == ["review", "release", "review"]


def test_a_watched_number_is_on_probation_until_its_entry_ends() -> None:
    strict = "rules: [{id: strict, event: record, description: d, when: probation, verdict: blacklist}]"
    entry = ListEntry("watched", "13900000009", "承诺书", NOW + MINUTE_MS)
    using = config(policy=parse_policy(strict), lists=[entry])
    events = [record(at=NOW + shift, id=str(n)) for n, shift in enumerate((0, MINUTE_MS, 0))]
    events.append(record(at=NOW, id="x", sender="13900000008"))
    found = screen(events, MemoryCounters(), using, NOW)
    verdicts = [outcome.decision.verdict.value for outcome in found if isinstance(outcome, Screened)]
    assert verdicts == ["blacklist", "release", "blacklist", "release"]


@pytest.mark.parametrize(("own", "most"), [(None, 5), (3, 3), (50, 5)])
def test_on_probation_a_port_has_at_most_the_limit_of_tier_high(own: int | None, most: int) -> None:
    numbers = tuple(f"139{n:08d}" for n in range(most + 1))
    using = config(port(tier=Tier.TRUSTED, volume_5m=own, probation_until="2099-12-31"))
    assert decide(submission(recipients=numbers[:most]), using).verdict is Verdict.RELEASE
    assert decide(submission(recipients=numbers), using).verdict is Verdict.REJECT


def test_an_extension_does_not_escape_the_limit_of_its_port() -> None:
    state, known = MemoryCounters(), config(port(volume_5m=2))
    verdicts = [decide(submission(port=f"10690001{n:03d}"), known, state) for n in range(3)]
    assert [v.verdict.value for v in verdicts] == ["release", "release", "reject"]
    assert {v.port for v in verdicts} == {"10690001"}


def test_spans_point_at_the_words_where_the_reader_sees_them() -> None:
    text = "😀【ＡＢ】先生，需审词　和 拒发词！"
    reasons = decide(submission(text), config()).reasons
    assert {s.word: text[s.start : s.end] for reason in reasons for s in reason.spans} == {
        "需审词": "需审词",
        "拒发词": "拒发词",
    }


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


def test_a_rule_may_read_how_many_parts_of_a_long_message_are_missing() -> None:
    known = config(
        policy=parse_policy(
            "title: own\nrules: [{id: cut, event: submission, description: 'cut {missing_parts}', "
            "when: missing_parts > 0, verdict: review, severity: 9}]"
        )
    )
    cut = decide(submission(missing_parts=(2, 3)), known)
    assert (why(cut), cut.reasons[0].values) == (("review", ["cut"]), {"missing_parts": 2})
    assert why(decide(submission(), known)) == ("release", [])


def test_a_confirmation_is_a_notice_whatever_its_port_sends() -> None:
    known = config(port(kind=Kind.COMMERCIAL))
    assert why(decide(submission(), known)) == ("hold", ["pause"])
    assert why(decide(submission(confirms=True), known)) == ("release", [])


def test_who_writes_to_a_port_is_told_from_who_writes_to_a_person() -> None:
    known = config(
        policy=parse_policy(
            "title: own\nrules: [{id: up, event: record, description: up, when: to_port, verdict: reject, severity: 9}]"
        )
    )
    kinds = (RecordKind.MO, "1069000105"), (RecordKind.MO, "13800000001"), (RecordKind.AO, "10690001")
    events = [record(kind=kind, recipient=to) for kind, to in kinds]
    assert [decide(event, known).verdict.value for event in events] == ["reject", "release", "release"]


# Order of authority


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
        def add(self, counter: Any, key: str, at: int, amount: Any) -> int:
            if amount == 2:
                raise ZeroDivisionError("13800000001")
            return super().add(counter, key, at, amount)

    batch = [submission(id="a"), submission(id="b", recipients=RECIPIENTS[:2]), submission(id="c")]
    first, second, third = screen(batch, Faulty(), config(), NOW)
    assert isinstance(first, Screened)
    assert isinstance(third, Screened)
    assert third.decision.counters == {"volume": 2}
    assert isinstance(second, Failure)
    assert second.cause.startswith("ZeroDivisionError at add:")


def test_nothing_to_decide_is_decided() -> None:
    assert screen([], MemoryCounters(), config(), NOW) == []


KNOWN = config(port(tier=Tier.HIGH, kind=Kind.COMMERCIAL), port("10690002", volume_5m=4), lists=AWAY)


# A counter of each aggregate, window and part of a key.
COUNTING = """\
  - {name: people, event: submission, key: [port], window: 1m, aggregate: distinct, of: recipient, up_to: 5,
     description: x}
  - {name: walked, event: submission, key: [sender], window: day, aggregate: sequence, description: x}
  - {name: length, event: submission, key: [port, recipient], window: hour, aggregate: sum, of: content_length,
     description: x}
  - {name: texts, event: record, key: [sender], window: 1m, aggregate: distinct, of: fingerprint, description: x}
rules:
"""
COUNTED = replace(KNOWN, policy=parse_policy(POLICY.replace("rules:\n", COUNTING)))


def _decisions(batches: Sequence[Sequence[Submission | Record]]) -> list[Decision]:
    state = MemoryCounters()
    found = [o for batch in batches for o in screen(batch, state, COUNTED, NOW)]
    return [msgspec.structs.replace(o.decision, timings={}) for o in found if isinstance(o, Screened)]


@settings(max_examples=examples(100), deadline=None)
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


EACH = """\
counters:
  - {name: got, event: submission, key: [recipient], window: 5m, description: messages to a recipient}
  - {name: ports, event: submission, key: [recipient], window: 5m, aggregate: distinct, of: port, description: ports}
rules:
  - {id: enough, event: submission, description: enough, when: got > 2 && ports > 1, verdict: reject, recipients: got}
"""


def test_a_rule_on_counters_of_recipients_refuses_those_for_whom_it_holds() -> None:
    state, using = MemoryCounters(), config(port(), port("10690002"), policy=parse_policy(EACH))
    many, of_two, new = "13800000001", "13800000002", "13800000003"

    def excepted(port: str, *recipients: str) -> set[str]:
        decision = decide(submission("您好", port=port, recipients=recipients), using, state)
        assert decision.verdict is Verdict.RELEASE
        return {exception.recipient for exception in decision.exceptions}

    for _ in range(3):
        assert excepted("10690001", many) == set()
    assert excepted("10690002", of_two) == set()
    # `got` is 4 for one recipient and `ports` is 2 for another, but only the first has enough of both.
    assert excepted("10690002", many, of_two, new) == {many}
    assert excepted("10690001", of_two, new) == {of_two}
    assert excepted("10690002", many) == {many}
