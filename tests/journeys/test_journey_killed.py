"""The whole way, from an enterprise's request to the carrier, while every process on it is killed again and again.

500 messages a second come in through the HTTP API, by a client that sends again what was not answered with 202, as
docs/api.md asks. Most are released at once, some are held for a second first, some wait for a reviewer. Meanwhile each
process is ended with SIGKILL at least three times, and started again, as a supervisor does. In the end every message
that was accepted has come to one end, each that was released is at the carrier, and what the carrier had twice is at
most one window for each kill of the sender.
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
from pipeline.actions.review import claims
from pipeline.actions.review.places import UNDO_MS
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct, Simulator
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import LIN
from tests.harness.processes.journey import COMMANDS, LINKS, WINDOW, Client, Process, deployment, now
from tests.harness.processes.workers import decisions
from tests.harness.servers.carrier import simulated

RATE = 500  # messages a second
SECONDS, KILLS = 20.0, 3
DRAIN = 300.0  # seconds for what is under way when the load ends


@pytest.mark.slow
def test_nothing_is_lost_and_a_window_a_kill_is_the_most_that_is_repeated(
    fresh_kafka: KafkaNode, any_db: Database, tmp_path: Path
) -> None:
    # No reports: those would settle what a kill left in doubt, which so is sent again, the worst case.
    with simulated(Conduct(delay=0.02, reports=False)) as carrier:
        settings, keys, own = deployment(fresh_kafka.bootstrap, any_db, tmp_path, carrier)
        client = Client(settings, keys, RATE, judged=10)
        processes = {name: Process(settings, name, own) for name in COMMANDS}
        rng = Random(11)
        try:
            for process in processes.values():
                process.until_ready()
            client.start()
            begun = next_kill = monotonic()
            while monotonic() - begun < SECONDS or min(p.kills for p in processes.values()) < KILLS:
                review_some(any_db)
                if monotonic() > next_kill:
                    ready = [p for p in processes.values() if p.kills < KILLS and p.ready()]
                    if ready:
                        min(ready, key=lambda p: (p.kills, rng.random())).kill()
                    next_kill = monotonic() + rng.uniform(0.2, 0.8)
                for process in processes.values():
                    process.alive()
                assert monotonic() - begun < DRAIN, {name: p.kills for name, p in processes.items()}
                sleep(0.05)
            seconds = monotonic() - begun
            client.stop()
            drained = monotonic()
            while not settled(settings, any_db, client, carrier):
                review_some(any_db)
                for process in processes.values():
                    process.alive()
                assert monotonic() - drained < DRAIN, unsettled(settings, any_db, client, carrier)
                sleep(1)
        finally:
            client.stop()
            for process in processes.values():
                process.child.stop(15)
        check(settings, any_db, client, carrier, {name: p.kills for name, p in processes.items()}, seconds)


def review_some(db: Database) -> None:
    """Decide what is there, most for release; effective at once."""
    for case in claims.claim(db, LIN, now(), 3):
        verdict = "reject" if int(case.id, 16) % 3 == 0 else "release"
        claims.decide(db, LIN, case.id, verdict, "", now() - UNDO_MS, case.last_member)


def ends(settings: Settings, db: Database) -> dict[str, str]:
    """What became of each submission that has come to its end: release or reject."""
    last: dict[str, tuple[int, str]] = {}
    for (name, number), answers in sorted(decisions(settings).items()):
        last[name] = (number, answers[0]["verdict"])
    cases, members = schema.cases, schema.case_members
    with db.read() as connection:
        carried_out = {
            (row.submission, row.round): row.verdict
            for row in connection.execute(
                select(members.c.submission, members.c.round, cases.c.verdict)
                .join(cases, members.c["case"] == cases.c.id)
                .where(cases.c.state == "effective", cases.c.released >= members.c.number)
            )
        }
    found = {}
    for name, (number, verdict) in last.items():
        end = carried_out.get((name, number)) if verdict == "review" else verdict
        if end not in (None, "hold"):
            found[name] = str(end)
    return found


def settled(settings: Settings, db: Database, client: Client, carrier: Simulator) -> bool:
    """Cheap questions first: reading all decisions takes a while."""
    with db.read() as connection:
        if connection.scalar(select(func.count()).select_from(schema.holds)):
            return False
    return not unsettled(settings, db, client, carrier)


def unsettled(settings: Settings, db: Database, client: Client, carrier: Simulator) -> dict[str, int]:
    """How many submissions wait, and for what."""
    found = ends(settings, db)
    received = {seen.recipient for seen in carrier.seen}
    waiting = {
        "a decision": len(client.accepted.keys() - found.keys()),
        "the carrier": sum(client.accepted[name] not in received for name, end in found.items() if end == "release"),
    }
    return {what: count for what, count in waiting.items() if count}


def check(
    settings: Settings, db: Database, client: Client, carrier: Simulator, kills: dict[str, int], seconds: float
) -> None:
    """Everything the module promises, and the figures."""
    found = decisions(settings)
    assert [key for key, answers in found.items() if len(answers) > 1] == []
    assert {name for name, _ in found} == client.accepted.keys()
    ended = ends(settings, db)
    assert ended.keys() == client.accepted.keys()
    received = Counter(seen.recipient for seen in carrier.seen)
    released = {client.accepted[name] for name, end in ended.items() if end == "release"}
    assert set(received) == released
    repeats = received.total() - len(received)
    rounds = Counter(answers[0]["verdict"] for answers in found.values())
    print(
        f"{db.engine.dialect.name}: {len(client.accepted)} messages in {seconds:.0f} s, {client.again} requests sent "
        f"again; decisions {dict(rounds)}; {len(released)} released and at the carrier, 0 lost, {repeats} repeated; "
        f"kills {kills}"
    )
    assert min(kills.values()) >= KILLS
    assert rounds.keys() == {"release", "hold", "review"}
    assert set(ended.values()) == {"release", "reject"}
    assert repeats <= LINKS * WINDOW * kills["sender"]
    with db.read() as connection:
        decided = set(connection.scalars(select(schema.cases.c.id).where(schema.cases.c.state == "effective")))
    assert published(settings) == decided  # each verdict left through outbox and relay


def published(settings: Settings) -> set[str]:
    """Cases whose verdict is on the topic."""
    cases: set[str] = set()

    def take(message: Any) -> None:
        cases.add(msgspec.json.decode(message.value())["case"])

    consumer = reader(settings, "test-reviews")
    try:
        replay(consumer, [(topics.REVIEWS.name, p) for p in range(settings.partitions)], take)
    finally:
        consumer.close()
    return cases
