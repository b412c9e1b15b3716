"""Topics: created before the first worker starts, and checked at every start.

Partition numbers have a meaning here: the decisions and the state of an input partition p are in partition p of their
topics. A topic with another number of partitions, created by a broker on its own for example, would break this without
a sign. So a wrong number stops the start with a clear error. A wrong configuration is corrected.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from pipeline import topics
from pipeline.errors import AntispamError, UnavailableError
from pipeline.kafka.clients import broker_error, refusal
from pipeline.kafka.security import kafka_python
from pipeline.settings import Settings
from pipeline.topics import Topic

_TIMEOUT = 30.0  # seconds for one request; a busy controller creates 20 topics in under 2 s


@dataclass(frozen=True, slots=True)
class TopicChanges:
    """The result of `ensure_topics`: names of topics by what was done, and warnings as sentences."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    warnings: tuple[str, ...]


def cluster_id(bootstrap: str, timeout: float = 10.0, settings: Settings | None = None) -> str:
    """The id of the cluster at this address. Apache Kafka keeps it; the embedded broker has a new one at each start.

    Signs in as `settings` say; does not sign in without them. Raises AntispamError if no broker answers within
    `timeout` seconds.
    """
    with _connect(bootstrap, timeout, settings) as client:
        cluster: dict[str, Any] = client.describe_cluster()
    if all(broker.get("is_fenced") for broker in cluster["brokers"]):
        raise UnavailableError(f"Kafka at {bootstrap}: no broker takes requests yet")
    return str(cluster["cluster_id"])


def log_ids(client: AdminClient, names: Collection[str], timeout: float = _TIMEOUT) -> dict[str, str]:
    """The id of each topic's log, `<cluster id>/<topic id>`. A topic deleted and created again has a new id.

    `timeout` is in seconds, for each of two requests. Raises UnavailableError for an outage, and AntispamError for an
    error that would occur again.
    """
    try:
        cluster = client.describe_cluster(request_timeout=timeout).result()
        described = client.describe_topics(TopicCollection(list(names)), request_timeout=timeout)
        return {name: f"{cluster.cluster_id}/{answer.result().topic_id}" for name, answer in described.items()}
    except KafkaException as error:
        raise broker_error(error.args[0], f"topics {', '.join(names)}") from error


def wait_ready(bootstrap: str, timeout: float, settings: Settings | None = None) -> str:
    """Wait until the cluster takes requests, and return its id. Raises AntispamError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return cluster_id(bootstrap, min(2.0, timeout), settings)
        except AntispamError as error:
            if time.monotonic() > deadline:
                raise UnavailableError(f"not ready after {timeout:g} s: {error}") from error
        time.sleep(0.1)


def ensure_topics(bootstrap: str, settings: Settings) -> TopicChanges:
    """Create every missing topic of these settings, and check and correct existing ones. Safe to repeat.

    Several processes may call it at once. Raises AntispamError if a topic cannot be created, or exists with another
    number of partitions; then nothing is created. A changed number would move keys away from their state.
    """
    wanted = {topic.name: topic for topic in topics.all_topics(settings.channels)}
    with _connect(bootstrap, _TIMEOUT, settings) as client:
        existing = _describe(client, list(wanted))
        _check_partitions(wanted, existing, settings)
        created = _create(client, [t for n, t in wanted.items() if n not in existing], settings)
        updated, warnings = _update_configs(client, [t for n, t in wanted.items() if n not in created])
        warnings += _replica_warnings(_describe(client, list(wanted)), settings)
    return TopicChanges(created, updated, warnings)


@contextmanager
def _connect(bootstrap: str, timeout: float, settings: Settings | None) -> Iterator[KafkaAdminClient]:
    """A client that gives up after `timeout` seconds. A refusal of the broker becomes an AntispamError."""
    limit = round(timeout * 1000)
    try:
        client = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            bootstrap_timeout_ms=limit,
            request_timeout_ms=limit,
            **(kafka_python(settings) if settings else {}),
        )
        try:
            yield client
        finally:
            client.close()
    except (KafkaError, OSError, ValueError) as error:
        if settings is not None and (refused := refusal(bootstrap, settings)):
            raise AntispamError(f"Kafka at {bootstrap}: {refused}") from error
        away = isinstance(error, OSError) or (isinstance(error, KafkaError) and error.retriable)
        kind = UnavailableError if away else AntispamError
        raise kind(f"Kafka at {bootstrap}: {error or type(error).__name__}") from error


def _describe(client: KafkaAdminClient, names: list[str]) -> dict[str, list[int]]:
    """The number of replicas of each partition, by existing topic."""
    described: list[dict[str, Any]] = client.describe_topics(names)
    return {
        topic["name"]: [len(partition["replica_nodes"]) for partition in topic["partitions"]]
        for topic in described
        if topic["error_code"] == 0
    }


def _number(topic: Topic, settings: Settings) -> int:
    return settings.partitions if topic.partitions == topics.CO_PARTITIONED else topic.partitions


def _check_partitions(wanted: dict[str, Topic], existing: dict[str, list[int]], settings: Settings) -> None:
    wrong = [
        f"  {name}: {len(existing[name])}, should be {_number(topic, settings)}"
        for name, topic in wanted.items()
        if name in existing and len(existing[name]) != _number(topic, settings)
    ]
    if wrong:
        raise AntispamError(
            "topics exist with another number of partitions:\n" + "\n".join(wrong) + "\n"
            "set ANTISPAM_PARTITIONS to the number they were made with, or stop everything, let the "
            "consumers reach the end, delete these topics and start again"
        )


def _create(client: KafkaAdminClient, missing: list[Topic], settings: Settings) -> tuple[str, ...]:
    if not missing:
        return ()
    answer: dict[str, Any] = client.create_topics(
        {
            topic.name: {
                "num_partitions": _number(topic, settings),
                "replication_factor": settings.replication,
                "configs": topic.config(),
            }
            for topic in missing
        },
        raise_errors=False,
    )
    created = []
    for result in answer["topics"]:
        if result["error_code"] == 0:
            created.append(result["name"])
        elif result["error_code"] != TopicAlreadyExistsError.errno:  # another process created it first
            text = result["error_message"] or for_code(result["error_code"]).__name__
            raise AntispamError(f"topic {result['name']} cannot be created: {text}")
    client.wait_for_topics([topic.name for topic in missing], timeout_ms=round(_TIMEOUT * 1000))
    return tuple(created)


def _update_configs(client: KafkaAdminClient, present: list[Topic]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Correct differing configurations. Returns the names of updated topics, and warnings where that failed."""
    changes = _config_differences(client, present)
    if not changes:
        return (), ()
    answer: dict[str, str] = client.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, dict(change)) for name, change in changes.items()],
        raise_on_unknown=False,
    )["topic"]
    warnings = tuple(
        f"topic {name}: {', '.join(f'{key}={value}' for key, value in changes[name].items())} "
        f"could not be set: {result}"
        for name, result in answer.items()
        if result != "OK"
    )
    return tuple(name for name in changes if answer[name] == "OK"), warnings


def _replica_warnings(existing: dict[str, list[int]], settings: Settings) -> tuple[str, ...]:
    """Topics with fewer replicas than configured: created under another setting, or on the embedded broker."""
    few = [name for name, replicas in existing.items() if min(replicas) < settings.replication]
    if not few:
        return ()
    return (f"fewer replicas than ANTISPAM_REPLICATION={settings.replication}: {', '.join(few)}",)


def _config_differences(client: KafkaAdminClient, present: list[Topic]) -> dict[str, dict[str, str]]:
    """The wrong configuration entries of each topic, with their right values."""
    if not present:
        return {}
    # Request all entries: the embedded broker closes the connection on a request for some.
    described: dict[str, dict[str, Any]] = client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in present], config_filter="all"
    )["topic"]
    differences = {}
    for topic in present:
        actual = {key: entry["value"] for key, entry in described[topic.name].items()}
        differing = {key: value for key, value in topic.config().items() if actual.get(key) != value}
        if differing:
            differences[topic.name] = differing
    return differences
