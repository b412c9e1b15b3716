"""A submission that lies in its partition twice is decided once, whatever is replayed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import topics
from pipeline.decision.configuration import load_directory
from pipeline.decision.screening import Failure
from pipeline.events import Decision, Submission, encode
from pipeline.kafka.polled import Polled
from pipeline.kafka.streams import SUBMISSIONS
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.settings import Settings
from pipeline.stream import decided as seen
from pipeline.stream.decided import Seen, mark
from pipeline.stream.processor import Processor
from pipeline.stream.state import PartitionState

NOW = 1_760_000_000_000
PORTS = ("10690001", "10690002")
CONFIG = replace(load_directory(None), ports=Ports([Port(PortEntry(code=code)) for code in PORTS]))
ARRIVALS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=30)


def restored(changelog: dict[bytes, bytes | None]) -> Seen:
    state = Seen()
    for value in changelog.values():
        if value is not None:
            state.load(value, NOW)
    return state


@given(ARRIVALS, st.lists(st.integers(0, 30)), st.sets(st.integers(0, 29)))
def test_each_id_is_decided_once_however_the_stream_is_cut(
    arrivals: list[tuple[int, int]], cuts: list[int], crashes: set[int]
) -> None:
    """(id, lane) by offset. A crash behind a batch: with its changelog, as after a commit."""
    state, changelog, decided = Seen(), dict[bytes, bytes | None](), list[int]()
    borders = sorted({0, len(arrivals), *(cut for cut in cuts if cut < len(arrivals))})
    for begin, end in pairwise(borders):
        batch: dict[int, tuple[int, int, int]] = {}
        for offset in range(begin, end):
            ident, lane = arrivals[offset]
            if ident not in batch and not state.elsewhere(ident, lane, offset):
                batch[ident] = ident, lane, offset
        if batch:
            state.add(list(batch.values()), NOW)
            decided += batch
            changelog |= dict(state.changes())
        if begin in crashes:
            state = restored(changelog)
    assert sorted(decided) == sorted({ident for ident, _ in arrivals})


def test_the_same_record_met_again_is_decided_again() -> None:
    state = Seen()
    state.add([(1, 0, 7), (2, 1, 7)], NOW)
    assert not state.elsewhere(1, 0, 7)  # its decision may have been lost with the process
    assert state.elsewhere(1, 0, 8)
    assert state.elsewhere(1, 1, 6)
    assert not state.elsewhere(3, 0, 8)


def test_ids_run_out_after_an_hour_and_beyond_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    state = Seen()
    for n in range(3):
        state.add([(n, 0, n)], NOW + n)
    written = dict(state.changes())
    state.add([(9, 0, 9)], NOW + seen.KEPT_MS + 1)
    assert [state.elsewhere(n, 0, 99) for n in (0, 1, 2, 9)] == [False, True, True, True]
    gone = [name for name, value in state.changes() if value is None]
    assert gone == list(written)[:1]
    monkeypatch.setattr(seen, "KEPT", 2)
    state.add([(10, 0, 10)], NOW + seen.KEPT_MS + 1)
    assert [state.elsewhere(n, 0, 99) for n in (2, 9, 10)] == [False, True, True]


def test_marks_tell_ports_and_ids_apart_and_stay_the_same() -> None:
    assert len({mark("1069", "a"), mark("1069", "b"), mark("10690", "a")}) == 3
    assert mark("1069", "a") == 0x28C3680206636970


@pytest.mark.parametrize("value", [b"", msgspec.msgpack.encode(([1], b"")), msgspec.msgpack.encode(([0] * 4, b"odd"))])
def test_a_damaged_record_is_an_error(value: bytes) -> None:
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        Seen().load(value, NOW)


@pytest.fixture
def processor(tmp_path: Path) -> Processor:
    """One that owns partition 0, without a broker; its clock stands at NOW."""
    processor = Processor(SUBMISSIONS, Settings(kafka="127.0.0.1:9", data_dir=tmp_path), clock=lambda: NOW / 1000)
    processor._states = {0: PartitionState()}
    processor._campaigns = SimpleNamespace(poll=lambda: None)  # type: ignore[assignment]
    return processor


def polled(offset: int, ident: str, lane: int = 0, port: str = PORTS[0], at: int = NOW) -> Polled:
    event = Submission(id=ident, port=port, recipients=("13800000001",), content="【示例】您好", accepted_at=at)
    return Polled(lane, SUBMISSIONS.lanes[lane].name, 0, offset, port.encode(), encode(event), 0)


def decided(processor: Processor, *messages: Polled) -> list[Decision]:
    outputs, _, _ = processor._work(list(messages), CONFIG)
    return [msgspec.json.decode(v, type=Decision) for topic, _, v, _ in outputs if topic == topics.DECISIONS.name]


def test_sent_twice_it_is_decided_counted_and_carried_out_once(processor: Processor) -> None:
    outputs = processor._work([polled(0, "a"), polled(1, "a"), polled(2, "b")], CONFIG)[0]
    outputs += processor._work([polled(3, "b"), polled(0, "a", 1), polled(4, "c")], CONFIG)[0]
    decisions = [msgspec.json.decode(v, type=Decision) for topic, _, v, _ in outputs if topic == topics.DECISIONS.name]
    assert [d.id for d in decisions] == ["a", "b", "c"]
    assert [d.counters["port_volume_5m"] for d in decisions] == [1, 2, 3]
    assert sum(topic == "outbound.default.express" for topic, *_ in outputs) == 3


def test_what_became_a_dead_letter_may_come_again(processor: Processor, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as planted:
        planted.setattr("pipeline.stream.processor.screen", lambda events, *_: [Failure(0, "planted")] * len(events))
        assert decided(processor, polled(0, "a")) == []
    assert [d.id for d in decided(processor, polled(1, "a"))] == ["a"]


def test_a_backlog_finds_the_counts_it_continues(processor: Processor) -> None:
    """Two hours away: what was counted before belongs to the same five minutes as what comes first."""
    decided(processor, polled(0, "a"))
    processor._clock = lambda: NOW / 1000 + 7200
    decided(processor, polled(1, "b", port=PORTS[1], at=NOW + 1000))
    processor._expire(CONFIG)
    [decision] = decided(processor, polled(2, "c", at=NOW + 2000))
    assert decision.counters["port_volume_5m"] == 2
