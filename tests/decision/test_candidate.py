"""A candidate policy: beside the one in force without effect, or deciding a share of the senders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decision.candidate import Candidate, candidate_value, parse_candidate
from pipeline.decision.configuration import Config, ConfigEntries
from pipeline.decision.screening import Screened, screen
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange, Decision, Kind, PortState, Record, ShadowOutcome, Submission, Tier, Verdict
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import RuleSet, parse_policy
from tests.harness.examples import examples
from tests.harness.screening_events import AWAY, NOW, POLICY, config, decide, port, submission, why
from tests.harness.screening_streams import streams

# Another limit, another rule, a counter with another window, and a counter more.
OTHER = parse_policy(
    POLICY.replace("ordinary: 10", "ordinary: 2")
    .replace("key: [sender], window: 5m", "key: [sender], window: 1m")
    .replace(
        "rules:\n",
        "  - {name: people, event: submission, key: [port], window: 1m, aggregate: distinct, of: recipient,\n"
        "     where: messages > 0, description: x}\n"
        "rules:\n"
        "  - {id: crowd, event: submission, description: crowd, when: people > 1, verdict: review}\n",
    )
)
KNOWN = config(port(tier=Tier.HIGH, kind=Kind.COMMERCIAL), port("10690002", volume_5m=4), lists=AWAY)


def on_trial(share: int, known: Config = KNOWN) -> Config:
    return replace(known, candidate=Candidate(OTHER, share))


def decisions(known: Config, batches: Sequence[Sequence[Submission | Record]]) -> list[Decision]:
    state = MemoryCounters()
    found = [o for batch in batches for o in screen(batch, state, known, NOW)]
    assert all(isinstance(o, Screened) for o in found)
    return [msgspec.structs.replace(o.decision, timings={}) for o in found if isinstance(o, Screened)]


def without_shadow(found: Sequence[Decision]) -> list[Decision]:
    return [msgspec.structs.replace(d, shadow=tuple(s for s in d.shadow if s.policy is None)) for d in found]


def beside(decision: Decision) -> list[ShadowOutcome]:
    return [s for s in decision.shadow if s.policy is not None]


@settings(max_examples=examples(30), deadline=None)
@given(events=streams())
def test_in_shadow_it_changes_nothing_and_leaves_the_verdict_it_would_have_given(
    events: list[Submission | Record],
) -> None:
    watched = decisions(on_trial(0), [events])
    assert without_shadow(watched) == decisions(KNOWN, [events])
    alone = decisions(replace(KNOWN, policy=OTHER), [events])
    for seen, would in zip(watched, alone, strict=True):
        if would.reasons and would.reasons[0].rule in ("port-unknown", "list-black"):
            assert beside(seen) == []  # decided before any rule
        else:
            rule = would.reasons[0].rule if would.reasons else ""
            assert beside(seen) == [ShadowOutcome(rule=rule, verdict=would.verdict, policy=OTHER.version)]


@settings(max_examples=examples(30), deadline=None)
@given(events=streams())
def test_with_the_whole_traffic_it_decides_as_if_in_force(events: list[Submission | Record]) -> None:
    alone = decisions(replace(KNOWN, policy=OTHER), [events])
    decided = decisions(on_trial(100), [events])
    assert KNOWN.policy is not None
    for made, would in zip(decided, alone, strict=True):
        if made.policy == OTHER.version:
            assert without_shadow([made]) == [would]
            assert [s.policy for s in beside(made)] == [KNOWN.policy.version]
        else:  # decided before any rule
            assert (why(made), beside(made)) == (why(would), [])


@settings(max_examples=examples(30), deadline=None)
@given(events=streams(), cuts=st.lists(st.integers(0, 40)), share=st.sampled_from([0, 50, 100]))
def test_cutting_the_stream_into_other_batches_never_changes_a_decision(
    events: list[Submission | Record], cuts: list[int], share: int
) -> None:
    edges = sorted({0, len(events), *(min(cut, len(events)) for cut in cuts)})
    known = on_trial(share)
    assert decisions(known, [events[a:b] for a, b in pairwise(edges)]) == decisions(known, [events])


@given(sender=st.text(max_size=21), one=st.integers(0, 100), two=st.integers(0, 100))
def test_raising_the_share_never_moves_a_sender_back(sender: str, one: int, two: int) -> None:
    low, high = sorted((one, two))
    if Candidate(OTHER, low).decides(sender):
        assert Candidate(OTHER, high).decides(sender)
    assert not Candidate(OTHER, 0).decides(sender)
    assert Candidate(OTHER, 100).decides(sender)


@pytest.mark.parametrize("share", [1, 10, 50, 90])
def test_its_share_of_senders_is_what_was_asked(share: int) -> None:
    taken = sum(Candidate(OTHER, share).decides(f"1069{n:06}") for n in range(20_000))
    assert abs(taken / 20_000 - share / 100) < 0.01


def test_another_policy_has_other_senders() -> None:
    assert KNOWN.policy is not None
    one, two = Candidate(OTHER, 50), Candidate(KNOWN.policy, 50)
    assert {one.decides(str(n)) == two.decides(str(n)) for n in range(100)} == {True, False}


def test_extensions_and_rounds_of_a_port_stay_together() -> None:
    known = config(*(port(f"106900{n:02}") for n in range(20)))
    for n in range(20):
        code = f"106900{n:02}"
        made = [
            decide(submission(port=sent, round=r), on_trial(50, known)) for sent in (code, code + "7") for r in (0, 1)
        ]
        assert len({d.policy for d in made}) == 1


def test_a_suspended_port_is_refused_without_asking_either() -> None:
    known = config(port(state=PortState.SUSPENDED))
    decision = decide(submission(), on_trial(100, known))
    assert (why(decision), beside(decision)) == (("reject", ["port-suspended"]), [])


def test_without_a_policy_in_force_it_decides_nothing() -> None:
    decision = decide(submission(), on_trial(100, config(policy=None)))
    assert (why(decision), decision.policy, decision.shadow) == (("hold", ["no-policy"]), None, ())


def test_where_it_fails_the_policy_in_force_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = RuleSet.matching_each

    def planted(self: RuleSet, contexts: Any, columns: Any) -> Any:
        if self is OTHER.sets["submission"]:
            raise FloatingPointError("planted")
        return asked(self, contexts, columns)

    monkeypatch.setattr(RuleSet, "matching_each", planted)
    known = config()
    assert known.policy is not None
    decision = decide(submission("需审词"), on_trial(100, known))
    assert (why(decision), decision.policy) == (("review", ["word-review"]), known.policy.version)
    assert (decision.degraded, beside(decision)) == (True, [])


# As a part of the configuration


def test_it_comes_and_goes_as_an_entry() -> None:
    entries = ConfigEntries()
    value = candidate_value(POLICY, 20)
    assert entries.apply([ConfigChange(epoch=1, kind="candidate", name="policy.yaml", value=value)]) == []
    assert entries.config.candidate is not None
    assert (entries.config.candidate.policy.version, entries.config.candidate.share) == (
        parse_policy(POLICY).version,
        20,
    )
    assert entries.config.policies == (entries.config.candidate.policy,)
    assert entries.apply([ConfigChange(epoch=2, kind="candidate", name="policy.yaml")]) == []
    assert entries.config.candidate is None


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("{", "not a candidate"),
        ('{"share": 1}', "not a candidate"),
        ('{"share": 1, "policy": "", "more": 1}', "not a candidate"),
        (candidate_value(POLICY, 101), "0 to 100"),
        (candidate_value(POLICY, -1), "0 to 100"),
        (candidate_value("rules: 7", 1), "rules"),
    ],
)
def test_a_damaged_value_is_refused(value: str, fault: str) -> None:
    with pytest.raises(AntispamError, match=fault):
        parse_candidate(value)


def test_verdicts_are_compared_whole() -> None:
    """Two reasons: the one that would have decided is named."""
    known = config(policy=parse_policy("rules: []"))
    decision = decide(submission("需审词和拒发词"), on_trial(0, known))
    assert beside(decision) == [ShadowOutcome(rule="word-reject", verdict=Verdict.REJECT, policy=OTHER.version)]
