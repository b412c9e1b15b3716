"""A round that was decided is dropped when it comes again, and kept when it is the same record met again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.state import PartitionState
from pipeline.topics import HOLDS, ROUNDS_KEPT_MS, STATE_SUBMISSIONS

RECORDS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3)), max_size=30)


@given(RECORDS, st.integers(0, 30))
def test_each_round_is_decided_once_whatever_is_replayed(records: list[tuple[str, int]], crash: int) -> None:
    """Offsets are committed with the state; a crash rebuilds the state from the changelog."""
    state, changelog = PartitionState(), dict[bytes, bytes]()
    decided: list[tuple[str, int]] = []
    for offset, (key, number) in enumerate(records):
        if offset == crash:
            state = PartitionState()
            for name, value in changelog.items():
                state.load(name, value, 0)
        if not state.decided(key, number, 0, offset):
            state.decide(key, number, 0, offset, offset)
            decided.append((key, number))
        changelog |= dict(state.changes())
    assert len(decided) == len(set(decided))
    # Nothing is lost: whatever was not decided came behind its own decision or that of a later round.
    for offset, (key, number) in enumerate(records):
        assert (key, number) in decided or any(k == key and n > number for k, n in records[:offset])


def test_the_same_record_met_again_is_decided_again() -> None:
    state = PartitionState()
    state.decide("a", 1, 0, 7, 0)
    assert not state.decided("a", 1, 0, 7)  # its decision may have been lost with the process
    assert state.decided("a", 1, 1, 7)  # the same offset of the other lane is another record
    assert not state.decided("a", 2, 0, 8)


def test_a_round_is_known_as_long_as_its_hold_can_be_read_again() -> None:
    """A backup that is restored reads `holds` from where it stood, up to all that the broker keeps."""
    state = PartitionState()
    state.decide("a", 1, 0, 7, 0)
    state.expire_rounds(HOLDS.retention_ms)
    assert state.decided("a", 1, 0, 9)
    assert STATE_SUBMISSIONS.retention_ms > ROUNDS_KEPT_MS


def test_rounds_run_out() -> None:
    state = PartitionState()
    state.decide("a", 1, 0, 7, 0)
    state.decide("b", 1, 0, 8, 5)
    state.expire_rounds(ROUNDS_KEPT_MS + 1)
    assert (len(state), state.decided("a", 1, 0, 9), state.decided("b", 1, 0, 9)) == (1, False, True)
    state.expire({}, 0)  # counters that are gone take no rounds with them
    assert len(state) == 1
