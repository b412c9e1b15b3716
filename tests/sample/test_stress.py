from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.events import Tier, Verdict
from pipeline.sample.stress import BULK_OVER, LENGTH_MS, stress, stress_ports
from pipeline.sample.truth import Sample
from tests.harness.examples import examples

START = 1_760_000_000_000


def by_port(samples: list[Sample]) -> dict[str, list[Sample]]:
    found = defaultdict(list)
    for sample in samples:
        found[str(sample.body["port"])].append(sample)
    return found


@pytest.mark.long
def test_the_same_seed_gives_the_same_traffic() -> None:
    assert list(stress(1, 2000, 20, start=START)) == list(stress(1, 2000, 20, start=START))
    assert list(stress(1, 2000, 20, start=START)) != list(stress(2, 2000, 20, start=START))


@settings(max_examples=examples(20), deadline=None)
@given(
    seed=st.integers(min_value=0),
    count=st.integers(min_value=0, max_value=3000),
    ports=st.integers(min_value=1, max_value=600),
)
def test_each_port_keeps_its_lane_and_its_time_strictly_grows(seed: int, count: int, ports: int) -> None:
    samples = list(stress(seed, count, ports, start=START))
    assert len({sample.body["id"] for sample in samples}) == count
    assert all(a.at <= b.at for a, b in pairwise(samples))
    for sent in by_port(samples).values():
        assert all(a.body["submitted_at"] < b.body["submitted_at"] for a, b in pairwise(sent))
        assert len({sample.body["priority"] for sample in sent}) == 1


@pytest.mark.long
def test_verdicts_turn_in_the_middle_of_the_traffic() -> None:
    sent = by_port(list(stress(3, 20_000, 50, start=START)))
    assert {sample.truth.expected for run in sent.values() for sample in run} == {
        (Verdict.RELEASE,),
        (Verdict.HOLD,),
        (Verdict.REVIEW,),
        (Verdict.REJECT,),
    }
    turning = [run for run in sent.values() if len({sample.truth.expected for sample in run}) > 1]
    assert len(turning) > len(sent) / 2


def test_the_truth_counts_messages_as_the_rules_do() -> None:
    sent = by_port(list(stress(4, 20_000, 50, start=START)))
    ports = {port.code: port for port in stress_ports(50)}
    for code, run in sent.items():
        accepted = [s for s in run if s.truth.expected != (Verdict.REJECT,)]
        assert sum(len(s.body["recipients"]) for s in accepted) <= ports[code].limit
        held: dict[str, int] = defaultdict(int)
        for sample in accepted:
            if sample.truth.expected == (Verdict.HOLD,):
                held[sample.body["content"]] += len(sample.body["recipients"])
        assert all(messages <= BULK_OVER for messages in held.values())
        assert not held or ports[code].tier is Tier.HIGH


def test_it_all_lies_in_one_window() -> None:
    times = [sample.at for sample in stress(5, 20_000, 500, start=START)]
    assert times[-1] - times[0] <= LENGTH_MS + 1000 < 300_000
