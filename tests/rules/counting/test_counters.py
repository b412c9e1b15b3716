"""Declared counters: what makes one another, and how they are kept in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.rules.counting.counters import Counter, MemoryCounters

VOLUME = Counter("volume", "submission", ("port",), 300_000, "messages", None, "messages of the port")


@pytest.mark.parametrize(
    "change",
    [
        {"key": ("port", "fingerprint")},
        {"window_ms": 600_000},
        {"aggregate": "submissions"},
        {"where": "messages > 1"},
        {"on": "record"},
        {"name": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_definition_is_another_counter(change: dict[str, Any]) -> None:
    assert replace(VOLUME, **change).identity != VOLUME.identity


def test_another_description_is_the_same_counter() -> None:
    assert replace(VOLUME, description="said better").identity == VOLUME.identity


def test_a_definition_is_the_same_in_every_process() -> None:
    assert VOLUME.identity == "volume@a3280d39"  # state and changelogs of running systems are keyed by it


def test_keys_and_counters_do_not_mix() -> None:
    state, hourly = MemoryCounters(), replace(VOLUME, name="hourly", window_ms=3_600_000)
    assert state.add(VOLUME, "1069", 1000, 3) == 3
    assert state.add(VOLUME, "1070", 1000, 4) == 4
    assert state.add(hourly, "1069", 1000, 5) == 5
    assert state.add(VOLUME, "1069", 2000, 1) == 4
    assert state.read(hourly, "1069", 2000) == 5


def test_reading_a_key_never_seen_says_0_and_leaves_nothing() -> None:
    state = MemoryCounters()
    assert state.read(VOLUME, "1069", 1000) == 0
    assert not state.windows


def test_a_short_window_still_has_a_bucket() -> None:
    assert replace(VOLUME, window_ms=1000).width >= 1
