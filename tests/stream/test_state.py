"""Counters of a partition: rebuilt from their changelog, and no event counted twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.durations import DAY_MS
from pipeline.rules.counting.counters import Counter, MemoryCounters
from pipeline.stream.state import BatchCounters, PartitionState

VOLUME = Counter("volume", "submission", ("port",), 300_000, "messages", None, "of the port")
HOURLY = Counter("hourly", "submission", ("port",), 3_600_000, "messages", None, "of the port")
LATE = 600_000
KEPT = {c.identity: c.kept_ms + LATE for c in (VOLUME, HOURLY)}
NOW = 1_760_000_000_000


PEOPLE = replace(VOLUME, name="people", aggregate="distinct", of="recipient", up_to=4)
WALKED = replace(VOLUME, name="walked", aggregate="sequence", up_to=100)
DAILY = replace(VOLUME, name="daily", window_ms=DAY_MS, zone="Asia/Shanghai")


def add(
    state: PartitionState, offset: int, key: str = "1069", at: int = NOW, n: int = 1, lane: int = 0, now: int = NOW
) -> int:
    return BatchCounters([(state, lane, offset)], now, PartitionState()).add(VOLUME, key, at, n)


def rebuilt(*changelogs: list[tuple[bytes, bytes | None]]) -> PartitionState:
    state = PartitionState()
    for changelog in changelogs:
        for key, value in changelog:
            state.load(key, value or b"", NOW)
    return state


def totals(state: PartitionState) -> dict[tuple[str, str], list[int]]:
    return {(i, key): sorted(window.dump()[1]) for i, table in state.tables.items() for key, window in table.items()}


MOVES = st.lists(
    st.tuples(st.sampled_from(["1069", "1070", "端口"]), st.integers(0, 900_000), st.integers(1, 9), st.integers(0, 1)),
    max_size=40,
)


@given(MOVES, st.integers(0, 40))
def test_a_state_rebuilt_at_any_point_goes_on_as_if_nothing_had_happened(moves: list[Any], at: int) -> None:
    straight, cut = PartitionState(), PartitionState()
    changelog: list[tuple[bytes, bytes | None]] = []
    for offset, (key, ms, n, lane) in enumerate(moves):
        if offset == at:
            cut = rebuilt(changelog)
        counts = add(straight, offset, key, NOW + ms, n, lane), add(cut, offset, key, NOW + ms, n, lane)
        assert counts[0] == counts[1]
        changelog += cut.changes()
    assert totals(rebuilt(changelog)) == totals(straight)


@given(MOVES, st.integers(0, 40))
def test_a_replay_from_any_earlier_offset_counts_nothing_twice(moves: list[Any], back: int) -> None:
    once, again = PartitionState(), PartitionState()
    for offset, (key, ms, n, lane) in enumerate(moves):
        add(once, offset, key, NOW + ms, n, lane)
        add(again, offset, key, NOW + ms, n, lane)
    for offset, (key, ms, n, lane) in enumerate(moves):
        if offset >= back:
            add(again, offset, key, NOW + ms, n, lane)
    assert totals(again) == totals(once)


@given(MOVES)
def test_without_faults_it_counts_as_memory_does(moves: list[Any]) -> None:
    state, memory = PartitionState(), MemoryCounters()
    for offset, (key, ms, n, lane) in enumerate(moves):
        assert add(state, offset, key, NOW + ms, n, lane) == memory.add(VOLUME, key, NOW + ms, n)


def moved(state: PartitionState, offset: int, key: str, at: int, n: int, lane: int) -> list[int]:
    """The values of a counter of each kind after one event."""
    counters = BatchCounters([(state, lane, offset)], NOW, PartitionState())
    numbers = (13_800_000_000 + n,)
    return [
        counters.add(counter, key, at, numbers if counter.up_to else n) for counter in (VOLUME, DAILY, PEOPLE, WALKED)
    ]


@given(MOVES, st.integers(0, 40), st.integers(0, 40))
def test_counters_of_each_kind_survive_a_kill_and_a_replay(moves: list[Any], at: int, back: int) -> None:
    """Killed after event `at`, whose poll is in the changelog; from `back` on the events come again."""
    straight = PartitionState()
    changelog: list[tuple[bytes, bytes | None]] = []
    expected = [moved(straight, offset, key, NOW + ms, n, lane) for offset, (key, ms, n, lane) in enumerate(moves)]
    killed = PartitionState()
    for offset, (key, ms, n, lane) in enumerate(moves[:at]):
        moved(killed, offset, key, NOW + ms, n, lane)
        changelog += killed.changes()
    killed = rebuilt(changelog)
    for offset, (key, ms, n, lane) in enumerate(moves):
        if min(at, back) <= offset:
            values = moved(killed, offset, key, NOW + ms, n, lane)
            assert offset < at or values == expected[offset]


def test_lanes_have_offsets_of_their_own() -> None:
    state = PartitionState()
    assert add(state, 7, lane=0) == 1
    assert add(state, 7, lane=1) == 2
    assert add(state, 7, lane=0) == 2  # a replay
    assert add(state, 8, lane=0) == 3


def test_a_replayed_event_is_said_so() -> None:
    state = PartitionState()
    counters = BatchCounters([(state, 0, 5), (state, 0, 5), (state, 0, 6)], NOW, PartitionState())
    for index in range(3):
        counters.begin(index)
        counters.add(VOLUME, "1069", NOW, 1)
    assert (counters.replayed, state.tables[VOLUME.identity]["1069"].dump()[1][1]) == (1, 2)


def test_each_event_counts_in_its_own_partition() -> None:
    one, two = PartitionState(), PartitionState()
    counters = BatchCounters([(one, 0, 5), (two, 0, 3)], NOW, PartitionState())
    for index in range(2):
        counters.begin(index)
        assert counters.add(VOLUME, "1069", NOW, 1) == 1
    assert (len(one), len(two)) == (1, 1)


def test_reading_moves_nothing_and_writes_nothing() -> None:
    state = PartitionState()
    add(state, 1, n=4)
    assert len(list(state.changes())) == 1
    counters = BatchCounters([(state, 0, 2)], NOW, PartitionState())
    assert counters.read(VOLUME, "1069", NOW + 1000, 1) == 4
    assert counters.read(VOLUME, "1070", NOW, 1) == 0
    assert counters.read(HOURLY, "1069", NOW, 1) == 0
    assert not list(state.changes())
    assert len(state) == 1


def test_the_changelog_holds_what_moved_once_a_batch() -> None:
    state = PartitionState()
    for offset in range(5):
        add(state, offset)
    [(key, value)] = state.changes()
    assert key == f"{VOLUME.identity}\x001069".encode()
    assert msgspec.msgpack.decode(value or b"")[0] == [4, -1]
    assert not list(state.changes())


def test_windows_that_lie_still_are_forgotten_and_living_ones_stay() -> None:
    state = PartitionState()
    for offset, (key, after) in enumerate((("old", 0), ("young", 1), ("now", 300_000))):
        add(state, offset, key, NOW, now=NOW + after)
    state.expire(KEPT, NOW + KEPT[VOLUME.identity] + 1)
    assert set(state.tables[VOLUME.identity]) == {"young", "now"}


def test_a_clock_hours_ahead_ends_the_counts_of_no_one_else() -> None:
    state = PartitionState()
    for offset in range(40):
        add(state, offset, "a", NOW + offset * 1000)
    add(state, 40, "b", NOW + 23 * 3_600_000)
    state.expire(KEPT, NOW + 41_000)
    assert add(state, 41, "a", NOW + 41_000) == 41


ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 1_200_000),
        st.integers(0, 24 * 3_600_000),
        st.integers(0, LATE),
        st.booleans(),
    ),
    max_size=40,
)


@given(ARRIVALS)
def test_no_sweep_changes_a_count(arrivals: list[Any]) -> None:
    """Events by key, ms since the one before, what the key's clock is ahead, lateness; a sweep behind some."""
    state, never, now = PartitionState(), PartitionState(), NOW
    clocks: dict[str, int] = {}
    for offset, (key, after, clock, late, sweep) in enumerate(arrivals):
        now += after
        at = now + clocks.setdefault(key, clock) - late
        assert add(state, offset, key, at, now=now) == add(never, offset, key, at, now=now)
        if sweep:
            state.expire(KEPT, now)


def test_counters_no_longer_declared_go_as_a_whole() -> None:
    state = PartitionState()
    add(state, 0)
    state.expire({HOURLY.identity: KEPT[HOURLY.identity]}, NOW)
    assert len(state) == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"volume\x00k", b"nonsense"),
        (b"volume\x00k", msgspec.msgpack.encode(([0, 0], [1]))),
        (b"\xff", b""),
        (b"volume\x00k", msgspec.msgpack.encode(([0], "x"))),
    ],
)
def test_a_damaged_record_is_an_error_and_not_a_wrong_count(key: bytes, value: bytes) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        PartitionState().load(key, value, NOW)


def test_beyond_the_bound_the_windows_moved_longest_ago_go() -> None:
    state = PartitionState()
    counters = BatchCounters([(state, 0, 0)], NOW, PartitionState())
    for n in range(5):
        counters.add(VOLUME, f"k{n}", NOW, 1)
    for n in range(2):
        counters.add(HOURLY, f"k{n}", NOW, 1)
    counters.read(VOLUME, "k0", NOW, 1)
    assert state.shrink(7) == 0
    assert state.shrink(4) == 3
    assert {identity: list(table) for identity, table in state.tables.items()} == {
        VOLUME.identity: ["k3", "k4"],
        HOURLY.identity: ["k0", "k1"],
    }
