"""One poll, decided without a broker: what is dropped, what fails, what is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pipeline import topics
from pipeline.decision.candidate import Candidate
from pipeline.decision.configuration import default_policy, load_directory
from pipeline.decision.screening import Failure
from pipeline.events import DeadLetter, Decision, Submission, encode
from pipeline.kafka.polled import Polled
from pipeline.kafka.streams import SUBMISSIONS
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.settings import Settings
from pipeline.stream.batch import Batch
from pipeline.stream.decider import Decider
from pipeline.stream.known import Known
from pipeline.stream.partitions import Partitions
from pipeline.stream.state import PartitionState

NOW = 1_760_000_000_000
PORTS = ("10690001", "10690002")
CONFIG = replace(load_directory(None), ports=Ports([Port(PortEntry(code=code)) for code in PORTS]))


class Worker:
    """A decider that owns partition 0, without a broker; its clock stands at `now` (seconds)."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(kafka="127.0.0.1:9", data_dir=folder)
        self.now = NOW / 1000
        self.config = CONFIG
        self.partitions = Partitions(SUBMISSIONS, settings)
        self.partitions.states = {0: PartitionState()}
        self._decider = Decider(SUBMISSIONS, settings, clock=lambda: self.now)

    def poll(self, *polled: Polled) -> Batch:
        """Decide one poll, and end it as a commit does."""
        batch = self._decider.decide(polled, self.partitions.states, self.config, Known())
        list(self.partitions.changes(batch.partitions))
        return batch


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def polled(offset: int, ident: str, lane: int = 0, port: str = PORTS[0], at: int = NOW) -> Polled:
    event = Submission(id=ident, port=port, recipients=("13800000001",), content="【示例】您好", accepted_at=at)
    return Polled(lane, SUBMISSIONS.lanes[lane].name, 0, offset, port.encode(), encode(event), 0)


def decisions(*batches: Batch) -> list[Decision]:
    outputs = [output for batch in batches for output in batch.outputs]
    return [msgspec.json.decode(v, type=Decision) for topic, _, v, _ in outputs if topic == topics.DECISIONS.name]


def test_sent_twice_it_is_decided_counted_and_carried_out_once(worker: Worker) -> None:
    first = worker.poll(polled(0, "a"), polled(1, "a"), polled(2, "b"))
    second = worker.poll(polled(3, "b"), polled(0, "a", 1), polled(4, "c"))
    made = decisions(first, second)
    assert [d.id for d in made] == ["a", "b", "c"]
    assert [d.counters["port_volume_5m"] for d in made] == [1, 2, 3]
    assert sum(topic == "outbound.default.express" for topic, *_ in first.outputs + second.outputs) == 3


def test_what_became_a_dead_letter_may_come_again(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as planted:
        planted.setattr("pipeline.stream.decider.screen", lambda events, *_: [Failure(0, "planted")] * len(events))
        assert decisions(worker.poll(polled(0, "a"))) == []
    assert [d.id for d in decisions(worker.poll(polled(1, "a")))] == ["a"]


def test_a_failure_is_a_dead_letter_and_its_neighbours_are_decided(worker: Worker) -> None:
    undecodable = Polled(0, SUBMISSIONS.lanes[0].name, 0, 1, b"k", b"{", 0)
    again = msgspec.structs.replace(undecodable, offset=2, attempts=1)
    batch = worker.poll(polled(0, "a"), undecodable, again, polled(3, "b"))
    assert [d.id for d in decisions(batch)] == ["a", "b"]
    letters = [msgspec.json.decode(v, type=DeadLetter) for t, _, v, _ in batch.outputs if t == topics.DEAD_LETTERS.name]
    assert [(letter.offset, letter.attempts) for letter in letters] == [(1, 1), (2, 2)]
    assert (batch.failed, batch.fresh) == (1, 3)  # one that failed before says nothing new


def test_a_backlog_finds_the_counts_it_continues(worker: Worker) -> None:
    """Two hours away: what was counted before belongs to the same five minutes as what comes first."""
    worker.poll(polled(0, "a"))
    worker.now += 7200
    batch = worker.poll(polled(1, "b", port=PORTS[1], at=NOW + 1000))
    worker.partitions.expire(CONFIG, 600_000, batch.oldest)
    [decision] = decisions(worker.poll(polled(2, "c", at=NOW + 2000)))
    assert decision.counters["port_volume_5m"] == 2


@pytest.mark.long
def test_a_candidate_leaves_its_verdict_then_takes_its_share_and_never_gives_a_port_back(worker: Worker) -> None:
    strict = "  - {id: all, event: submission, description: all, when: messages > 0, verdict: review}\n"
    candidate = parse_policy(default_policy().rstrip() + "\n" + strict)
    codes = [f"106900{n:02}" for n in range(40)]
    ports = Ports([Port(PortEntry(code=code)) for code in codes])
    assert CONFIG.policy is not None
    taken: list[set[str]] = []
    for poll, share in enumerate((0, 20, 60, 100)):
        worker.config = replace(CONFIG, ports=ports, candidate=Candidate(candidate, share))
        batch = worker.poll(
            *(polled(poll * 100 + n, f"{share}-{n}", port=code) for n, code in enumerate(codes)),
        )
        made = decisions(batch)
        assert len(made) == len(codes)
        versions = {CONFIG.policy.version, candidate.version}
        for decision in made:
            [other] = [s for s in decision.shadow if s.policy is not None]
            assert {decision.policy, other.policy} == versions
            decides = decision.policy == candidate.version
            assert (decision.verdict.value, other.verdict.value) == (
                ("review", "release") if decides else ("release", "review")
            )
            assert other.rule == ("" if decides else "all")
        taken.append({d.port for d in made if d.policy == candidate.version})
        sent = [topic for topic, *_ in batch.outputs if topic == "outbound.default.express"]
        assert len(sent) == len(codes) - len(taken[-1])
    assert taken[0] < taken[1] < taken[2] < taken[3] == set(codes)
