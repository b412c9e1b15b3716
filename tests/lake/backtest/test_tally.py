"""Tallies of parts give the same whole, however the work was cut."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import Verdict
from pipeline.lake.backtest.tally import SAMPLES, WAYS, Sample, Tally, way_of

_SAMPLES = st.builds(
    Sample,
    way=st.sampled_from(WAYS),
    rule=st.sampled_from(["", "a", "b"]),
    port=st.sampled_from(["1", "2"]),
    sender=st.just("1"),
    id=st.integers(0, 10**9).map(str),
    decided_at=st.integers(0, 50),
    messages=st.integers(1, 9),
    live=st.just("release"),
    live_rule=st.just(""),
    replayed=st.just("reject"),
    replayed_rule=st.just("a"),
    campaign=st.sampled_from(["", "c"]),
    content=st.just("x"),
)


def tally_of(samples: list[Sample]) -> Tally:
    tally = Tally()
    for sample in samples:
        tally.change(sample)
        tally.skip("failed")
        tally.judge(sample.port, refused=sample.port == "1", stopped=sample.way == "stopped", rule=sample.rule)
    return tally


@given(st.lists(st.tuples(_SAMPLES, st.integers(0, 3)), max_size=60, unique_by=lambda pair: pair[0].id))
def test_the_whole_does_not_depend_on_the_parts(pairs: list[tuple[Sample, int]]) -> None:
    whole = tally_of([sample for sample, _ in pairs])
    merged = Tally()
    for part in (2, 0, 3, 1):
        merged.merge(tally_of([sample for sample, of in pairs if of == part]))
    assert merged == whole
    kept = msgspec.json.decode(msgspec.json.encode(merged), type=Tally)
    assert kept == merged


def test_samples_are_few_and_the_earliest() -> None:
    sample = Sample("stopped", "a", "1", "1", "0", 0, 1, "release", "", "reject", "a", "", "x")
    made = [msgspec.structs.replace(sample, id=str(n), decided_at=100 - n) for n in range(20)]
    assert [kept.decided_at for kept in tally_of(made).samples] == list(range(81, 81 + SAMPLES))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_way(verdict: Verdict) -> None:
    assert way_of(verdict) in WAYS
