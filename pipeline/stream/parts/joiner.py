"""Joins polled parts to submissions, in memory: records in, records out.

Each partition has its own open messages, because the parts of one message have one key. What is open, and which parts
were joined, goes to the changelog in the transaction of the submissions, so a restart continues where the last
transaction ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from pipeline import metrics, topics
from pipeline.errors import AntispamError
from pipeline.events import Priority
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.dead_letters import letter
from pipeline.kafka.polled import Polled
from pipeline.kafka.streams import PARTS
from pipeline.protocols.sms.reassembly import Joined, Kept, Part, Reassembly
from pipeline.settings import Settings
from pipeline.stream.batch import Output, dead_letter, output
from pipeline.stream.parts.joined import part_of, submission_of

_Key = tuple[str, str, int, int, int]
_encode = msgspec.msgpack.Encoder().encode
_key = msgspec.msgpack.Decoder(_Key).decode
_kept = msgspec.msgpack.Decoder(Kept).decode
_log = structlog.get_logger()


@dataclass(slots=True)
class Turn:
    """What one turn writes: records, and changelog entries (key, value, partition)."""

    outputs: list[Output] = field(default_factory=list)
    changes: list[tuple[bytes, bytes | None, int]] = field(default_factory=list)
    polled: int = 0
    failed: int = 0


class Joiner:
    """The open messages of the owned partitions."""

    def __init__(self, settings: Settings) -> None:
        self._of: dict[int, Reassembly] = {}
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)

    def own(self, kept: Mapping[int, Mapping[bytes, bytes]]) -> None:
        """Own exactly these partitions, with the last changelog entries of each."""
        self._of = {partition: Reassembly.restored(_restored(entries)) for partition, entries in kept.items()}

    @property
    def open(self) -> int:
        """The number of parts that wait for others."""
        return sum(one.parts for one in self._of.values())

    def due(self, now: int) -> list[int]:
        """The partitions with a message whose deadline (epoch ms) has come."""
        return [number for number, one in self._of.items() if (due := one.due()) is not None and due <= now]

    def turn(self, polled: Sequence[Polled], ended: Sequence[int], now: int) -> Turn:
        """Take the polled parts. Then close what is due in the `ended` partitions, of which no part is left to read.

        A record that is not a part becomes a dead letter. Raises TooManyDeadLettersError when most are.
        """
        turn, cause = Turn(polled=len(polled)), ""
        for message in polled:
            try:
                taken = self._of[message.partition].take(part_of(message.value or b""))
            except AntispamError as error:
                turn.outputs.append(dead_letter(message, str(error), now))
                turn.failed, cause = turn.failed + 1, str(error)
                continue
            if taken.repeats is not None:
                metrics.PARTS_REPEATED.inc()
            turn.outputs += _written(taken.closed, message.partition, now)
        self._limit.check(PARTS.name, turn.failed, turn.polled, cause)
        for number in ended:
            turn.outputs += _written(self._of[number].expire(now), number, now)
        for number, one in self._of.items():
            for key, kept in one.changes():
                turn.changes.append((_encode(key), None if kept is None else _encode(kept), number))
        return turn

    def committed(self, turn: Turn) -> None:
        """The turn is durable."""
        self._limit.note(turn.failed, turn.polled)
        metrics.PARTS_OPEN.set(self.open)


def _restored(entries: Mapping[bytes, bytes]) -> Iterator[tuple[_Key, Kept, list[list[Part]]]]:
    for key, value in entries.items():
        kept = _kept(value)
        yield _key(key), kept, [[part_of(record) for record in one.records] for one in kept.open]


def _written(closed: Sequence[Joined], partition: int, now: int) -> Iterator[Output]:
    """The submissions of closed messages. The parts of one that cannot be read become dead letters."""
    for joined in closed:
        metrics.LONG_MESSAGES.labels(joined.end.value).inc()
        try:
            submission, code = submission_of(joined)
        except AntispamError as error:
            metrics.LONG_MESSAGES.labels("unreadable").inc()
            _log.warning("long_message_unreadable", port=joined.parts[0].port, id=joined.parts[0].id, cause=str(error))
            yield from _letters(joined, str(error), partition, now)
            continue
        if joined.missing:
            _log.warning(
                "long_message_incomplete",
                port=code,
                id=submission.id,
                parts=joined.parts[0].place.total,
                missing=len(joined.missing),
                cause=joined.end.value,
            )
        bulk = submission.priority is Priority.BULK
        lane = topics.SUBMISSIONS_BULK if bulk else topics.SUBMISSIONS_EXPRESS
        yield output(lane.name, code, submission, -1)


def _letters(joined: Joined, cause: str, partition: int, now: int) -> Iterator[Output]:
    """A dead letter for each part: with the missing one, they are a message when they are sent again."""
    topic, offset = topics.PARTS.name, -1  # a part that waited over a restart does not know its offset
    for part in joined.parts:
        metrics.DEAD_LETTERS.labels(topic).inc()
        name, value = letter(topic, partition, offset, cause, None, part.record, now, ident=part.id)
        yield topics.DEAD_LETTERS.name, name, value, partition
