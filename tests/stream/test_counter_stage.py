"""Counters whose keys come from all ports: what workers emit, what the stage counts, what workers then see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import topics
from pipeline.decision.configuration import Config, load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.events import CounterValue, Decision, Increments, Submission, encode
from pipeline.kafka.dead_letter_limit import TooManyDeadLettersError
from pipeline.kafka.polled import Polled
from pipeline.kafka.streams import COUNTERS, SUBMISSIONS
from pipeline.rules.counting.counters import MemoryCounters, window_of
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.settings import Settings
from pipeline.stream.batch import Batch
from pipeline.stream.counter_stage import CounterStage
from pipeline.stream.counter_values import LEAST
from pipeline.stream.decider import Decider
from pipeline.stream.increments import MOST_AMOUNTS, increments
from pipeline.stream.known import Known
from pipeline.stream.state import BatchCounters, PartitionState
from pipeline.stream.transactions import RolledBackError

NOW = 1_760_000_000_000
CODES = tuple(f"1069000{n}" for n in range(5))
POLICY = """
counters:
  - {name: to_recipient, event: submission, key: [recipient], window: 10m, aggregate: messages, description: a}
  - {name: ports_to_recipient, event: submission, key: [recipient], window: 10m, aggregate: distinct, of: port,
     description: b}
  - {name: company_day, event: submission, key: [enterprise], window: day, aggregate: messages, description: c}
  - {name: pair, event: submission, key: [enterprise, domain], window: 1h, aggregate: submissions, description: d}
  - {name: of_port, event: submission, key: [port], window: 10m, aggregate: messages, description: e}
rules: []
"""
PORTS = Ports([Port(PortEntry(code=code, enterprise=f"e{n % 2}")) for n, code in enumerate(CODES)])
CONFIG = replace(load_directory(None), epoch=7, ports=PORTS, policy=parse_policy(POLICY))
assert CONFIG.policy is not None
COUNTED = {counter.name: counter for counter in CONFIG.policy.counters}
SHARED = {counter.identity for counter in COUNTED.values() if counter.shared}


class Two:
    """A worker with all ports and the second stage, without a broker. Values come back when `tell` is called."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(kafka="127.0.0.1:9", data_dir=folder)
        self.partitions = settings.partitions
        self._decider = Decider(SUBMISSIONS, settings, clock=lambda: NOW / 1000)
        self._stage = CounterStage(settings, clock=lambda: NOW / 1000)
        self.worker = {0: PartitionState()}
        self.known = Known()
        self.states = {number: PartitionState() for number in range(self.partitions)}
        self.log: list[Polled] = []  # the topic of increments
        self.counted = 0  # of the log
        self._offset = 0

    def decide(self, events: Sequence[Submission]) -> list[Decision]:
        polled = []
        for event in events:
            polled.append(Polled(0, SUBMISSIONS.lanes[0].name, 0, self._offset, b"", encode(event), 0))
            self._offset += 1
        batch = self._decider.decide(polled, self.worker, CONFIG, self.known)
        list(self.worker[0].changes())
        for topic, key, value, partition in batch.outputs:
            if topic == topics.COUNTER_INCREMENTS.name:
                self.log.append(Polled(0, topic, partition, len(self.log), key, value, 0))
        return [msgspec.json.decode(v, type=Decision) for t, _, v, _ in batch.outputs if t == topics.DECISIONS.name]

    def count(self, polled: Sequence[Polled], config: Config = CONFIG) -> Batch:
        batch = self._stage.decide(polled, self.states, config, Known())
        for number in batch.partitions:
            list(self.states[number].changes())
        self._stage.committed(batch)
        return batch

    def tell(self) -> list[CounterValue]:
        """Count what has been emitted, and let the worker learn the published values."""
        batch = self.count(self.log[self.counted :])
        self.counted = len(self.log)
        values = [msgspec.json.decode(value, type=CounterValue) for _, _, value, _ in batch.outputs]
        for value in values:
            window = window_of(value.counter).load([-1, -1], list(value.window))
            self.known.values.put(value.counter, value.key, window, NOW)
        return values

    def totals(self) -> dict[tuple[str, str], list[int]]:
        return {
            (identity, key): sorted(window.dump()[1])
            for state in self.states.values()
            for identity, table in state.tables.items()
            for key, window in table.items()
        }


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def sent(
    n: int, port: int = 0, recipients: Sequence[str] = ("13800000001",), at: int = NOW, later: int = 0
) -> Submission:
    content = "【示例】您好 http://a.example.com/x"
    return Submission(
        id=f"s{n}", port=CODES[port], recipients=tuple(recipients), content=content, accepted_at=at, round=later
    )


def in_memory(events: Sequence[Submission]) -> tuple[list[Decision], dict[tuple[str, str], list[int]]]:
    """Decisions with immediate values, and the windows of the shared counters."""
    state = MemoryCounters()
    decided = [outcome.decision for outcome in screen(events, state, CONFIG, 0) if isinstance(outcome, Screened)]
    return decided, {key: sorted(w.dump()[1]) for key, w in state.windows.items() if key[0] in SHARED}


EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.sets(st.integers(0, 4), min_size=1), st.integers(0, 700_000)), max_size=25
)


def _events(drawn: list[tuple[int, set[int], int]]) -> list[Submission]:
    return [
        sent(n, port, [f"1380000000{each}" for each in sorted(people)], NOW + at)
        for n, (port, people, at) in enumerate(drawn)
    ]


@given(EVENTS, st.integers(1, 7), st.integers(1, 7))
@pytest.mark.long
def test_the_stage_counts_as_memory_does_however_the_streams_are_cut(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Any], polls: int, counts: int
) -> None:
    two = Two(tmp_path_factory.getbasetemp())
    events = _events(drawn)
    for first in range(0, len(events), polls):
        two.decide(events[first : first + polls])
    for first in range(0, len(two.log), counts):
        two.count(two.log[first : first + counts])
    assert two.totals() == in_memory(events)[1]


def test_values_that_come_back_at_once_are_those_of_memory(two: Two) -> None:
    events = [sent(n, n % 5, at=NOW + n * 20_000) for n in range(40)]
    expected, _ = in_memory(events)
    for n, event in enumerate(events):
        [decision] = two.decide([event])
        two.tell()
        missing = {"to_recipient", "company_day", "pair", "ports_to_recipient"} if n < 2 * LEAST else set()
        for name in decision.counters.keys() - missing:  # a single event is not published
            assert decision.counters[name] == expected[n].counters[name], (n, name)
    assert expected[-1].counters["ports_to_recipient"] == 5
    assert expected[-1].counters["to_recipient"] < 40


def test_until_a_value_is_told_a_decision_sees_the_last_one_and_itself(two: Two) -> None:
    assert [d.counters["to_recipient"] for d in two.decide([sent(n) for n in range(3)])] == [1, 1, 1]
    assert [d.counters["of_port"] for d in two.decide([sent(3)])] == [4]
    two.tell()
    assert [d.counters["to_recipient"] for d in two.decide([sent(4)])] == [5]


def test_a_quiet_key_counts_down_on_the_worker(two: Two) -> None:
    two.decide([sent(n) for n in range(3)])
    two.tell()
    assert [d.counters["to_recipient"] for d in two.decide([sent(4, at=NOW + 601_000)])] == [1]


def test_a_later_round_reads_and_emits_nothing(two: Two) -> None:
    two.decide([sent(n) for n in range(3)])
    two.tell()
    emitted = len(two.log)
    assert [d.counters["to_recipient"] for d in two.decide([sent(0, later=1)])] == [3]
    assert len(two.log) == emitted


def test_a_record_that_comes_again_is_not_counted_again(two: Two) -> None:
    two.decide([sent(n) for n in range(3)])
    two.count(two.log)
    before = two.totals()
    two.count(two.log)
    assert two.totals() == before


def test_single_events_are_not_told(two: Two) -> None:
    two.decide([sent(0, recipients=["13800000001", "13800000002"])])
    told = {(value.counter, value.key) for value in two.tell()}
    assert told == {(COUNTED["company_day"].identity, "e0")}


def test_a_counter_of_a_later_configuration_is_waited_for_and_one_of_the_past_left_out(two: Two) -> None:
    two.decide([sent(0)])
    bare = replace(CONFIG, policy=parse_policy("counters: []\nrules: []"))
    with pytest.raises(RolledBackError, match="epoch 7"):
        two.count(two.log, replace(bare, epoch=6))
    two.count(two.log, replace(bare, epoch=8))
    assert two.totals() == {}


def test_what_cannot_be_decoded_is_left_out_unless_it_is_most(two: Two) -> None:
    two.decide([sent(n) for n in range(3)])
    broken = [Polled(0, COUNTERS.lanes[0].name, 0, 1000 + n, b"", b"{", 0) for n in range(60)]
    batch = two.count([*two.log, *broken[:1]])
    assert (batch.failed, len(two.totals()) > 0) == (1, True)
    with pytest.raises(TooManyDeadLettersError):
        two.count(broken)


def test_an_amount_of_another_kind_moves_nothing(two: Two) -> None:
    moves: dict[str, Any] = {COUNTED["to_recipient"].identity: {"13800000001": [(NOW, (5,))]}}
    forged = Increments(at=NOW, oldest=NOW, epoch=7, moves=moves)
    two.count([Polled(0, COUNTERS.lanes[0].name, 0, 0, b"", encode(forged), 0)])
    assert list(two.totals().values()) == [[]]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 900)), max_size=60))
def test_increments_are_cut_into_bounded_records_and_lose_nothing(drawn: list[tuple[int, int]]) -> None:
    moved: dict[tuple[str, str], Any] = {}
    for number, size in drawn:
        moved.setdefault(("c@1/values", f"k{number}"), []).append((NOW, tuple(range(size))))
    outputs = increments(moved, Batch(now=NOW, oldest=NOW - 5), 3, 8)
    found: dict[tuple[str, str], Any] = {}
    places: dict[str, set[int]] = {}
    for _, _, value, partition in outputs:
        told = msgspec.json.decode(value, type=Increments)
        assert (told.at, told.oldest, told.epoch) == (NOW, NOW - 5, 3)
        amounts = 0
        for identity, keys in told.moves.items():
            for key, moves in keys.items():
                found.setdefault((identity, key), []).extend(moves)
                places.setdefault(key, set()).add(partition)
                amounts += sum(len(amount) for _, amount in moves if isinstance(amount, tuple))
        assert amounts < MOST_AMOUNTS + 1000
    assert found == moved
    assert all(len(numbers) == 1 for numbers in places.values())


def test_values_that_a_counter_would_drop_are_not_emitted() -> None:
    counter = replace(COUNTED["ports_to_recipient"], up_to=5)
    counters = BatchCounters([(PartitionState(), 0, 0)], NOW, PartitionState())
    many = tuple(range(100, 140))
    assert counters.add(counter, "k", NOW, many) == MemoryCounters().add(counter, "k", NOW, many) == 5
    assert counters.increments == {(counter.identity, "k"): [(NOW, many[-5:])]}
