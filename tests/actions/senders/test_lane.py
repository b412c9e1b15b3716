"""What the sender writes counts as written only when the broker has acknowledged it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipeline import topics
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.lane import Lane, _Slot
from pipeline.events import Priority
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader, send, writer
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from tests.harness.processes.workers import settings_for


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Settings of a broker that does not answer."""
    return settings_for("127.0.0.1:1", tmp_path)


def impatient(settings: Settings) -> Any:
    return writer(settings, None, **{"message.timeout.ms": 200})


class _Moving:
    """A consumer whose group moves: the first commits fail."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.committed = list(codes), list[int]()

    def seek(self, position: Any) -> None:
        self.sought = (position.partition, position.offset)

    def commit(self, offsets: Any, **_: Any) -> None:
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        self.committed += [position.offset for position in offsets]


def lane_with(consumer: Any, nowhere: Settings) -> Lane:
    """A lane with one dead letter behind it, to be committed by this consumer."""
    channel = Channel(name="default", host="127.0.0.1", port=1, account="900001")
    lane = Lane(nowhere, channel, Priority.EXPRESS, impatient(nowhere), lambda _: None)
    lane._consumer.close()
    lane._consumer = consumer
    lane._slots[0] = deque([_Slot(7, None)])
    return lane


@pytest.mark.long
def test_a_dead_letter_the_broker_did_not_take_is_not_passed_over(nowhere: Settings) -> None:
    consumer = _Moving()
    lane = lane_with(consumer, nowhere)
    record: Any = SimpleNamespace(
        value=lambda: b"{", key=lambda: b"1069", partition=lambda: 0, offset=lambda: 8, error=lambda: None
    )
    assert lane._taken([record]) == []
    assert [slot.offset for slot in lane._slots[0]] == [7]
    assert consumer.sought == (0, 8)


@pytest.mark.parametrize(
    "codes",
    [
        (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
        (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION),  # paused for longer than a session
    ],
)
def test_a_commit_that_another_poll_helps_is_put_off_and_made_later(nowhere: Settings, codes: tuple[int, int]) -> None:
    consumer = _Moving(*codes)
    lane = lane_with(consumer, nowhere)
    for _ in range(2):
        lane._commit()
    assert consumer.committed == []
    lane._slots[0].append(_Slot(8, None))
    lane._commit()
    assert consumer.committed == [9]
    lane._commit()
    assert consumer.committed == [9]


def test_a_commit_that_is_refused_for_good_is_raised(nowhere: Settings) -> None:
    with pytest.raises(KafkaException):
        lane_with(_Moving(KafkaError.GROUP_AUTHORIZATION_FAILED), nowhere)._commit()


def test_partitions_that_come_back_to_a_full_sender_are_read_on(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    settings = settings_for(fresh_embedded.bootstrap, tmp_path, partitions=4)
    ensure_topics(fresh_embedded.bootstrap, settings)
    channel = Channel(name="default", host="127.0.0.1", port=1, account="900001")
    gone: list[object] = []
    lane = Lane(settings, channel, Priority.EXPRESS, writer(settings), gone.append)
    other = reader(settings, "sender-default-express")

    def until(condition: Callable[[], bool]) -> None:
        end = monotonic() + 60
        while not condition():
            lane.poll(room=bool(gone) or not lane._consumer.assignment())  # what it gives up makes room
            other.consume(1, 0.1)
            assert monotonic() < end

    until(lambda: len(lane._consumer.assignment()) == 4)
    lane.poll(room=False)  # its queue is full
    other.subscribe([topics.outbound("default", Priority.EXPRESS).name])
    until(lambda: bool(other.assignment() and lane._consumer.assignment()))
    own = {position.partition for position in lane._consumer.assignment()}
    producer = writer(settings)
    for partition in range(4):
        send(producer, [(topics.outbound("default", Priority.EXPRESS).name, "1069", b"{")], partition)
    until(lambda: set(lane._slots) == own)
    other.close()
    lane.close()
