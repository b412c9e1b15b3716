"""Which rounds of which submissions a partition has decided, so that none is decided twice.

A submission may be in a partition twice: a client sends again after a 503, and two API processes do not know each
other's ids. A later round may be there twice, too: a hold that ends is produced at least once. The second record is
dropped before screening: otherwise its counters would move twice and its consequences would happen twice. A decided
record that a crash brings back is not dropped, because its decision may not have been written.

Round 0 and later rounds are stored differently, because round 0 is frequent and later rounds are rare:

* Round 0: 8 bytes of a hash, in the batch in which it was decided. A batch is one record of the changelog. An id
  takes 100 bytes of memory and is kept for KEPT_MS. A new id has the same hash as another id of its partition with
  a probability of 1 in 10^13.
* Later rounds: the newest of each submission, as one record of the changelog. Kept for ROUNDS_KEPT_MS.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from itertools import takewhile
from typing import NamedTuple

import msgspec

from pipeline.durations import HOUR_MS
from pipeline.events import Submission
from pipeline.topics import ROUNDS_KEPT_MS

IDS = "ids"  # changelog identity of a batch of round 0; a counter's identity contains an @
ROUNDS = "rounds"  # changelog identity of a later round
KEPT_MS = HOUR_MS  # if an id is sent again later, the door finds it in the database
KEPT = 250_000  # ids of a partition, 25 MB; above that, the oldest are dropped


class Admitted(NamedTuple):
    """A submission to be decided, and the record that it came in."""

    key: int | str  # the mark of round 0, or the name for a later round
    round: int
    lane: int
    offset: int


class _Batch(NamedTuple):
    """Round 0 of the submissions decided together at `at`."""

    at: int
    span: list[int]  # the first and last source offset of each lane; -1 for none
    marks: array[int]
    round: int = 0

    def covers(self, lane: int, offset: int) -> bool:
        return self.span[2 * lane] <= offset <= self.span[2 * lane + 1]

    @property
    def name(self) -> bytes:
        return f"{IDS}\0{self.span[0]}.{self.span[2]}".encode()  # no other batch begins at these offsets


class _Round(NamedTuple):
    """A later round of one submission, decided at `at` from one record."""

    round: int
    lane: int
    offset: int
    at: int

    def covers(self, lane: int, offset: int) -> bool:
        return (lane, offset) == (self.lane, self.offset)


_encode = msgspec.msgpack.Encoder().encode
_decode_batch = msgspec.msgpack.Decoder(tuple[list[int], bytes]).decode
_decode_round = msgspec.msgpack.Decoder(tuple[_Round, list[int]]).decode


class Decided:
    """The rounds decided from one partition. In each poll: `admit` each, `note` the decided ones, then `changes`."""

    def __init__(self) -> None:
        self._ids: dict[int, _Batch] = {}
        self._batches: deque[_Batch] = deque()  # the oldest first
        self._rounds: dict[str, _Round] = {}  # the oldest first
        self._admitted: dict[int | str, int] = {}  # of this poll: the highest round by key
        self._noted: list[tuple[int, int, int]] = []  # of this poll, round 0: mark, lane, offset
        self._noted_at = 0
        self._touched: set[str] = set()  # of this poll: submissions whose later rounds were noted
        self._struck: list[bytes] = []  # names of dropped batches that are still in the changelog

    @property
    def rounds(self) -> int:
        """The number of later rounds remembered."""
        return len(self._rounds)

    def admit(self, event: Submission, lane: int, offset: int) -> Admitted | None:
        """Admit a submission from this record of the partition for decision.

        Returns None if this round or a later one was decided from another record, or was admitted in this poll.
        """
        name, number = f"{event.port}|{event.id}", event.round  # ids are unique per sender field
        key: int | str
        before: _Batch | _Round | None
        if number == 0:
            key = mark(name)
            before = self._ids.get(key)
        else:
            key = name
            before = self._rounds.get(key)
        if self._admitted.get(key, -1) >= number:
            return None
        if before is not None and (
            before.round > number or (before.round == number and not before.covers(lane, offset))
        ):
            return None
        self._admitted[key] = number
        return Admitted(key, number, lane, offset)

    def note(self, admitted: Admitted, at: int) -> None:
        """Remember that the submission was decided, at `at` (ms)."""
        key, number, lane, offset = admitted
        if isinstance(key, str):
            self._rounds.pop(key, None)
            self._rounds[key] = _Round(number, lane, offset, at)
            self._touched.add(key)
        else:
            self._noted.append((key, lane, offset))
            self._noted_at = at

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """End a poll. Returns its changelog records; None deletes a record. An admission not noted may come again."""
        self._admitted.clear()
        for name in self._touched:
            yield f"{ROUNDS}\0{name}".encode(), _encode((self._rounds[name], []))
        self._touched.clear()
        if self._noted:
            batch = _batch_of(self._noted, self._noted_at)
            self._noted = []
            self._take(batch)
            yield batch.name, _encode((batch.span, batch.marks.tobytes()))
        for struck in self._struck:
            yield struck, None
        self._struck.clear()

    def load(self, identity: str, name: str, value: bytes, at: int) -> None:
        """Apply one changelog record, written at `at` (ms). Raises ValueError or msgspec errors for damaged ones."""
        if identity == ROUNDS:
            self._rounds.pop(name, None)
            self._rounds[name] = _decode_round(value)[0]
            return
        span, marks = _decode_batch(value)
        if len(span) != 4:
            raise ValueError("a batch of ids without its offsets")
        self._take(_Batch(at, span, array("Q", marks)))
        self._struck.clear()  # their writer deletes them, or the topic's retention does

    def expire(self, now: int) -> None:
        """Drop later rounds decided more than ROUNDS_KEPT_MS before `now` (ms)."""
        oldest = now - ROUNDS_KEPT_MS
        for name, _ in list(takewhile(lambda item: item[1].at < oldest, self._rounds.items())):
            del self._rounds[name]

    def _take(self, batch: _Batch) -> None:
        """Add the newest batch. Drop the oldest while they are too old or too many."""
        self._batches.append(batch)
        self._ids.update(dict.fromkeys(batch.marks, batch))
        oldest = batch.at - KEPT_MS
        while self._batches[0] is not batch and (self._batches[0].at < oldest or len(self._ids) > KEPT):
            old = self._batches.popleft()
            for ident in old.marks:
                if self._ids.get(ident) is old:
                    del self._ids[ident]
            self._struck.append(old.name)


def mark(name: str) -> int:
    """The 64-bit mark of a submission's name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def _batch_of(noted: list[tuple[int, int, int]], at: int) -> _Batch:
    span = [-1, -1, -1, -1]
    for _, lane, offset in noted:
        first = span[2 * lane]
        span[2 * lane] = offset if first < 0 else min(first, offset)
        span[2 * lane + 1] = max(span[2 * lane + 1], offset)
    return _Batch(at, span, array("Q", [ident for ident, _, _ in noted]))
