"""The relay: publishes the outbox to the topics, in order of id.

Each publication is one Kafka transaction and is marked only after its commit, one by one. A relay that is killed in
between repeats at most the last publication, so ids on the config topic never decrease. All relays use the same
transactional id, so of two relays one ends. The broker fences the older at its next transaction. If the older has a
transaction open when the younger starts, the broker may answer it with an unknown error: it then connects again, and
the younger is fenced.

Each new last row of the audit trail is published and logged. So a trail whose end was cut off, or that was rewritten,
differs from the published rows (`antispam audit verify`).

Carriers' reports have their own outbox. A batch is one Kafka transaction and is deleted only after its commit, so a
relay that is killed in between repeats at most one batch.

A relay that finds a topic to which it has not published (a new cluster, a new topic, a restored database) first
publishes the whole configuration, as a new epoch above all epochs on the topic.
"""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from pathlib import Path
from time import monotonic, time

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from pipeline import metrics, topics
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError, UnavailableError
from pipeline.events import AuditHead, ConfigChange, decoder, encode
from pipeline.kafka.address import bootstrap
from pipeline.kafka.admin import ensure_topics, log_ids
from pipeline.kafka.clients import TIMEOUT, administrator, commit, produce, reader, writer
from pipeline.kafka.replay import replay
from pipeline.kafka.resting import rest_after
from pipeline.kafka.security import is_refusal
from pipeline.kafka.steady import steadily
from pipeline.settings import Settings
from pipeline.store import audit, audit_heads, outbox, positions, report_outbox
from pipeline.store.database import Database
from pipeline.store.migrate import open_database
from pipeline.store.registry import configurations

TRANSACTIONAL_ID = "antispam-relay"
INLINE_BYTES = 512 * 1024  # largest configuration value inside a record; a larger value travels as a file
KEPT_MS = 7 * DAY_MS  # how long published rows are kept
IDLE = 0.05  # seconds between looks into an empty outbox
SILENT = 0.2  # the same after seconds without a publication
PRUNE_EVERY = 3600.0  # seconds
BATCH = 100
REPORTS = 1000  # reports in one transaction
_CONSUMER = "relay"
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)

_decode = decoder(ConfigChange)
_log = structlog.get_logger()


def run_relay(settings: Settings, stop: threading.Event) -> None:
    """Publish until `stop`. Raises AntispamError when another relay has taken over or the broker stays unreachable."""
    db = open_database(settings)
    relay: Relay | None = None
    sent_at = monotonic()

    def step() -> bool:
        nonlocal relay, sent_at
        try:
            if relay is None:
                ensure_topics(bootstrap(settings), settings)
                relay = Relay(settings, db)
            sent = relay.step(int(time() * 1000))
        except (KafkaException, UnavailableError) as error:
            relay = None
            raise _outage(error) from error
        if sent:
            sent_at = monotonic()
        else:
            stop.wait(max(IDLE, rest_after(monotonic() - sent_at, SILENT)))
        return True

    try:
        steadily("relay", step, stop, 0)
    finally:
        db.close()


def _outage(error: KafkaException | UnavailableError) -> AntispamError:
    """UnavailableError if a new connection may help; AntispamError if the broker refuses this relay."""
    if isinstance(error, UnavailableError):
        return error
    fault = error.args[0]
    if fault.code() in _FENCED:
        return AntispamError("another relay has taken over")
    if is_refusal(fault):
        return AntispamError(f"the broker refuses: {fault.str()}")
    return UnavailableError(fault.str())


def deliver(settings: Settings, db: Database, now: int) -> None:
    """Publish the content of the outbox once and return: for tests and benchmarks without a running relay."""
    relay = Relay(settings, db)
    while relay.step(now):
        pass


class Relay:
    """One connection to the broker. After any fault, a new object replaces it."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._producer: Producer = writer(settings, TRANSACTIONAL_ID)
        self._producer.init_transactions(TIMEOUT)
        self._log = log_ids(administrator(settings), [topics.CONFIG.name])[topics.CONFIG.name]
        with db.read() as connection:
            self._known = positions.only_log(connection, _CONSUMER) == self._log
        self._head: AuditHead | None = None  # the last published head of the audit trail
        self._pruned = -PRUNE_EVERY

    def step(self, now: int) -> int:
        """Publish pending rows, at most BATCH publications and REPORTS reports; how many. `now` is epoch ms.

        Raises KafkaException. Rows without an acknowledgement of the broker are then not marked.
        """
        if not self._known:
            self._known = self._publish_everything(now)
        with self._db.read() as connection:
            found = outbox.unpublished(connection, BATCH)
            head = audit.head(connection)
            metrics.OUTBOX_PENDING.set(outbox.pending(connection) if len(found) == BATCH else len(found))
        for ident, publication in found:
            self._send(publication.messages)
            with self._db.write() as connection:
                outbox.mark_published(connection, [ident], now)
        if head is not None and head != self._head:
            self._send((audit_heads.message(msgspec.structs.replace(head, at=now)),))
            self._head = head
            _log.info("audit_head", row=head.row, mac=head.mac)
        if monotonic() - self._pruned > PRUNE_EVERY:
            self._pruned = monotonic()
            with self._db.write() as connection:
                outbox.prune(connection, now - KEPT_MS)
        return len(found) + self._publish_reports()

    def _publish_reports(self) -> int:
        with self._db.read() as connection:
            found = report_outbox.unpublished(connection, REPORTS)
            metrics.REPORTS_PENDING.set(report_outbox.pending(connection) if len(found) == REPORTS else len(found))
        if found:
            self._send(tuple(outbox.Message(topics.DELIVERIES.name, key, body) for _, key, body in found))
            with self._db.write() as connection:
                report_outbox.remove(connection, [ident for ident, _, _ in found])
        return len(found)

    def _publish_everything(self, now: int) -> bool:
        """Publish the whole configuration as a new epoch; False when the database has no configuration.

        A database without a configuration may have lost it, so the configuration on the topic stays as it is.
        """
        with self._db.read() as connection:
            if not configurations.everything(connection):
                return False
        present, highest = _on_topic(self._settings)
        with self._db.write() as connection:
            outbox.skip_to(connection, highest)
            epoch = outbox.next_id(connection)
            entries = configurations.everything(connection)
        changes: list[tuple[str, str, str | None, str | None]] = [(k, n, v, None) for k, n, v in entries]
        changes += [(kind, name, None, None) for kind, name in sorted(present - {(k, n) for k, n, _ in entries})]
        self._send(outbox.config_messages(epoch, now, changes))
        with self._db.write() as connection:
            outbox.drop_config(connection, epoch, now)
            positions.set_only_log(connection, _CONSUMER, self._log, epoch)
        _log.info("configuration_published", epoch=epoch, entries=len(entries))
        return True

    def _send(self, messages: tuple[outbox.Message, ...]) -> None:
        """Send the messages in one transaction. Raises KafkaException."""
        producer = self._producer
        producer.begin_transaction()
        for message in messages:
            value = _fitting(message, self._settings.blob_dir)
            partition = -1 if message.partition is None else message.partition  # -1: chosen by the key
            produce(producer, message.topic, message.key, value, partition)
        commit(producer)


def _on_topic(settings: Settings) -> tuple[set[tuple[str, str]], int]:
    """The config topic's entries that have a value, and its highest epoch."""
    present: set[tuple[str, str]] = set()
    highest = 0

    def take(message: KafkaMessage) -> None:
        nonlocal highest
        try:
            change = _decode(message.value() or b"")
        except msgspec.DecodeError:
            return  # followers count and skip it, too
        highest = max(highest, change.epoch)
        named = (change.kind, change.name)
        if change.value is None and change.file is None:
            present.discard(named)
        else:
            present.add(named)

    consumer = reader(settings, "relay")
    try:
        replay(consumer, [(topics.CONFIG.name, 0)], take)
    finally:
        consumer.close()
    return present, highest


def _fitting(message: outbox.Message, blobs: Path) -> bytes | None:
    """The record's value. A large configuration value is written to a file named by its hash."""
    value = message.value
    if message.topic != topics.CONFIG.name or value is None or len(value) <= INLINE_BYTES:
        return value
    change = _decode(value)
    if change.value is None or len(change.value.encode()) <= INLINE_BYTES:
        return value
    return encode(msgspec.structs.replace(change, value=None, file=_store(blobs, change.value)))


def _store(folder: Path, value: str) -> str:
    """Store a value under its hash, complete or not at all, before any record refers to it."""
    data = value.encode()
    name = sha256(data).hexdigest()
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{name}.{os.getpid()}.part"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / name)
    return name
