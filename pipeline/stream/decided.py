"""Which rounds of which submissions a partition has decided, so that none is decided twice.

A submission may lie in a partition twice: a client that met a 503 sends again, and two API processes do not
know each other's ids. A later round may lie there twice too: a hold that ends is produced at least once. The
second record is dropped before it is screened: its counters would move twice and its consequences be carried
out twice. The record that was decided is not dropped when a crash brings it back, because its decision may
not have been written.

Round 0 and later rounds are kept differently, because there are many of the one and few of the other:

* Round 0: 8 bytes of a hash, in the batch it was decided in, which is one record of the changelog: 100 bytes
  of memory an id. Kept for KEPT_MS. Two ids of one partition that hash alike are one chance in 10^13 for each
  new one.
* Later rounds: the newest of each submission, one record of the changelog each. Kept for ROUNDS_KEPT_MS.
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

IDS = "ids"  # identity in the changelog of a batch of round 0; a counter's has an @ in it
ROUNDS = "rounds"  # identity in the changelog of a later round
KEPT_MS = HOUR_MS  # the door recognises an id sent again later, from the database
KEPT = 250_000  # ids of a partition, 25 MB; beyond them the oldest go


class Admitted(NamedTuple):
    """A submission that is to be decided, and the record it came in."""

    key: int | str  # mark of round 0, name of a later round
    round: int
    lane: int
    offset: int


class _Batch(NamedTuple):
    """Round 0 of submissions decided together at `at`."""

    at: int
    span: list[int]  # the first and last source offset of each lane, -1 for none
    marks: array[int]
    round: int = 0

    def covers(self, lane: int, offset: int) -> bool:
        return self.span[2 * lane] <= offset <= self.span[2 * lane + 1]

    @property
    def name(self) -> bytes:
        return f"{IDS}\0{self.span[0]}.{self.span[2]}".encode()  # no other batch begins there


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
    """The rounds decided from one partition. For each poll: `admit` all, `note` those decided, then `changes`."""

    def __init__(self) -> None:
        self._ids: dict[int, _Batch] = {}
        self._batches: deque[_Batch] = deque()  # the oldest first
        self._rounds: dict[str, _Round] = {}  # the oldest first
        self._admitted: dict[int | str, int] = {}  # the highest round by key, of this poll
        self._noted: list[tuple[int, int, int]] = []  # round 0, of this poll: mark, lane, offset
        self._noted_at = 0
        self._touched: set[str] = set()  # later rounds noted in this poll
        self._struck: list[bytes] = []  # names of forgotten batches that the changelog still holds

    @property
    def rounds(self) -> int:
        """The number of later rounds remembered."""
        return len(self._rounds)

    def admit(self, event: Submission, lane: int, offset: int) -> Admitted | None:
        """Admit a submission to be decided, from this record of the partition.

        None when this round or a later one was decided from another record, or admitted in this poll.
        """
        name, number = f"{event.port}|{event.id}", event.round  # ids are unique to the sender field as given
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
        """Remember that it was decided, at `at` (ms)."""
        key, number, lane, offset = admitted
        if isinstance(key, str):
            self._rounds.pop(key, None)
            self._rounds[key] = _Round(number, lane, offset, at)
            self._touched.add(key)
        else:
            self._noted.append((key, lane, offset))
            self._noted_at = at

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """End a poll: its changelog records; None strikes one off. What was admitted and not noted may come again."""
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
        """Take one changelog record, written at `at` (ms). Raises ValueError or msgspec errors for a damaged one."""
        if identity == ROUNDS:
            self._rounds.pop(name, None)
            self._rounds[name] = _decode_round(value)[0]
            return
        span, marks = _decode_batch(value)
        if len(span) != 4:
            raise ValueError("a batch of ids without its offsets")
        self._take(_Batch(at, span, array("Q", marks)))
        self._struck.clear()  # the worker that wrote it strikes it off, or the topic's retention does

    def expire(self, now: int) -> None:
        """Forget later rounds decided longer than ROUNDS_KEPT_MS before `now` (ms)."""
        oldest = now - ROUNDS_KEPT_MS
        for name, _ in list(takewhile(lambda item: item[1].at < oldest, self._rounds.items())):
            del self._rounds[name]

    def _take(self, batch: _Batch) -> None:
        """Add the newest batch; forget those that are too old or too many."""
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
