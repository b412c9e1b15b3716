"""From the database to the topic: in order, whole, through any crash; followers end with what the database holds."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep, time

import msgspec
import pytest
from confluent_kafka import Message
from sqlalchemy import func, select

from pipeline import topics
from pipeline.decision.configuration import default_policy
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader, writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.replay import replay
from pipeline.rules.ports import PortEntry
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from pipeline.store import audit_heads, outbox, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.backup import backup, restore
from pipeline.store.database import Database
from pipeline.store.registry import configurations, registry
from pipeline.stream.relay import INLINE_BYTES, Relay, deliver, run_relay
from tests.harness.migrated import migrated_database
from tests.harness.processes.workers import settings_for, start

ADMIN = User("admin", Role.ADMINISTRATOR)
CHANGES = 50  # between two kills


@pytest.fixture
def settings(fresh_broker: str, tmp_path: Path) -> Settings:
    found = settings_for(fresh_broker, tmp_path, partitions=1)
    ensure_topics(fresh_broker, found)
    return found


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    found = migrated_database(settings)
    yield found
    found.close()


def records(settings: Settings) -> list[ConfigChange]:
    """Every committed record of the config topic, in order."""
    found: list[ConfigChange] = []

    def take(message: Message) -> None:
        found.append(msgspec.json.decode(message.value() or b"", type=ConfigChange))

    consumer = reader(settings, "test")
    replay(consumer, [(topics.CONFIG.name, 0)], take)
    consumer.close()
    return found


def on_topic(settings: Settings) -> dict[tuple[str, str], str]:
    """The last value of each entry of the topic."""
    found: dict[tuple[str, str], str] = {}
    for change in records(settings):
        found.pop((change.kind, change.name), None)
        value = change.value if change.file is None else (settings.blob_dir / change.file).read_text()
        if value is not None:
            found[change.kind, change.name] = value
    return found


def in_database(db: Database) -> dict[tuple[str, str], str]:
    with db.read() as connection:
        return {(kind, name): value for kind, name, value in configurations.everything(connection)}


def pending(db: Database) -> int:
    with db.read() as connection:
        return outbox.pending(connection)


def published(db: Database) -> int:
    with db.read() as connection:
        box = schema.outbox
        found = connection.execute(select(func.count()).select_from(box).where(box.c.published_at.is_not(None)))
        return int(found.scalar_one())


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Return once it holds; fail after so many seconds."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline
        sleep(0.01)


def change(db: Database, n: int, chance: random.Random) -> None:
    """One change of some kind."""
    code = f"1069{chance.randrange(20):04d}"
    kind = chance.randrange(5)
    if kind == 0:
        registry.add_list_entry(db, ADMIN, "black", f"1380013{chance.randrange(20):04d}", f"r{n}", None, n)
    elif kind == 1:
        registry.remove_list_entry(db, ADMIN, "black", f"1380013{chance.randrange(20):04d}", "", n)
    elif kind == 2 and registry.port(db, code):
        registry.suspend_port(db, ADMIN, code, "", "", n)
    else:
        registry.save_port(db, ADMIN, PortEntry(code=code, name=f"n{n}"), n)


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_follower_ends_with_the_databases_configuration_however_often_the_relay_is_killed(
    settings: Settings, db: Database, kills: int
) -> None:
    registry.publish_configuration(db, ADMIN, "policy", "policy.yaml", default_policy(), 1)
    chance, stopped, ready = random.Random(7), threading.Event(), threading.Event()
    left: list[int] = []
    applied: list[int] = []

    def follow() -> None:
        follower = ConfigFollower(settings, "test")
        epoch = follower.catch_up().epoch
        ready.set()
        while not stopped.is_set():
            newer = follower.poll().epoch
            if newer != epoch:
                applied.append(newer)
                epoch = newer
            stopped.wait(0.01)
        follower.close()

    def write(first: int) -> None:
        for n in range(first, first + CHANGES):
            change(db, n, chance)

    following = threading.Thread(target=follow)
    following.start()
    assert ready.wait(60)
    for n in range(kills):
        before = published(db)
        writing = threading.Thread(target=write, args=(n * CHANGES,))
        relay = start(settings, f"relay-{n}", "serve", "relay")
        writing.start()
        wanted = before + chance.randrange(1, 25)
        until(lambda: published(db) >= wanted)  # noqa: B023 - called at once
        relay.kill()  # in the midst of its work
        left.append(pending(db))
        writing.join()
    relay = start(settings, "relay", "serve", "relay")
    until(lambda: pending(db) == 0)
    try:
        with db.read() as connection:
            last = outbox.last_id(connection)
        fresh = ConfigFollower(settings, "fresh")
        config = fresh.catch_up()
        fresh.close()
        until(lambda: bool(applied) and applied[-1] == config.epoch)
    finally:
        stopped.set()
        following.join()
        relay.stop(10)
    repeated = len(records(settings)) - len({(r.epoch, r.kind, r.name) for r in records(settings)})
    print(f"{kills} kills, {left} left; {repeated} records repeated, {len(applied)} epochs applied, {last} ids given")
    assert on_topic(settings) == in_database(db)
    epochs = [record.epoch for record in records(settings)]
    assert epochs == sorted(epochs)  # never down: at most the last publication was repeated
    assert config.epoch == epochs[-1] <= last
    assert applied == sorted(set(applied))
    assert applied[-1] == config.epoch
    assert config.ports is not None
    assert {code: port.entry for code, port in config.ports.by_code.items()} == {
        code: registry.port(db, code) for code in config.ports.by_code
    }
    with db.read() as connection:
        listed = {name for kind, name, _ in configurations.everything(connection) if kind == "list"}
    possible = [f"1380013{n:04d}" for n in range(20)]
    assert {f"black/{value}" for value in possible if config.lists.find("black", value)} == listed


def test_an_epoch_met_again_is_ignored(settings: Settings, db: Database) -> None:
    registry.save_port(db, ADMIN, PortEntry(code="10690001", name="one"), 1)
    deliver(settings, db, 1)
    epoch = registry.save_port(db, ADMIN, PortEntry(code="10690001", name="two"), 2)
    assert epoch is not None
    deliver(settings, db, 2)
    follower = ConfigFollower(settings, "test")
    config = follower.catch_up()
    assert config.epoch == epoch
    with db.write() as connection:  # a relay killed between the topic's commit and its mark
        connection.execute(schema.outbox.update().where(schema.outbox.c.id == epoch).values(published_at=None))
    deliver(settings, db, 3)
    assert [record.epoch for record in records(settings)][-2:] == [epoch, epoch]
    until = monotonic() + 1.0
    while monotonic() < until:
        assert follower.poll() is config
    follower.close()


def test_half_a_publication_waits_for_the_whole(settings: Settings, db: Database) -> None:
    """What the embedded broker shows of a transaction whose relay was killed."""
    halves = [
        ConfigChange(epoch=epoch, kind="port", name=name, value=f'{{"code":"{name}"}}', more=more)
        for epoch, name, more in ((1, "101", False), (2, "102", True))
    ]
    rest = ConfigChange(epoch=2, kind="port", name="103", value='{"code":"103"}')
    producer = writer(settings)

    def produce(*changes: ConfigChange) -> None:
        for one in changes:
            producer.produce(topics.CONFIG.name, encode(one), f"{one.kind}/{one.name}", 0)
        assert producer.flush(20) == 0

    produce(*halves)
    follower = ConfigFollower(settings, "test")
    assert follower.catch_up().epoch == 1
    produce(halves[1], rest)
    until = monotonic() + 60
    while follower.poll().epoch == 1:
        assert monotonic() < until
    ports = follower.config.ports
    follower.close()
    assert ports is not None
    assert set(ports.by_code) == {"101", "102", "103"}


def test_a_second_relay_ends_the_first(emptied_kafka: str, tmp_path: Path) -> None:
    settings = settings_for(emptied_kafka, tmp_path, partitions=1)
    ensure_topics(emptied_kafka, settings)
    db = migrated_database(settings)
    registry.save_port(db, ADMIN, PortEntry(code="101"), 1)
    stop, ended = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            run_relay(settings, stop)
        except AntispamError as error:
            ended.append(error)

    first = threading.Thread(target=run)
    first.start()
    # Its last transaction. While one is open, Kafka may answer its end with an unknown error, and the first takes over.
    until(lambda: bool(audit_heads.published(settings)))
    second = Relay(settings, db)
    registry.save_port(db, ADMIN, PortEntry(code="102"), 2)
    first.join(90)
    stop.set()
    assert len(ended) == 1
    assert "taken over" in str(ended[0])
    second.step(3)
    assert pending(db) == 0
    assert on_topic(settings) == in_database(db)
    db.close()


@pytest.mark.long
def test_a_new_cluster_gets_the_whole_configuration_first(tmp_path: Path) -> None:
    db: Database | None = None
    epochs = []
    for n in range(2):
        with EmbeddedBroker(tmp_path / f"broker{n}") as broker:
            settings = settings_for(broker.bootstrap, tmp_path, partitions=1)
            ensure_topics(broker.bootstrap, settings)
            db = migrated_database(settings)
            if n == 0:
                registry.save_port(db, ADMIN, PortEntry(code="101"), 1)
                registry.add_list_entry(db, ADMIN, "black", "102", "", None, 1)
            else:
                registry.save_port(db, ADMIN, PortEntry(code="101", name="since"), 2)  # pending: part of the whole
            deliver(settings, db, 3)
            assert on_topic(settings) == in_database(db)
            found = {record.epoch for record in records(settings)}
            assert len(found) == 1  # in one publication
            epochs.append(found.pop())
            deliver(settings, db, 4)
            assert {record.epoch for record in records(settings)} == {epochs[-1]}  # and once
            assert pending(db) == 0
            db.close()
    assert epochs[0] < epochs[1]


def test_after_a_restore_everything_is_published_above_what_was(
    settings: Settings, db: Database, tmp_path: Path
) -> None:
    registry.save_port(db, ADMIN, PortEntry(code="101"), 1)
    deliver(settings, db, 1)
    backup(db, tmp_path / "b")
    follower = ConfigFollower(settings, "test")
    for n in range(5):
        registry.save_port(db, ADMIN, PortEntry(code=f"10{n + 2}"), 2)
    registry.save_port(db, ADMIN, PortEntry(code="101", name="later"), 2)
    deliver(settings, db, 2)
    before = follower.catch_up().epoch
    restore(db, tmp_path / "b", "cli:ops", 3, replace=True)
    with db.read() as connection:
        assert outbox.last_id(connection) < before
    deliver(settings, db, 3)
    assert on_topic(settings) == in_database(db)
    until = monotonic() + 60
    while follower.poll().epoch <= before:
        assert monotonic() < until
    assert follower.config.ports is not None
    assert {c: p.entry for c, p in follower.config.ports.by_code.items()} == {"101": PortEntry(code="101")}
    follower.close()


def test_an_empty_database_does_not_empty_the_topic(settings: Settings, db: Database, tmp_path: Path) -> None:
    registry.save_port(db, ADMIN, PortEntry(code="101"), 1)
    deliver(settings, db, 1)
    lost = migrated_database(settings.model_copy(update={"data_dir": tmp_path / "lost"}))
    deliver(settings, lost, 2)
    assert on_topic(settings) == in_database(db)
    registry.save_port(lost, ADMIN, PortEntry(code="102"), 3)
    deliver(settings, lost, 3)
    assert on_topic(settings) == in_database(lost)
    lost.close()


def test_large_values_travel_as_files(settings: Settings, db: Database) -> None:
    head = "list,entity,value,reason,expires\n"
    text = head + "".join(f"black,sender,106{n:018d},{'x' * 80},\n" for n in range(6000))
    assert len(text) > INLINE_BYTES
    registry.publish_configuration(db, ADMIN, "list", "lists.csv", text, 1)
    deliver(settings, db, 1)
    (record,) = records(settings)
    assert record.value is None
    assert record.file is not None
    follower = ConfigFollower(settings, "test")
    lists = follower.catch_up().lists
    assert all(lists.find("black", f"106{n:018d}") for n in range(6000))
    follower.close()


@pytest.mark.slow
def test_a_broker_that_goes_away_costs_time_and_nothing_else(fresh_kafka: KafkaNode, tmp_path: Path) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path, partitions=1)
    ensure_topics(fresh_kafka.bootstrap, settings)
    db = migrated_database(settings)
    registry.save_port(db, ADMIN, PortEntry(code="101"), 1)
    stop = threading.Event()
    relay = threading.Thread(target=run_relay, args=(settings, stop))
    relay.start()
    until(lambda: pending(db) == 0)
    fresh_kafka.kill()
    for n in range(5):
        registry.save_port(db, ADMIN, PortEntry(code="101", name=f"n{n}"), int(time()))
    fresh_kafka.start()
    until(lambda: pending(db) == 0)
    stop.set()
    relay.join(60)
    assert on_topic(settings) == in_database(db)
    epochs = [record.epoch for record in records(settings)]
    assert epochs == sorted(epochs)
    db.close()
