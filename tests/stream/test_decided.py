"""A round that was decided is dropped when it comes again, and kept when the same record is met again."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import Submission
from pipeline.stream import decided
from pipeline.stream.decided import IDS, KEPT_MS, ROUNDS, Decided, mark
from pipeline.topics import HOLDS, ROUNDS_KEPT_MS, STATE_SUBMISSIONS

NOW = 1_760_000_000_000
Changelog = dict[bytes, bytes | None]
ARRIVALS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=30)


def submission(ident: str, number: int = 0, port: str = "1069") -> Submission:
    return Submission(id=ident, port=port, recipients=("13800000001",), content="您好", accepted_at=NOW, round=number)


def decide(state: Decided, *records: tuple[str, int, int, int], at: int = NOW) -> Changelog:
    """One poll of records (id, round, lane, offset), all decided; its changelog."""
    for ident, number, lane, offset in records:
        admitted = state.admit(submission(ident, number), lane, offset)
        assert admitted is not None
        state.note(admitted, at)
    return dict(state.changes())


def dropped(state: Decided, ident: str, number: int, lane: int, offset: int) -> bool:
    """Whether a poll of this record alone drops it; nothing is noted."""
    admitted = state.admit(submission(ident, number), lane, offset)
    assert dict(state.changes()).keys() == set()
    return admitted is None


def restored(changelog: Changelog) -> Decided:
    state = Decided()
    for key, value in changelog.items():
        if value is not None:
            identity, _, name = key.decode().partition("\0")
            state.load(identity, name, value, NOW)
    return state


@given(ARRIVALS, st.lists(st.integers(0, 30)), st.sets(st.integers(0, 29)))
def test_each_round_is_decided_once_however_the_stream_is_cut(
    arrivals: list[tuple[str, int, int]], cuts: list[int], crashes: set[int]
) -> None:
    """(id, round, lane) by offset. A crash behind a batch: with its changelog, as after a commit."""
    state, changelog, made = Decided(), Changelog(), list[tuple[str, int]]()
    borders = sorted({0, len(arrivals), *(cut for cut in cuts if cut < len(arrivals))})
    for begin, end in pairwise(borders):
        for offset in range(begin, end):
            ident, number, lane = arrivals[offset]
            admitted = state.admit(submission(ident, number), lane, offset)
            if admitted is not None:
                state.note(admitted, NOW)
                made.append((ident, number))
        changelog |= dict(state.changes())
        if begin in crashes:
            state = restored(changelog)
    assert len(made) == len(set(made))
    # Nothing is lost: each dropped record came behind its own decision or that of a later round.
    for offset, (ident, number, _) in enumerate(arrivals):
        assert (ident, number) in made or any(i == ident and n > number > 0 for i, n, _ in arrivals[:offset])


@pytest.mark.parametrize("number", [0, 1])
def test_the_same_record_met_again_is_decided_again(number: int) -> None:
    state = Decided()
    decide(state, ("a", number, 0, 7), ("b", number, 1, 7))
    assert not dropped(state, "a", number, 0, 7)  # its decision may have been lost with the process
    assert dropped(state, "a", number, 0, 8)
    assert dropped(state, "a", number, 1, 6)  # the other lane holds other records
    assert not dropped(state, "a", number + 1, 0, 8)
    assert not dropped(state, "c", number, 0, 8)


def test_in_one_poll_the_second_is_dropped() -> None:
    state = Decided()
    assert [state.admit(submission("a", n), 0, offset) is None for offset, n in enumerate((0, 0, 1, 1, 2))] == [
        False,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_what_was_admitted_and_not_decided_may_come_again(number: int) -> None:
    state = Decided()
    assert state.admit(submission("a", number), 0, 7) is not None
    assert dict(state.changes()) == {}
    assert not dropped(state, "a", number, 0, 8)


def test_ids_run_out_after_an_hour_and_beyond_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    state, written = Decided(), Changelog()
    for n in range(3):
        written |= decide(state, (str(n), 0, 0, n), at=NOW + n)
    changes = decide(state, ("9", 0, 0, 9), at=NOW + KEPT_MS + 1)
    assert [key for key, value in changes.items() if value is None] == list(written)[:1]
    assert [dropped(state, n, 0, 0, 99) for n in "0129"] == [False, True, True, True]
    monkeypatch.setattr(decided, "KEPT", 2)
    decide(state, ("10", 0, 0, 10), at=NOW + KEPT_MS + 1)
    assert [dropped(state, n, 0, 0, 99) for n in ("2", "9", "10")] == [False, True, True]


def test_later_rounds_run_out() -> None:
    state = Decided()
    decide(state, ("a", 1, 0, 7), at=0)
    decide(state, ("b", 1, 0, 8), at=5)
    state.expire(ROUNDS_KEPT_MS + 1)
    assert (state.rounds, dropped(state, "a", 1, 0, 9), dropped(state, "b", 1, 0, 9)) == (1, False, True)


def test_a_round_is_known_as_long_as_its_hold_can_be_read_again() -> None:
    """A backup that is restored reads `holds` from where it stood, up to all that the broker keeps."""
    state = Decided()
    decide(state, ("a", 1, 0, 7), at=0)
    state.expire(HOLDS.retention_ms)
    assert dropped(state, "a", 1, 0, 9)
    assert STATE_SUBMISSIONS.retention_ms > ROUNDS_KEPT_MS


def test_marks_tell_ports_and_ids_apart_and_stay_the_same() -> None:
    state = Decided()
    decide(state, ("a", 0, 0, 7))
    assert state.admit(submission("a", port="10690"), 0, 8) is not None
    assert mark("1069|a") == 0x28C3680206636970


def test_the_changelog_stays_as_it_was() -> None:
    """Records that an older version wrote are read by this one, and the other way round."""
    changes = decide(Decided(), ("a", 0, 0, 7), ("b", 0, 0, 9), ("a", 2, 1, 3))
    marks = mark("1069|a").to_bytes(8, "little") + mark("1069|b").to_bytes(8, "little")
    assert changes == {
        b"rounds\x001069|a": msgspec.msgpack.encode(([2, 1, 3, NOW], [])),
        b"ids\x007.-1": msgspec.msgpack.encode(([7, 9, -1, -1], marks)),
    }


@pytest.mark.parametrize(
    ("identity", "value"),
    [
        (IDS, b""),
        (IDS, msgspec.msgpack.encode(([1], b""))),
        (IDS, msgspec.msgpack.encode(([0] * 4, b"odd"))),
        (ROUNDS, b""),
        (ROUNDS, msgspec.msgpack.encode(([1, 0], []))),
    ],
)
def test_a_damaged_record_is_an_error(identity: str, value: bytes) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        Decided().load(identity, "name", value, NOW)
