"""The follower of the config topic.

Each publication has an *epoch*, and its changes take effect together. The relay (`stream/relay.py`) may repeat the last
publication; an epoch that is already applied is ignored. On the embedded broker a killed relay may leave half a
publication. The follower then waits until the relay has repeated all of it.
"""

from __future__ import annotations

import msgspec
import structlog
from confluent_kafka import Message

from pipeline import metrics, topics
from pipeline.decision.configuration import Config, ConfigEntries
from pipeline.events import ConfigChange, decoder
from pipeline.kafka.clients import UNHURRIED, reader
from pipeline.kafka.polled import is_record
from pipeline.kafka.replay import replay
from pipeline.process import readiness
from pipeline.settings import Settings

_decode = decoder(ConfigChange)
_log = structlog.get_logger()


class ConfigFollower:
    """The configuration in force, kept up to date from the topic.

    A publication is applied once its last change has been read, between batches and never inside one.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._consumer = reader(settings, f"config-{name}", **UNHURRIED)
        self._entries = ConfigEntries(settings.blob_dir)
        self._pending: list[ConfigChange] = []
        self._name = name

    @property
    def config(self) -> Config:
        """The snapshot in force."""
        return self._entries.config

    def catch_up(self) -> Config:
        """Read to the end of the topic, and return the current epoch."""
        replay(self._consumer, [(topics.CONFIG.name, 0)], self._take)
        # Compaction may remove the change that closes a publication, but never the last record of the topic.
        pending = self._pending
        unfinished = [c for c in pending if c.epoch == pending[-1].epoch] if pending and pending[-1].more else []
        self._pending = pending[: len(pending) - len(unfinished)]
        self._apply()
        self._pending = unfinished
        return self.config

    def poll(self) -> Config:
        """Apply the publications that have arrived, without waiting."""
        for message in self._consumer.consume(1000, 0):
            if is_record(message):
                self._take(message)
                if self._pending and not self._pending[-1].more:
                    self._apply()
        return self.config

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def _take(self, message: Message) -> None:
        try:
            change = _decode(message.value() or b"")
        except msgspec.DecodeError as error:
            metrics.CONFIG_FAULTS.inc()
            _log.error("config_undecodable", offset=message.offset(), cause=str(error))
            return
        newest = self._pending[-1].epoch if self._pending else self.config.epoch + 1
        if change.epoch >= newest:
            self._pending.append(change)

    def _apply(self) -> None:
        if not self._pending:
            return
        faults = self._entries.apply(self._pending)
        self._pending.clear()
        for fault in faults:
            metrics.CONFIG_FAULTS.inc()
            _log.error("config_refused", fault=fault.splitlines()[0])
        readiness.applied(self._name, self.config.epoch)
