"""Kafka clients, with the settings without which messages would be lost or late.

We use confluent-kafka (librdkafka) because its transactions carry the consumer group's metadata (KIP-447). So one
producer per worker is enough, and a worker that has lost its partitions cannot commit their offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from pipeline.errors import AntispamError, UnavailableError
from pipeline.kafka.address import bootstrap
from pipeline.kafka.resting import RestingConsumer
from pipeline.kafka.security import librdkafka
from pipeline.settings import Settings
from pipeline.topics import MAX_MESSAGE

# For consumers that can wait a quarter of a second: fewer empty fetches. Kafka answers as soon as it has records. The
# embedded broker looks in between: it held records back for up to 230 ms (docs/decisions/0013-consumers-rest.md).
UNHURRIED = {"fetch.wait.max.ms": 490}
MAX_RECORD = MAX_MESSAGE - 4096  # bytes of a record's key and value; the rest is for the batch around it
TIMEOUT = 30.0  # seconds any single call may wait for the broker
COMMIT_TRIES = 5
# The open transaction of a dead worker blocks read_committed consumers at most this long (ms).
TRANSACTION_TIMEOUT_MS = 15_000

REFUSAL_SECONDS = 1.5  # to wait for the reason of a refusal
_LOCKED_OUT = (KafkaError._AUTHENTICATION, KafkaError._SSL)  # wrong password or name; certificates that do not fit

_log = structlog.get_logger()


def _on_error(error: KafkaError) -> None:
    """Log a broker's refusal once: librdkafka reports every refused connection, forty a second."""
    if error.code() in _LOCKED_OUT:
        _log.error("broker_refuses_us", cause=error.str())
    elif error.code() == KafkaError._ALL_BROKERS_DOWN or error.fatal():
        _log.error("broker_unreachable", cause=error.str(), fatal=error.fatal())


_QUIETLY: dict[str, Any] = {"log_level": 2, "error_cb": _on_error, "enable.metrics.push": False}


def reader(settings: Settings, group: str, **overrides: Any) -> Consumer:
    """A consumer that reads committed records only and never commits by itself."""
    return Consumer(_reading(settings, group) | overrides)


def resting_reader(settings: Settings, group: str, longest: float, **overrides: Any) -> RestingConsumer:
    """A `reader` for a process that runs all the time. It rests up to `longest` seconds in a silence (resting.py)."""
    return RestingConsumer(_reading(settings, group) | overrides, longest)


def _reading(settings: Settings, group: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap(settings),
        **librdkafka(settings),
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "session.timeout.ms": int(settings.session_timeout * 1000),
        "fetch.wait.max.ms": 10,
        "message.max.bytes": MAX_MESSAGE,
        "fetch.message.max.bytes": MAX_MESSAGE,
        "queued.max.messages.kbytes": 65536,
        "socket.timeout.ms": int(TIMEOUT * 1000),
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        **_QUIETLY,
    }


def writer(settings: Settings, transactional_id: str | None = None, **overrides: Any) -> Producer:
    """An idempotent producer with acks from all replicas; transactional if it gets an id."""
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap(settings),
        **librdkafka(settings),
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": 1,
        "batch.size": 262_144,
        "compression.type": "lz4",
        "message.max.bytes": MAX_MESSAGE,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 262_144,
        "retry.backoff.ms": 10,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "message.timeout.ms": int(TIMEOUT * 1000),
        **_QUIETLY,
    }
    if transactional_id is not None:
        config |= {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "message.timeout.ms": TRANSACTION_TIMEOUT_MS,
        }
    return Producer(config | overrides)


def administrator(settings: Settings) -> AdminClient:
    """An admin client."""
    return AdminClient({"bootstrap.servers": bootstrap(settings), **librdkafka(settings), **_QUIETLY})


def refusal(bootstrap: str, settings: Settings) -> str | None:
    """Why a broker refuses our sign-in; None if it accepts it. librdkafka tells the reason, kafka-python does not."""
    heard: list[str] = []

    def note(error: KafkaError) -> None:
        if error.code() in _LOCKED_OUT:
            heard.append(error.str())

    if settings.kafka_security_protocol == "PLAINTEXT":
        return None
    config: dict[str, Any] = {"bootstrap.servers": bootstrap, **librdkafka(settings), "log_level": 2, "error_cb": note}
    client = AdminClient(config)
    answer = client.describe_cluster(request_timeout=REFUSAL_SECONDS)
    while not (heard or answer.done()):
        client.poll(0.05)
    return heard[0] if heard else None


# Error codes of a broker, or a part of it, that is away or moving. librdkafka calls only some of them retriable.
_AWAY = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._RETRY,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_CONTROLLER,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # a topic created a moment ago, or a broker that has just started
    }
)


def is_away(error: KafkaError) -> bool:
    """Whether the same call may succeed later: the error is an outage, not a mistake."""
    return not error.fatal() and (error.retriable() or error.code() in _AWAY)


def broker_error(error: KafkaError, what: str, advice: str = "") -> AntispamError:
    """UnavailableError for an outage, else AntispamError. Its text: `what`, the broker's words, `advice`."""
    return (UnavailableError if is_away(error) else AntispamError)(f"{what}: {error.str()}{advice}")


def commit(producer: Producer) -> None:
    """Commit the open transaction. Retries errors that the broker calls retriable (a moving coordinator).

    Raises KafkaException after COMMIT_TRIES, and for an error after which the transaction must be aborted.
    """
    for tries in range(1, COMMIT_TRIES + 1):
        try:
            producer.commit_transaction(TIMEOUT)
            return
        except KafkaException as error:
            if not error.args[0].retriable() or tries == COMMIT_TRIES:
                raise
            _log.warning("commit_retried", tries=tries, cause=error.args[0].str())


def produce(
    producer: Producer,
    topic: str,
    key: str | bytes | None,
    value: bytes | None,
    partition: int = -1,
    on_delivery: Callable[[KafkaError | None, Message], None] | None = None,
) -> None:
    """Queue one record for this partition, or for the key's partition. Waits while the queue is full."""
    while True:
        try:
            producer.produce(topic, value, key, partition, on_delivery=on_delivery)
            return
        except BufferError:
            producer.poll(0.05)  # handles delivery reports, which frees room


def send(producer: Producer, records: Iterable[tuple[str, str | bytes, bytes]], partition: int = -1) -> None:
    """Produce (topic, key, value) records in order, and return once the broker has acknowledged all of them.

    They go to this partition, or to the key's partition. Raises UnavailableError if an outage prevented one, and
    AntispamError for an error that would occur again. The other records may have been written then.
    """
    faults: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            faults.append(error)

    for topic, key, value in records:
        produce(producer, topic, key, value, partition, delivered)
    waiting = producer.flush(2 * TIMEOUT)  # each record has its own limit: TIMEOUT after it was queued
    if faults or waiting:
        what = f"{len(faults) + waiting} records not acknowledged"
        raise broker_error(faults[0], what) if faults else UnavailableError(f"{what}: no answer")
