"""The config topic: publishing configuration, and following it.

Publications are ordered by *epoch*. A publication is one transaction whose changes take effect
together; the publisher's transactional id is the same everywhere, so of two publishers at once the
broker fences one, and epochs never collide.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import msgspec
import structlog
from confluent_kafka import KafkaException, Message

from pipeline import metrics, topics
from pipeline.configuration import Config, ConfigEntries
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange, encode
from pipeline.settings import Settings
from pipeline.stream.clients import TIMEOUT, reader, writer
from pipeline.stream.replay import replay

INLINE_BYTES = 512 * 1024
_decode = msgspec.json.Decoder(ConfigChange).decode
_log = structlog.get_logger()


class ConfigFollower:
    """The configuration in force, kept up to date from the topic.

    A publication is applied when its last change has been read: between batches, never inside one.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._consumer = reader(settings, f"config-{name}")
        self._entries = ConfigEntries(settings.blob_dir)
        self._pending: list[ConfigChange] = []
        self._name = name

    @property
    def config(self) -> Config:
        """The snapshot in force."""
        return self._entries.config

    def catch_up(self) -> Config:
        """Read to the end of the topic; the result is the current epoch."""
        replay(self._consumer, [(topics.CONFIG.name, 0)], self._take, deadline=120)
        self._apply()  # compaction may have removed the change that closed a publication
        return self.config

    def poll(self) -> Config:
        """Apply the publications that have arrived; returns at once."""
        for message in self._consumer.consume(1000, 0):
            if message.error() is None:
                self._take(message)
                if self._pending and not self._pending[-1].more:
                    self._apply()
        return self.config

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def _take(self, message: Message) -> None:
        change = _change(message)
        if change is not None and change.epoch > self.config.epoch:
            self._pending.append(change)

    def _apply(self) -> None:
        if not self._pending:
            return
        faults = self._entries.apply(self._pending)
        self._pending.clear()
        for fault in faults:
            metrics.CONFIG_FAULTS.inc()
            _log.error("config_refused", fault=fault.splitlines()[0])
        metrics.EPOCH.labels(self._name).set(self.config.epoch)


def _change(message: Message) -> ConfigChange | None:
    """The change a record holds; one that cannot be decoded is logged and stops nobody."""
    try:
        return _decode(message.value() or b"")
    except msgspec.MsgspecError as error:
        metrics.CONFIG_FAULTS.inc()
        _log.error("config_undecodable", offset=message.offset(), cause=str(error))
        return None


def publish(
    settings: Settings, entries: Iterable[tuple[str, str, str]], now: int, replace_kinds: Iterable[str] = ()
) -> int:
    """Publish what differs from the topic as one epoch; returns the epoch in force afterwards.

    `entries` are (kind, name, value); entries of `replace_kinds` that are not among them are removed.
    Raises AntispamError when a value does not parse, when another publisher was at work at the same
    time, or when the broker does not answer; nothing is published then.
    """
    producer = writer(settings, "antispam-config")
    try:
        producer.init_transactions(TIMEOUT)
        current, epoch = _current(settings)
        changes = _differences(settings, current, list(entries), epoch + 1, now, set(replace_kinds))
        if not changes:
            return epoch
        trial = ConfigEntries(settings.blob_dir)
        faults = trial.apply(changes)
        if faults:
            raise AntispamError(faults[0])
        producer.begin_transaction()
        for change in changes:
            producer.produce(topics.CONFIG.name, encode(change), key=f"{change.kind}/{change.name}", partition=0)
            producer.poll(0)
        producer.commit_transaction(TIMEOUT)
        return epoch + 1
    except KafkaException as error:
        raise AntispamError(f"configuration not published: {error.args[0].str()}") from None


def _current(settings: Settings) -> tuple[dict[tuple[str, str], ConfigChange], int]:
    entries: dict[tuple[str, str], ConfigChange] = {}
    epoch = 0

    def take(message: Message) -> None:
        nonlocal epoch
        change = _change(message)
        if change is not None:
            entries[change.kind, change.name] = change
            epoch = max(epoch, change.epoch)

    consumer = reader(settings, "config-publisher")
    try:
        replay(consumer, [(topics.CONFIG.name, 0)], take, deadline=60)
    finally:
        consumer.close()
    return entries, epoch


def _differences(
    settings: Settings, current: dict[tuple[str, str], ConfigChange], entries: list[tuple[str, str, str]],
    epoch: int, now: int, replace_kinds: set[str],
) -> list[ConfigChange]:  # fmt: skip
    changes = []
    for kind, name, value in entries:
        inline: str | None = value
        file: str | None = None
        if len(value.encode()) > INLINE_BYTES:
            inline, file = None, _blob(settings.blob_dir, value)
        before = current.get((kind, name))
        if before is None or (before.value, before.file) != (inline, file):
            changes.append(
                ConfigChange(epoch=epoch, kind=kind, name=name, value=inline, file=file, changed_at=now, more=True)
            )
    named = {(kind, name) for kind, name, _ in entries}
    changes += [
        ConfigChange(epoch=epoch, kind=kind, name=name, changed_at=now, more=True)
        for (kind, name), before in current.items()
        if kind in replace_kinds and (kind, name) not in named and (before.value or before.file)
    ]
    if changes:
        changes[-1] = msgspec.structs.replace(changes[-1], more=False)
    return changes


def _blob(folder: Path, value: str) -> str:
    """Store a large value under its hash, complete or not at all."""
    name = sha256(value.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        part = folder / f"{name}.part"
        part.write_text(value, encoding="utf-8")
        part.rename(folder / name)
    return name
