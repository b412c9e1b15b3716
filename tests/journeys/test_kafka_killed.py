"""Kafka is killed and comes back, again and again, under 200 messages a second, and so are the processes around it.

An enterprise's client sends through the HTTP API for a minute and sends again what was not answered with 202. Kafka,
a node of its own, gets SIGKILL four times and is started again on its data; worker, relay and projector get it three
times each, and whatever ends by itself is started again as a supervisor does. In the end: accepted = decided = sent
= final. Every message that was accepted has one decision, is at the carrier, has the carrier's report in its row and
that report on its topic; what the carrier had twice is at most a window for each end of the sender.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from pipeline import topics
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.processes.journey import LINKS, WINDOW, Client, Process, deployment
from tests.harness.processes.workers import decisions
from tests.harness.servers.carrier import simulated

RATE = 200  # messages a second
SECONDS = 60.0
BROKER_KILLS, KILLS = 4, 3
KILLED = ("worker", "relay", "projector")
ROLES = (*KILLED, "sender", "api")
DRAIN = 600.0  # seconds for what is under way when the load ends


@pytest.mark.slow
def test_accepted_is_decided_is_sent_is_final(fresh_kafka: KafkaNode, any_db: Database, tmp_path: Path) -> None:
    with simulated(Conduct(delay=0.01, report_delay=0.5)) as carrier:
        settings, keys, own = deployment(fresh_kafka.bootstrap, any_db, tmp_path, carrier)
        client = Client(settings, keys, RATE)
        processes = {name: Process(settings, name, own) for name in ROLES}
        rng = Random(5)
        broker_kills = 0
        try:
            for process in processes.values():
                process.until_ready()
            client.start()
            begun = monotonic()
            broker_at = [begun + SECONDS * (n + 0.5) / BROKER_KILLS for n in range(BROKER_KILLS)]
            kills_at = sorted((begun + rng.uniform(2, SECONDS), name) for name in KILLED for _ in range(KILLS))
            while monotonic() - begun < SECONDS or broker_at or kills_at:
                if kills_at and monotonic() > kills_at[0][0]:
                    processes[kills_at.pop(0)[1]].kill()
                if broker_at and monotonic() > broker_at[0]:
                    broker_at.pop(0)
                    fresh_kafka.kill()
                    broker_kills += 1
                    sleep(rng.uniform(0, 4))  # it is away for a while, besides the time its start takes
                    fresh_kafka.start()
                for process in processes.values():
                    process.revive()
                sleep(0.05)
            seconds = monotonic() - begun
            client.stop()
            drained = monotonic()
            while states(any_db) != {"delivered": len(client.accepted)}:
                for process in processes.values():
                    process.revive()
                assert monotonic() - drained < DRAIN, (len(client.accepted), states(any_db), logs(processes))
                sleep(1)
            while len(reported := final_on_the_topic(settings)) < len(client.accepted):
                assert monotonic() - drained < DRAIN, (len(client.accepted), len(reported), logs(processes))
                sleep(1)
        finally:
            client.stop()
            for process in processes.values():
                process.child.stop(15)
        decided = decisions(settings)
        received = Counter(seen.recipient for seen in carrier.seen)
        repeats = received.total() - len(received)
        ends = {name: (process.kills, process.ends) for name, process in processes.items()}
        print(
            f"{any_db.engine.dialect.name}: {len(client.accepted)} accepted = {len(decided)} decided = {len(received)} "
            f"sent = {len(reported)} final, {repeats} repeated, in {seconds:.0f} s + {monotonic() - drained:.0f} s; "
            f"{client.again} requests sent again; Kafka killed {broker_kills} times; kills, own exit codes: {ends}"
        )
        assert broker_kills == BROKER_KILLS
        assert {name: ends[name][0] for name in KILLED} == dict.fromkeys(KILLED, KILLS)
        assert {name for name, _ in decided} == client.accepted.keys()
        assert [key for key, answers in decided.items() if len(answers) > 1] == []
        assert set(received) == set(client.accepted.values())
        assert reported == client.accepted.keys()
        assert repeats <= LINKS * WINDOW * len(ends["sender"][1])
        assert len(client.accepted) >= RATE * SECONDS


def states(db: Database) -> dict[str, int]:
    """How many messages are in which state; all are of one part."""
    rows = schema.deliveries
    with db.read() as connection:
        counted = connection.execute(select(rows.c.state, func.count()).group_by(rows.c.state))
        return {str(state): int(count) for state, count in counted}


def final_on_the_topic(settings: Settings) -> set[str]:
    """Ids of the submissions whose message is told as delivered."""
    found: set[str] = set()

    def take(message: Any) -> None:
        report = msgspec.json.decode(message.value())
        if report["status"] == "DELIVRD":
            found.add(report["id"].rpartition("/")[0])

    consumer = reader(settings, "test-reports")
    try:
        replay(consumer, [(topics.DELIVERIES.name, p) for p in range(settings.partitions)], take)
    finally:
        consumer.close()
    return found


def logs(processes: dict[str, Process]) -> str:
    """The end of every log."""
    return "".join(process.child.tail() for process in processes.values())
