"""What decided events add to shared counters, as records for the second counting stage.

A worker writes them in the transaction of the decisions, so each event counts exactly once. A record holds the
increments of one poll for one partition of the topic: a record for each increment would cost more than its decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xxhash import xxh3_64_intdigest

from pipeline import topics
from pipeline.events import Increments
from pipeline.rules.counting.counters import Amount
from pipeline.stream.batch import Batch, Output, output

MOST_AMOUNTS = 10_000  # numbers and values in one record, which then has less than 3 MB

Moves = list[tuple[int, Amount]]  # time (ms) and amount of each event


@dataclass(slots=True)
class _Record:
    """A record that is being filled: moves by the identity and key of their counters."""

    moves: dict[str, dict[str, Moves]] = field(default_factory=dict)
    amounts: int = 0


def increments(moved: Mapping[tuple[str, str], Moves], batch: Batch, epoch: int, partitions: int) -> list[Output]:
    """The records of one batch, from its moves by identity and key. All counters of a key have one partition."""
    full: list[tuple[int, _Record]] = []
    filling: dict[int, _Record] = {}
    places: dict[str, int] = {}  # the partition of each key; several counters have it
    for (identity, key), moves in moved.items():
        partition = places.get(key)
        if partition is None:
            partition = places[key] = xxh3_64_intdigest(key.encode()) % partitions
        record = filling.get(partition)
        for move in moves:
            if record is None:
                record = filling[partition] = _Record()
            of_counter = record.moves.get(identity)
            if of_counter is None:
                of_counter = record.moves[identity] = {}
            if key in of_counter:
                of_counter[key].append(move)
            else:
                of_counter[key] = [move]
            record.amounts += 1 if isinstance(move[1], int) else len(move[1])
            if record.amounts >= MOST_AMOUNTS:
                full.append((partition, filling.pop(partition)))
                record = None
    return [
        output(
            topics.COUNTER_INCREMENTS.name,
            "",
            Increments(at=batch.now, oldest=batch.oldest, epoch=epoch, moves=record.moves),
            partition,
        )
        for partition, record in [*full, *filling.items()]
    ]
