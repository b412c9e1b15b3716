"""No (id, round) ever carries two verdicts, and nothing is lost, whatever is killed.

The fault: SIGKILL, of workers, of the broker, of the lake's sink, at random moments. The measure: every
decision and every counter equal to those of an undisturbed run of the same traffic.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from pipeline import lake
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.run.child import Child
from pipeline.settings import Settings
from tests.harness.processes.workers import (
    Progress,
    assert_once,
    counters,
    decisions,
    outbound,
    prepare,
    produce,
    settings_for,
    start,
    submissions,
    undisturbed,
    worker,
)

SLOW = pytest.param(200_000, 3, marks=pytest.mark.slow, id="200k-3-kills")
QUICK = pytest.param(20_000, 1, id="20k-1-kill")


def moments(count: int, kills: int, seed: int = 3) -> list[int]:
    """Random decision counts at which to kill, one in each part of the run."""
    rng = Random(seed)
    part = count // (kills + 1)
    return [part * n + rng.randrange(part // 4, part) for n in range(kills)]


@pytest.mark.parametrize(("count", "kills"), [QUICK, SLOW])
def test_worker_killed(fresh_kafka: KafkaNode, tmp_path: Path, count: int, kills: int) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path)
    config = prepare(settings, tmp_path)
    events = submissions(settings, count)
    expected, totals = undisturbed(events, config)
    produce(settings, events, config)
    with worker(settings) as running, Progress(settings) as progress:
        for moment in moments(count, kills):
            progress.reach(moment, running)
            running[0].kill()
            running[0] = start(settings, "w0", "worker", "--stream", "submissions")
        progress.reach(count, running)
    assert_once(decisions(settings), expected)
    assert counters(settings) == totals
    released = outbound(settings)
    assert sorted(released) == sorted(name for name, answer in expected.items() if answer["verdict"] == "release")


@pytest.mark.parametrize(("count", "kills"), [SLOW])
def test_one_of_two_workers_killed(fresh_kafka: KafkaNode, tmp_path: Path, count: int, kills: int) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path)
    config = prepare(settings, tmp_path)
    events = submissions(settings, count)
    expected, totals = undisturbed(events, config)
    with worker(settings, "w0") as first, worker(settings, "w1") as second, Progress(settings) as progress:
        produce(settings, events, config)
        progress.reach(count // 3, [*first, *second])
        first[0].kill()  # and never started again: the other must take its partitions over
        progress.reach(count, second)
    assert_once(decisions(settings), expected)
    assert counters(settings) == totals


@pytest.mark.parametrize(("count", "kills"), [SLOW])
def test_broker_restarted_twice(fresh_kafka: KafkaNode, tmp_path: Path, count: int, kills: int) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path)
    config = prepare(settings, tmp_path)
    events = submissions(settings, count)
    expected, totals = undisturbed(events, config)
    produce(settings, events, config)
    with worker(settings) as running, Progress(settings) as progress:

        def revive() -> Child:
            return start(settings, "w0", "worker", "--stream", "submissions")

        for moment, end in zip(moments(count, 2), (fresh_kafka.stop, fresh_kafka.kill), strict=True):
            progress.reach(moment, running, revive=revive)
            end()
            fresh_kafka.start()
        progress.reach(count, running, revive=revive)
        print(f"broker restarted twice: the worker was started again {progress.revived} times")
    assert_once(decisions(settings), expected)
    assert counters(settings) == totals


@pytest.mark.slow
def test_sink_killed_twenty_times_while_a_worker_is_killed_too(fresh_kafka: KafkaNode, tmp_path: Path) -> None:
    count = 200_000
    settings = settings_for(fresh_kafka.bootstrap, tmp_path, lake_flush=1.0)
    config = prepare(settings, tmp_path)
    events = submissions(settings, count)
    expected, _ = undisturbed(events, config)
    produce(settings, events, config)
    seen = 0
    with worker(settings) as running, Progress(settings) as progress:
        sink = start(settings, "sink", "sink")
        for kill, moment in enumerate(moments(count, 20), 1):
            progress.reach(moment, running)
            sink.kill()
            sink = start(settings, "sink", "sink")
            if kill == 10:
                running[0].kill()
                running[0] = start(settings, "w0", "worker", "--stream", "submissions")
            now, distinct = _lake_count(settings)  # a reader at any moment: whole, and never backwards
            assert now == distinct
            assert now >= seen
            seen = now
        progress.reach(count, running)
        _until(lambda: _lake_count(settings)[0] >= count)
        sink.stop(30)
    assert _lake_count(settings) == (count, count)
    verdicts = dict(lake.connect(settings).execute("SELECT verdict, count(*) FROM decisions GROUP BY 1").fetchall())
    assert verdicts == {v: sum(a["verdict"] == v for a in expected.values()) for v in verdicts}


@pytest.mark.parametrize(("count", "kills"), [SLOW])
def test_on_the_embedded_broker_nothing_is_lost_and_the_first_decision_counts(
    fresh_embedded: EmbeddedBroker,
    tmp_path: Path,
    count: int,
    kills: int,
    record_property: Callable[[str, object], None],
) -> None:
    """Its transactions do not hold after a kill: repeats may appear, and readers take the first."""
    settings = settings_for(fresh_embedded.bootstrap, tmp_path)
    config = prepare(settings, tmp_path)
    events = submissions(settings, count)
    expected, totals = undisturbed(events, config)
    produce(settings, events, config)
    with worker(settings) as running, Progress(settings) as progress:
        for moment in moments(count, kills):
            progress.reach(moment, running)
            running[0].kill()
            running[0] = start(settings, "w0", "worker", "--stream", "submissions")
        progress.reach(count, running)
    found = decisions(settings)
    repeats = assert_once(found, expected, repeats=True)
    record_property("repeats", repeats)
    print(f"embedded broker: {kills} kills, {repeats} repeated decisions of {count}")
    assert counters(settings) == totals


def _lake_count(settings: Settings) -> tuple[int, int]:
    row = lake.connect(settings).execute("SELECT count(*), count(DISTINCT (id, round)) FROM decisions").fetchone()
    assert row is not None
    return row[0], row[1]


def _until(holds: Callable[[], bool], deadline: float = 120) -> None:
    end = monotonic() + deadline
    while not holds():
        assert monotonic() < end
