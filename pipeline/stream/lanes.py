"""The lanes of a stream, read side by side: express by group membership, bulk by manual assignment.

A worker that owns a partition number owns it on both topics, because both share the counters of its ports. Each poll
takes a bounded share of bulk, a small one while express traffic flows. A stream with one lane has no bulk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, TopicPartition

from pipeline.kafka.clients import TIMEOUT, resting_reader
from pipeline.kafka.polled import Polled, records
from pipeline.kafka.resting import BRIEFLY, RestingConsumer
from pipeline.kafka.streams import Stream
from pipeline.settings import Settings

LINGER = 0.005  # seconds a poll waits for more records: one transaction then commits them all
IDLE = 0.1  # seconds a poll waits for a first record
BULK_BESIDE_EXPRESS = 250  # bulk messages in a poll while express traffic flows: about 25 ms
EXPRESS_RECENT = 1.0  # seconds after the last express record during which express traffic counts as flowing

Positions = Sequence[list[TopicPartition]]  # for each lane: the offsets to read from
Rebalance = Callable[[Consumer, list[TopicPartition]], None]


class Lanes:
    """The consumers of one worker."""

    def __init__(self, stream: Stream, settings: Settings, client: str) -> None:
        """`client` is the worker's name at the broker."""
        self._topics = stream.lanes
        self._most = settings.batch_messages
        self._express: RestingConsumer = resting_reader(settings, stream.name, BRIEFLY, **{"client.id": client})
        self._bulk: RestingConsumer | None = None
        if len(stream.lanes) > 1:
            self._bulk = resting_reader(settings, stream.name, BRIEFLY, **{"client.id": f"{client}-bulk"})
        self._reads_bulk = False  # whether bulk partitions are assigned
        self._express_at = 0.0  # monotonic seconds: time of the last express record
        self._bulk_size = 1.0  # recipients of a bulk submission, moving average

    def join(self, on_assign: Rebalance, on_revoke: Rebalance) -> None:
        """Join the group. Its rebalances are served inside `poll`."""
        self._express.subscribe([self._topics[0].name], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_revoke)

    def poll(self) -> list[Polled]:
        """The polled records, express before bulk."""
        now = monotonic()
        flowing = now - self._express_at < EXPRESS_RECENT
        bulk: list[Polled] = []
        if self._bulk is not None and self._reads_bulk:
            share = BULK_BESIDE_EXPRESS if flowing else self._most
            bulk = records(self._bulk.consume(max(1, int(share / self._bulk_size)), 0), self._topics)
        wait = 0 if bulk else LINGER if flowing or self._bulk is not None else IDLE
        if self._bulk is not None:
            wait = max(wait, min(self._express.rest_left, self._bulk.rest_left))
        express = records(self._express.consume(self._most, wait), self._topics)
        if express:
            self._express_at = now
        if self._bulk is not None and (express or bulk):
            (self._bulk if express else self._express).stir()
        return express + bulk

    def learn_bulk_size(self, average: float | None) -> None:
        """Update the average from the last poll's recipients of a bulk submission; None if it had no bulk."""
        if average is not None:
            self._bulk_size = 0.5 * self._bulk_size + 0.5 * max(1.0, average)

    def committed(self, partitions: Sequence[int]) -> Positions:
        """The group's committed positions. Raises KafkaException."""
        return [self._committed(topic.name, partitions) for topic in self._topics]

    def assign(self, positions: Positions) -> None:
        """Read the newly assigned partitions from these positions. Call it inside a rebalance."""
        self._express.assign(positions[0])
        self._assign_bulk(positions)

    def rewind(self, positions: Positions) -> None:
        """Read the same partitions again from these positions. Raises KafkaException."""
        for position in positions[0]:
            self._express.seek(position)
        self._assign_bulk(positions)

    def unassign_bulk(self) -> None:
        """Read no bulk until the next assignment. The group itself revokes the express partitions."""
        self._reads_bulk = False
        if self._bulk is not None:
            self._bulk.unassign()

    def membership(self) -> Any:
        """The metadata that proves our group membership to the broker."""
        return self._express.consumer_group_metadata()

    def close(self) -> None:
        """Leave the group and close the connections."""
        self._express.close()
        if self._bulk is not None:
            self._bulk.close()

    def _assign_bulk(self, positions: Positions) -> None:
        if self._bulk is not None:
            self._bulk.assign(positions[1])
            self._reads_bulk = bool(positions[1])

    def _committed(self, topic: str, partitions: Sequence[int]) -> list[TopicPartition]:
        if not partitions:
            return []
        found = self._express.committed([TopicPartition(topic, n) for n in partitions], timeout=TIMEOUT)
        return [
            TopicPartition(topic, tp.partition, OFFSET_BEGINNING if tp.offset == OFFSET_INVALID else tp.offset)
            for tp in found
        ]
