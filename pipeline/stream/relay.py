"""The relay: what the outbox holds, onto the topics, in order of id.

Each publication is one Kafka transaction and is marked only then, one by one: a relay that is killed
in between repeats at most the last, so ids on the config topic never go down. The transactional id is
the same everywhere: of two relays the broker ends the older.

The last row of the audit trail is published whenever there is a new one, and logged, so that a trail whose
end is cut off, or that is written anew, differs from what was published (`antispam audit verify`).

Carriers' reports have an outbox of their own: a batch is one Kafka transaction and deleted only then, so a relay
that is killed in between repeats at most one batch.

A log the relay has not published to (a new cluster, a topic made anew, a restored database) gets the
whole configuration first, as a new epoch above any that is on it.
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
INLINE_BYTES = 512 * 1024  # of a configuration value; a larger one travels as a file
KEPT_MS = 7 * DAY_MS  # published rows are kept this long
IDLE = 0.05  # seconds between looks into an empty outbox; longer in a silence
SILENT = 0.2  # seconds between them when nothing was published for seconds
PRUNE_EVERY = 3600.0  # seconds
BATCH = 100
REPORTS = 1000  # reports a transaction
_CONSUMER = "relay"
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)

_decode = decoder(ConfigChange)
_log = structlog.get_logger()


def run_relay(settings: Settings, stop: threading.Event) -> None:
    """Publish until `stop`. Raises AntispamError when another relay has taken over or the broker stays away."""
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
    """UnavailableError where a new connection may help, AntispamError where the broker wants none of us."""
    if isinstance(error, UnavailableError):
        return error
    fault = error.args[0]
    if fault.code() in _FENCED:
        return AntispamError("another relay has taken over")
    if is_refusal(fault):
        return AntispamError(f"the broker refuses: {fault.str()}")
    return UnavailableError(fault.str())


def deliver(settings: Settings, db: Database, now: int) -> None:
    """Publish what the outbox holds now, and return: for tests and benchmarks, which have no relay running."""
    relay = Relay(settings, db)
    while relay.step(now):
        pass


class Relay:
    """One connection to the broker; replaced by a new one after any fault."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._producer: Producer = writer(settings, TRANSACTIONAL_ID)
        self._producer.init_transactions(TIMEOUT)
        self._log = log_ids(administrator(settings), [topics.CONFIG.name])[topics.CONFIG.name]
        with db.read() as connection:
            self._known = positions.only_log(connection, _CONSUMER) == self._log
        self._head: AuditHead | None = None  # of the audit trail, as published last
        self._pruned = -PRUNE_EVERY

    def step(self, now: int) -> int:
        """Publish what is pending, at most BATCH publications and REPORTS reports; how many. `now` is epoch ms.

        Raises KafkaException; nothing is marked then that the broker has not acknowledged.
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
        """The whole configuration as a new epoch; False when the database has none.

        A database without any says nothing about what is on the topic: it may have been lost.
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
        """One transaction. Raises KafkaException."""
        producer = self._producer
        producer.begin_transaction()
        for message in messages:
            value = _fitting(message, self._settings.blob_dir)
            partition = -1 if message.partition is None else message.partition  # -1: by the key
            produce(producer, message.topic, message.key, value, partition)
        commit(producer)


def _on_topic(settings: Settings) -> tuple[set[tuple[str, str]], int]:
    """The entries on the config topic that have a value, and its highest epoch."""
    present: set[tuple[str, str]] = set()
    highest = 0

    def take(message: KafkaMessage) -> None:
        nonlocal highest
        try:
            change = _decode(message.value() or b"")
        except msgspec.DecodeError:
            return  # followers count and skip it too
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
    """The record's value; a large value of configuration is put into a file named by its hash."""
    value = message.value
    if message.topic != topics.CONFIG.name or value is None or len(value) <= INLINE_BYTES:
        return value
    change = _decode(value)
    if change.value is None or len(change.value.encode()) <= INLINE_BYTES:
        return value
    return encode(msgspec.structs.replace(change, value=None, file=_store(blobs, change.value)))


def _store(folder: Path, value: str) -> str:
    """Store a value under its hash, complete or not at all, before anybody is told of it."""
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
