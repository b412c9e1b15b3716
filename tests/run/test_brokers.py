"""Brokers start ready or not at all, keep what they promise to keep, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.kafka import admin
from pipeline.run.brokers import kafka_node
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.run.child import free_port
from pipeline.settings import Settings

DEADLINE = 60.0  # seconds; generous, since the machine may be busy
QUIETLY = {"log_level": 2}  # what outlives its broker would write to the standard error of the tests that follow


def eventually(condition: Callable[[], bool]) -> bool:
    """Poll until the condition holds; False after the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def listens(bootstrap: str, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, int(bootstrap.rpartition(":")[2])), timeout=5).close()
    except OSError:
        return False
    return True


# The embedded broker


def test_each_start_is_a_new_cluster_that_clients_can_tell(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        with EmbeddedBroker(tmp_path) as broker:
            assert admin.cluster_id(broker.bootstrap) == broker.cluster_id
            seen.add(broker.cluster_id)
    assert len(seen) == 2


def test_nothing_is_left_after_the_with_block(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        assert broker.alive()
        assert listens(broker.bootstrap)
    assert not broker.alive()
    assert not listens(broker.bootstrap)


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is a local address on Linux only")
def test_only_this_machine_can_reach_it(fresh_embedded: EmbeddedBroker) -> None:
    assert listens(fresh_embedded.bootstrap)
    assert not listens(fresh_embedded.bootstrap, host="127.0.0.2")


@pytest.mark.long
def test_a_taken_port_is_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AntispamError, match=r"embedded broker ended at once[\s\S]*in use"):
            EmbeddedBroker(tmp_path, port).__enter__()


def test_a_crash_is_seen(fresh_embedded: EmbeddedBroker) -> None:
    assert fresh_embedded.pid is not None
    os.kill(fresh_embedded.pid, signal.SIGKILL)
    assert eventually(lambda: not fresh_embedded.alive())
    assert fresh_embedded.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
@pytest.mark.long
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, pathlib\n"
            "from pipeline.run.brokers.embedded import EmbeddedBroker\n"
            "with EmbeddedBroker(pathlib.Path(sys.argv[1]), int(sys.argv[2])):\n"
            "    print('ready', flush=True); time.sleep(600)",
            str(tmp_path),
            str(port),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        assert listens(f"127.0.0.1:{port}")
    finally:
        parent.kill()
        parent.communicate()
    assert eventually(lambda: not listens(f"127.0.0.1:{port}"))


# Topics, on both brokers


@pytest.fixture(scope="module")
def module_kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    with KafkaNode(tmp_path_factory.mktemp("node"), kafka_jars) as node:
        yield node


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Bootstrap of a cluster without topics: a new embedded broker, or a node that is emptied."""
    if request.param == "embedded":
        with EmbeddedBroker(tmp_path) as broker:
            yield broker.bootstrap
        return
    node: KafkaNode = request.getfixturevalue("module_kafka")
    client = KafkaAdminClient(bootstrap_servers=node.bootstrap)
    names = [name for name in client.list_topics() if not name.startswith("__")]
    if names:
        client.delete_topics(names)
        assert eventually(lambda: not set(names) & set(client.list_topics()))
    client.close()
    yield node.bootstrap


def configs(bootstrap: str, name: str) -> dict[str, str]:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    entries = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
    client.close()
    return {key: entry["value"] for key, entry in entries["topic"][name].items()}


def test_every_topic_is_made_as_the_table_says_and_only_once(empty: str) -> None:
    settings = Settings(partitions=3, channels=("cmcc", "ctcc"))
    wanted = {topic.name: topic for topic in topics.all_topics(settings.channels)}

    first = admin.ensure_topics(empty, settings)
    assert sorted(first.created) == sorted(wanted)
    assert (first.updated, first.warnings) == ((), ())

    client = KafkaAdminClient(bootstrap_servers=empty)
    partitions = {t["name"]: len(t["partitions"]) for t in client.describe_topics(list(wanted))}
    client.close()
    assert partitions == {name: topic.partitions or 3 for name, topic in wanted.items()}
    for name in ("state.submissions", "config", "outbound.ctcc.bulk"):
        assert wanted[name].config().items() <= configs(empty, name).items()

    assert admin.ensure_topics(empty, settings) == admin.TopicChanges((), (), ())


def test_a_new_channel_adds_its_topics_only(empty: str) -> None:
    admin.ensure_topics(empty, Settings(partitions=2, channels=("cmcc",)))
    changes = admin.ensure_topics(empty, Settings(partitions=2, channels=("cmcc", "cucc")))
    assert sorted(changes.created) == ["outbound.cucc.bulk", "outbound.cucc.express"]


def test_another_number_of_partitions_stops_the_start_and_changes_nothing(empty: str) -> None:
    admin.ensure_topics(empty, Settings(partitions=2))
    with pytest.raises(AntispamError, match=r"submissions\.express: 2, should be 4[\s\S]*ANTISPAM_PARTITIONS"):
        admin.ensure_topics(empty, Settings(partitions=4, channels=("default", "new")))
    client = KafkaAdminClient(bootstrap_servers=empty)
    assert not [name for name in client.list_topics() if name.startswith("outbound.new")]
    client.close()


def test_a_drifted_configuration_is_put_right(empty: str) -> None:
    settings = Settings(partitions=1)
    admin.ensure_topics(empty, settings)
    client = KafkaAdminClient(bootstrap_servers=empty)
    client.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, "holds", {"retention.ms": "60000"})], raise_on_unknown=False
    )
    client.close()
    # Kafka says OK before every reader sees the change
    assert eventually(lambda: configs(empty, "holds")["retention.ms"] == "60000")

    assert admin.ensure_topics(empty, settings).updated == ("holds",)
    assert eventually(lambda: configs(empty, "holds")["retention.ms"] == str(topics.HOLDS.retention_ms))


def test_topics_with_too_few_replicas_are_named(empty: str) -> None:
    admin.ensure_topics(empty, Settings(partitions=1))
    (warning,) = admin.ensure_topics(empty, Settings(partitions=1, replication=2)).warnings
    assert "ANTISPAM_REPLICATION=2" in warning
    assert "decisions" in warning


def test_waiting_for_a_ready_cluster_gives_its_id(broker: str) -> None:
    cluster = admin.wait_ready(broker, timeout=DEADLINE)
    assert cluster
    assert cluster == admin.cluster_id(broker)


@pytest.mark.long
def test_a_broker_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(AntispamError, match=r"not ready after 1 s: Kafka at 127\.0\.0\.1:\d+"):
        admin.wait_ready(f"127.0.0.1:{free_port()}", timeout=1)


# The Kafka node


def produce(bootstrap: str, values: list[str]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", **QUIETLY})
    for value in values:
        producer.produce("records", value.encode(), partition=0)
    assert producer.flush(DEADLINE) == 0


def committed(bootstrap: str) -> list[str]:
    """Every committed value of partition 0 of `records`, to the last stable offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            **QUIETLY,
        }
    )
    consumer.assign([TopicPartition("records", 0, 0)])
    values = []
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            break
        value = message.value()
        assert value is not None
        values.append(value.decode())
    consumer.close()
    return values


@pytest.mark.slow
def test_records_and_cluster_id_survive_a_stop_and_a_kill(fresh_kafka: KafkaNode) -> None:
    cluster = admin.cluster_id(fresh_kafka.bootstrap)
    assert cluster == fresh_kafka.cluster_id
    admin.ensure_topics(fresh_kafka.bootstrap, Settings(partitions=1))

    produce(fresh_kafka.bootstrap, ["one"])
    fresh_kafka.stop()
    assert not listens(fresh_kafka.bootstrap)
    fresh_kafka.start()
    produce(fresh_kafka.bootstrap, ["two"])
    fresh_kafka.kill()
    assert fresh_kafka.returncode == -signal.SIGKILL
    assert not fresh_kafka.alive()
    fresh_kafka.start()

    assert committed(fresh_kafka.bootstrap) == ["one", "two"]
    assert admin.cluster_id(fresh_kafka.bootstrap) == cluster


@pytest.mark.kafka
def test_what_a_dead_producer_left_open_is_never_committed(module_kafka: KafkaNode) -> None:
    admin.ensure_topics(module_kafka.bootstrap, Settings(partitions=1))
    before = committed(module_kafka.bootstrap)
    config = {"bootstrap.servers": module_kafka.bootstrap, "transactional.id": "worker-0", **QUIETLY}

    dead = Producer(config)
    dead.init_transactions(DEADLINE)
    dead.begin_transaction()
    dead.produce("records", b"lost", partition=0)
    assert dead.flush(DEADLINE) == 0

    heir = Producer(config)
    heir.init_transactions(DEADLINE)
    heir.begin_transaction()
    heir.produce("records", b"kept", partition=0)
    heir.commit_transaction(DEADLINE)

    assert committed(module_kafka.bootstrap) == [*before, "kept"]


@pytest.mark.kafka
def test_a_second_node_on_the_same_folder_is_refused(module_kafka: KafkaNode, kafka_jars: Path) -> None:
    with pytest.raises(AntispamError, match="in use by another"):
        KafkaNode(module_kafka.folder, kafka_jars).start()
    assert admin.cluster_id(module_kafka.bootstrap) == module_kafka.cluster_id


def test_the_jars_are_fetched_once(kafka_jars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert kafka_node.install(kafka_jars.parent) == kafka_jars


def test_without_maven_the_install_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AntispamError, match="Maven is not installed"):
        kafka_node.install(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("banner", "text"),
    [
        ('openjdk version "1.8.0_402"', "not Java 17"),
        ('openjdk version "11.0.2"', "not Java 17"),
        ("", "not Java"),
    ],
)
def test_an_old_java_is_refused_before_anything_starts(
    banner: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{banner}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(AntispamError, match=text):
        KafkaNode(tmp_path / "node", tmp_path / "jars").start()


def test_without_java_the_node_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AntispamError, match="Java 17 or later is not installed"):
        KafkaNode(tmp_path / "node", tmp_path / "jars").start()


@pytest.mark.slow
def test_served_in_the_foreground_it_ends_cleanly_on_sigterm(
    kafka_jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open first, then on the same folder with a superuser: whoever does not sign in gets nothing any more."""
    port = free_port()
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / kafka_jars.name).symlink_to(kafka_jars)
    monkeypatch.setenv("ANTISPAM_DATA_DIR", str(tmp_path))
    cluster = served(port, Settings())
    for name, value in {
        "KAFKA": f"127.0.0.1:{port}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_USERNAME": "admin",
        "KAFKA_PASSWORD": "twelve-at-least",
    }.items():
        monkeypatch.setenv(f"ANTISPAM_{name}", value)
    assert served(port, Settings()) == cluster
    properties = tmp_path / "kafka" / "node" / "server.properties"
    assert stat.S_IMODE(properties.stat().st_mode) == 0o600


def served(port: int, settings: Settings) -> str:
    """The cluster's id as `antispam broker kafka` serves it, until it is told to end."""
    command = [sys.executable, "-m", "pipeline.cli", "broker", "kafka", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            cluster = admin.wait_ready(f"127.0.0.1:{port}", 2 * DEADLINE, settings)
            if settings.kafka_sasl:
                with pytest.raises(AntispamError):
                    admin.cluster_id(f"127.0.0.1:{port}", 2)
        finally:
            process.terminate()
        said, _ = process.communicate(timeout=2 * DEADLINE)
    assert process.returncode == 0
    assert "Apache Kafka ended" in said
    assert not listens(f"127.0.0.1:{port}")
    return cluster
