"""The campaign that drifts is the one that the walk-through tells of."""

from __future__ import annotations

from pipeline.durations import DAY_MS
from pipeline.sample.drift import LENGTH_MS, MESSAGES, SENDERS, VARIANTS, drift

START = 1_795_395_600_000


def test_five_variants_go_over_three_ports_on_two_days() -> None:
    told = list(drift(7, START))
    assert (len(told), len(VARIANTS)) == (MESSAGES, 5)
    assert {sample.body["port"] for sample in told} == set(SENDERS)
    assert [sample.at for sample in told] == sorted(sample.at for sample in told)
    assert told[0].at >= START
    assert DAY_MS < told[-1].at - START < LENGTH_MS
    assert len({sample.body["id"] for sample in told}) == MESSAGES


def test_the_same_seed_tells_the_same() -> None:
    assert list(drift(7, START)) == list(drift(7, START))
    assert list(drift(7, START)) != list(drift(8, START))
