"""The sender role is killed with SIGKILL under load: nothing is lost, a window a kill is the most that is repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import time

import pytest
from sqlalchemy import select

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.events import Outbound, Priority, Submission, encode
from pipeline.kafka.clients import writer
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.processes.workers import start
from tests.harness.servers.carrier import PORT, sender_deployment, simulated, until

MESSAGES, KILLS, WINDOW = 3_000, 4, 16


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], tuple[Settings, Database]]:
    """Settings, topics and tables of a sender that sends to this port of ours."""
    return lambda bootstrap, port: sender_deployment(bootstrap, tmp_path, port, monkeypatch, window=WINDOW)


def release(settings: Settings, count: int) -> list[str]:
    """That many released messages on the outbound topics; their recipients."""
    producer = writer(settings)
    recipients = [f"138{i:08d}" for i in range(count)]
    now = int(time() * 1000)
    for i, recipient in enumerate(recipients):
        submission = Submission(
            id=f"s-{i}", port=PORT, recipients=(recipient,), content=f"【测试】第{i}条", accepted_at=now
        )
        outbound = Outbound(submission=submission, recipients=(recipient,), round=0, decided_at=now)
        topic = topics.outbound("default", Priority.BULK if i % 4 == 0 else Priority.EXPRESS).name
        released = proved(settings.release_secret, topic, PORT, outbound)
        producer.produce(topic, encode(released), PORT, i % settings.partitions)
    assert producer.flush(60) == 0
    return recipients


def states(db: Database) -> Counter[str]:
    with db.read() as connection:
        return Counter(row.state for row in connection.execute(select(schema.deliveries.c.state)))


@pytest.mark.parametrize("reports", [pytest.param(True, marks=pytest.mark.slow), False])
def test_killed_again_and_again(
    fresh_kafka: KafkaNode, deployment: Callable[[str, int], tuple[Settings, Database]], reports: bool
) -> None:
    """With reports, those that come after the next login settle most of what was in doubt; without, it is repeated."""
    with simulated(Conduct(delay=0.01, reports=reports, report_delay=0.05)) as simulator:
        settings, db = deployment(fresh_kafka.bootstrap, simulator.port)
        recipients = release(settings, MESSAGES)
        child = start(settings, "sender-0", "serve", "sender")
        repeats = []
        try:
            for kill in range(1, KILLS + 1):
                until(lambda k=kill: simulator.counts["submits"] > k * MESSAGES // (KILLS + 1))  # type: ignore[misc]
                child.kill()
                before = simulator.counts["submits"] - len({seen.recipient for seen in simulator.seen})
                repeats.append(before)
                child = start(settings, f"sender-{kill}", "serve", "sender")
            until(lambda: states(db) == {"delivered" if reports else "submitted": MESSAGES})
        finally:
            child.stop(20)
            db.close()
        received = Counter(seen.recipient for seen in simulator.seen)
        repeats.append(received.total() - len(received))
        assert repeats[0] == 0
        print(f"SUBMITs repeated, after each kill: {repeats} (window {WINDOW})")
        assert set(received) == set(recipients)
        # A part in doubt is sent again when its record is read again, which may be after further kills.
        for kills, repeated in enumerate(repeats):
            assert repeated <= WINDOW * kills
        assert max(received.values()) <= 1 + KILLS


def test_ends_cleanly_with_nothing_in_doubt(
    fresh_embedded: EmbeddedBroker, deployment: Callable[[str, int], tuple[Settings, Database]]
) -> None:
    with simulated(Conduct(delay=0.01, report_delay=0.05)) as simulator:
        settings, db = deployment(fresh_embedded.bootstrap, simulator.port)
        producer = writer(settings)
        producer.produce("outbound.default.express", b"{nonsense", PORT, 0)
        producer.flush(10)
        release(settings, 1500)
        child = start(settings, "sender", "serve", "sender")
        try:
            until(lambda: simulator.counts["submits"] > 300)
            child.stop(20)
            assert child.returncode == 0, child.tail()
            assert not states(db).keys() & {"submitting", "maybe_sent"}
            sent = simulator.counts["submits"]
            assert sent == len({seen.recipient for seen in simulator.seen})
            child = start(settings, "sender-again", "serve", "sender")
            until(lambda: states(db) == {"delivered": 1500})
            assert simulator.counts["submits"] == 1500
        finally:
            child.stop(20)
            db.close()
