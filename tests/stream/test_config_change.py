"""A new policy takes effect between batches: no decision mixes two of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, time

import msgspec
import pytest

from pipeline import topics
from pipeline.decision.configuration import default_policy
from pipeline.events import Decision, Submission, encode
from pipeline.kafka.clients import reader, writer
from pipeline.kafka.destination import destination
from pipeline.kafka.replay import replay
from pipeline.rules.ports import Ports
from pipeline.run.brokers.kafka_node import KafkaNode
from tests.harness.processes.workers import Progress, prepare, publish, settings_for, submissions, worker

PORTS = 20  # so few that 6,000 submissions take several of them past their volume before the policy changes


@pytest.mark.slow
@pytest.mark.parametrize(("count", "rate"), [(6_000, 1_500), (60_000, 5_000)], ids=["6k", "60k-at-5000"])
def test_no_decision_mixes_two_policies(fresh_kafka: KafkaNode, tmp_path: Path, count: int, rate: int) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path)
    config = prepare(settings, tmp_path, PORTS)
    assert config.ports is not None
    events = submissions(settings, count, ports=PORTS)
    old = default_policy()
    # Each policy signs its reasons, so a decision shows which one spoke.
    signed = {1: old, 2: old.replace("上限 {port_limit_5m} 条", "上限 {port_limit_5m} 条。第二版")}
    published: list[float] = []

    def change() -> None:
        publish(settings, [("policy", "policy.yaml", signed[2])], int(time() * 1000))
        published.append(time() * 1000)

    with worker(settings, "w0") as first, worker(settings, "w1") as second, Progress(settings) as progress:
        producer = writer(settings)
        producer.produce(*destination(events[0], config.ports)[:1], encode(events[0]), events[0].port)
        progress.reach(1, [*first, *second])  # both are up
        changing = threading.Thread(target=change)

        def feed(part: Sequence[Submission]) -> None:
            began = monotonic()
            for n, event in enumerate(part):
                while n > (monotonic() - began) * rate:
                    producer.poll(0.001)
                stamped = msgspec.structs.replace(event, accepted_at=int(time() * 1000))
                topic, key = destination(event, config.ports or Ports(()))
                producer.produce(topic, encode(stamped), key)

        feed(events[1 : count // 2])
        progress.reach(count // 2, [*first, *second])  # all of it by the old policy
        changing.start()
        feed(events[count // 2 :])
        assert producer.flush(30) == 0
        changing.join(30)
        progress.reach(count, [*first, *second])

    found: list[Decision] = []
    consumer = reader(settings, "test")
    replay(
        consumer,
        [(topics.DECISIONS.name, p) for p in range(settings.partitions)],
        lambda m: found.append(msgspec.json.decode(m.value() or b"", type=Decision)),
    )
    consumer.close()
    assert len(found) == count
    assert len({(d.epoch, d.policy) for d in found}) == 2
    before, after = sorted({d.epoch for d in found})
    volume = [(d.epoch, r.message) for d in found for r in d.reasons if r.rule == "port-volume"]
    spoke = Counter(epoch for epoch, _ in volume)
    assert spoke.keys() == {before, after}
    assert min(spoke.values()) > 100  # both policies had much to say
    assert all(("第二版" in message) == (epoch == after) for epoch, message in volume)
    late = max(d.decided_at for d in found if d.epoch == before) - published[0]
    print(f"last decision of the old epoch {late:+.0f} ms from the publication's commit, {rate}/s, {PORTS} ports")
