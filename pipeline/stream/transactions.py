"""A worker's transactions. Each holds decisions, consequences, changes of counters and the source offsets.

After any crash, either a submission's decision is written and its counters have moved, or neither has happened.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer, TopicPartition

from pipeline.kafka.address import CLUSTER_PREFIX
from pipeline.kafka.clients import TIMEOUT, commit, produce, writer
from pipeline.kafka.security import ends
from pipeline.kafka.steady import patiently
from pipeline.kafka.streams import Stream
from pipeline.process import readiness
from pipeline.process.ending import STUCK, end_now
from pipeline.settings import Settings
from pipeline.stream.batch import Output

# librdkafka's send_offsets_to_transaction ignores its timeout and never returns if the group's coordinator disappears
# during the call (librdkafka issue 5456). Then the process ends.
STUCK_AFTER = TIMEOUT + 5
_log = structlog.get_logger()


class RolledBackError(Exception):
    """The transaction did not commit. Its events will be polled again."""


class Transactions:
    """The transactional producer of one worker, with one transaction at a time."""

    def __init__(self, stream: Stream, settings: Settings, client: str) -> None:
        """`client` names the worker. If two producers have the same name, the broker fences the older."""
        self._stream = stream
        # The commit sends what waits. Until then a record waits for more, so that fewer and larger requests are made.
        self._producer: Producer = writer(settings, f"antispam-{client}", **{"linger.ms": 100})
        self._open = False
        self._surfacing = False
        self._closed = threading.Event()
        self._sending_since: float | None = None  # monotonic seconds: start of the call that may never return

    def start(self, stopping: threading.Event) -> None:
        """Wait for the broker, at most until `stopping` is set. Raises KafkaException when it does not answer."""
        threading.Thread(target=self._watch, name=f"watch-{self._stream.name}", daemon=True).start()
        readiness.say(self._stream.name, False, "the broker, to begin transactions")
        patiently(self._stream.name, lambda: self._producer.init_transactions(TIMEOUT), stopping)
        # On the embedded broker, records of a dead transaction become visible. If counters became visible without the
        # decisions that moved them, the repeated decisions would see counters that moved too far.
        cluster = self._producer.list_topics(timeout=TIMEOUT).cluster_id or ""
        self._surfacing = cluster.startswith(CLUSTER_PREFIX)

    def write(
        self,
        outputs: Iterable[Output],
        changes: Iterable[tuple[bytes, bytes | None, int]],
        offsets: Sequence[TopicPartition],
        membership: Any,
    ) -> None:
        """Commit one transaction: records, changelog, and the offsets of the consumer identified by `membership`.

        Raises RolledBackError when a retry may succeed, KafkaException when this producer cannot be used any more.
        """
        producer = self._producer
        try:
            producer.begin_transaction()
            self._open = True
            for topic, key, value, partition in outputs:
                produce(producer, topic, key, value, partition)
            if self._surfacing and producer.flush(TIMEOUT):
                raise RolledBackError("decisions not acknowledged")
            for name, change, partition in changes:
                produce(producer, self._stream.changelog.name, name, change, partition)
            self._sending_since = monotonic()
            producer.send_offsets_to_transaction(list(offsets), membership, TIMEOUT)
            self._sending_since = None
            commit(producer)
            self._open = False
        except KafkaException as error:
            self._sending_since = None
            fault = error.args[0]
            if ends(fault):
                raise
            _log.warning("transaction_aborted", stream=self._stream.name, cause=fault.str())
            raise RolledBackError(fault.str()) from error

    def abort(self) -> None:
        """Abort the open transaction, if there is one. Raises KafkaException."""
        if self._open:
            self._producer.abort_transaction(TIMEOUT)
            self._open = False

    def close(self) -> None:
        """Begin no further transaction."""
        self._closed.set()

    def _watch(self) -> None:
        """End the process when a call hangs in the client. Uncommitted records are polled again."""
        while not self._closed.wait(1.0):
            since = self._sending_since
            if since is not None and monotonic() - since > STUCK_AFTER:
                end_now("broker_call_stuck", STUCK, stream=self._stream.name, seconds=round(monotonic() - since))
