"""Kafka goes away under a sender: reports are stored and acknowledged all the same, and published when it is back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from time import time

import msgspec
import pytest
from confluent_kafka import Message
from sqlalchemy import select

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.events import DeliveryReport, Outbound, Priority, Submission, encode
from pipeline.kafka.clients import reader, writer
from pipeline.kafka.replay import replay
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct
from pipeline.store import report_outbox, schema
from pipeline.store.database import Database
from tests.harness.processes.workers import start
from tests.harness.servers.carrier import PORT, sender_deployment, simulated, until

MESSAGES = 2_000


def release(settings: Settings) -> None:
    producer, now = writer(settings), int(time() * 1000)
    topic = topics.outbound("default", Priority.EXPRESS).name
    for i in range(MESSAGES):
        recipient = f"138{i:08d}"
        submission = Submission(id=f"s-{i}", port=PORT, recipients=(recipient,), content="您好", accepted_at=now)
        outbound = Outbound(submission=submission, recipients=(recipient,), round=0, decided_at=now)
        released = proved(settings.release_secret, topic, PORT, outbound)
        producer.produce(topic, encode(released), PORT, i % settings.partitions)
    assert producer.flush(60) == 0


def states(db: Database) -> Counter[str]:
    with db.read() as connection:
        return Counter(row.state for row in connection.execute(select(schema.deliveries.c.state)))


def pending(db: Database) -> int:
    with db.read() as connection:
        return report_outbox.pending(connection)


def published(settings: Settings) -> Counter[str]:
    found: Counter[str] = Counter()

    def take(message: Message) -> None:
        found[msgspec.json.decode(message.value() or b"", type=DeliveryReport).id] += 1

    consumer = reader(settings, "test-deliveries")
    places = [(topics.DELIVERIES.name, n) for n in range(settings.partitions)]
    replay(consumer, places, take)
    consumer.close()
    return found


@pytest.mark.slow
def test_reports_need_no_broker(fresh_kafka: KafkaNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated(Conduct(delay=0.005, report_delay=0.3)) as simulator:
        settings, db = sender_deployment(fresh_kafka.bootstrap, tmp_path, simulator.port, monkeypatch)
        release(settings)
        sender = start(settings, "sender", "serve", "sender")
        try:
            until(lambda: simulator.counts["submits"] > 400)
            fresh_kafka.kill()
            # Whatever the sender had read goes out, is reported on, stored and acknowledged.
            known = states(db)["delivered"]
            until(lambda: states(db)["delivered"] > known + 300)
            until(lambda: simulator.counts["reports_acknowledged"] == simulator.counts["submits"])
            assert simulator.counts["logins"] == 1, "the link stayed up"
            assert states(db) == {"delivered": simulator.counts["submits"]}
            assert pending(db) == simulator.counts["submits"]
            assert sender.returncode is None, sender.tail()
            fresh_kafka.start()
            relay = start(settings, "relay", "serve", "relay")
            try:
                until(lambda: states(db) == {"delivered": MESSAGES} and pending(db) == 0, 120)
            finally:
                relay.stop(20)
            assert (simulator.counts["logins"], simulator.counts["submits"]) == (1, MESSAGES)
        finally:
            sender.stop(20)
            db.close()
        assert published(settings) == dict.fromkeys((f"s-{i}/1" for i in range(MESSAGES)), 1)
