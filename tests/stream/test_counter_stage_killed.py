"""Both counting stages end with the counts of an undisturbed run, whatever is killed.

The fault: SIGKILL of the worker and of the second stage in turn, inside the windows of the counters. A change is a
second process of the stage that takes over half of the partitions.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import msgspec
import pytest
from confluent_kafka import TopicPartition

from pipeline import topics
from pipeline.decision.configuration import default_policy
from pipeline.events import CounterValue, Submission
from pipeline.kafka.clients import reader
from pipeline.kafka.streams import COUNTERS
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.run.child import Child
from pipeline.settings import Settings
from tests.harness.processes.workers import (
    Progress,
    counters,
    prepare,
    produce,
    read_all,
    settings_for,
    start,
    submissions,
    undisturbed,
    worker,
)

PEOPLE = 300  # recipients; so each has some events in each window
ACROSS_PORTS = """counters:
  - {name: to_recipient, event: submission, key: [recipient], window: 1m, aggregate: messages, description: a}
  - {name: ports_to_recipient, event: submission, key: [recipient], window: 10m, aggregate: distinct, of: port,
     up_to: 1000, description: b}
  - {name: company_today, event: submission, key: [enterprise], window: day, aggregate: messages, description: c}
  - {name: content_of_company, event: submission, key: [fingerprint, enterprise], window: 5m, description: d}
"""


def policy() -> str:
    """The shipped policy with more shared counters.

    A full window keeps the newest values. Which of equally new ones it keeps depends on the order of the partitions.
    So the shipped counter of ports has room for all ports here.
    """
    of_port = "    aggregate: distinct\n    of: port\n"
    shipped = default_policy()
    assert of_port in shipped
    return shipped.replace(of_port, f"{of_port}    up_to: 1000\n").replace("counters:\n", ACROSS_PORTS, 1)


def traffic(settings: Settings, count: int) -> list[Submission]:
    """Submissions of all ports to few recipients."""
    rng = Random(7)
    people = [f"139{n:08d}" for n in range(PEOPLE)]
    return [
        msgspec.structs.replace(each, recipients=tuple(rng.sample(people, len(each.recipients))))
        for each in submissions(settings, count)
    ]


def until_counted(settings: Settings, stages: list[Child], deadline: float = 120) -> None:
    """Wait until the second stage has committed the last record of increments in each partition."""
    ends: dict[int, int] = {}
    read_all(settings, topics.COUNTER_INCREMENTS.name, lambda m: ends.__setitem__(m.partition(), m.offset() + 1))
    assert ends
    consumer = reader(settings, COUNTERS.name)
    begun, behind = monotonic(), True
    while behind:
        places = [TopicPartition(topics.COUNTER_INCREMENTS.name, p) for p in ends]
        behind = any(tp.offset < ends[tp.partition] for tp in consumer.committed(places, timeout=10))
        assert monotonic() - begun < deadline, "".join(stage.tail() for stage in stages)
    consumer.close()


def told(settings: Settings) -> dict[tuple[str, str], int]:
    """The total of every window as published last."""
    found: dict[tuple[str, str], int] = {}

    def take(message: Any) -> None:
        value = msgspec.json.decode(message.value(), type=CounterValue)
        found[value.counter, value.key] = sum(value.window[1::2])

    read_all(settings, topics.COUNTER_VALUES.name, take, topics.COUNTER_VALUES.partitions)
    return found


def stage(settings: Settings, name: str = "c0") -> Child:
    return start(settings, name, "serve", "counters")


@pytest.mark.slow
@pytest.mark.parametrize(("count", "kills"), [(10_000, 1), (100_000, 4)], ids=["once", "4-times"])
def test_worker_and_second_stage_killed(fresh_kafka: KafkaNode, tmp_path: Path, count: int, kills: int) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path)
    config = prepare(settings, tmp_path, policy=policy())
    events = traffic(settings, count)
    _, of_ports = undisturbed(events, config)
    _, shared = undisturbed(events, config, shared=True)
    produce(settings, events, config)
    stages = [stage(settings)]
    part = count // (2 * kills + 1)
    with worker(settings) as running, Progress(settings) as progress:
        for kill in range(2 * kills):
            progress.reach(part * (kill + 1), [*running, *stages])
            if kill % 2:
                running[0].kill()
                running[0] = start(settings, "w0", "worker", "--stream", "submissions")
            else:
                stages[0].kill()
                stages[0] = stage(settings)
            if kill == 1:
                stages.append(stage(settings, "c1"))
        progress.reach(count, [*running, *stages])
        until_counted(settings, stages)
    for child in stages:
        child.stop(15)
    assert counters(settings, topics.STATE_COUNTERS) == shared
    assert counters(settings) == of_ports
    published = told(settings)
    assert len(published) > PEOPLE
    assert published.items() <= shared.items()
