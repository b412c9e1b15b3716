"""Which submissions a partition has decided of late, so that one sent twice is decided once.

A client that met a 503 sends again, and two API processes do not know each other's ids, so the same
submission may lie in a partition twice. The second is dropped before it is screened: its counters
would move twice and its consequences be carried out twice.

An id is 8 bytes of a hash and belongs to the batch it was decided in, which is one record of the
changelog: 100 bytes of memory an id, 8 in the changelog. Two ids of one partition that hash alike are
one chance in 10^13 for each new one.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import msgspec

KEPT_MS = 3_600_000  # an id sent again later is known to the door, from the database
KEPT = 250_000  # of a partition, 25 MB; more and the oldest go

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[int], bytes]).decode


def mark(port: str, ident: str) -> int:
    """The 64-bit mark of an id: of the sender field as given, since ids are unique to it."""
    return int.from_bytes(blake2b(f"{port}|{ident}".encode(), digest_size=8).digest(), "little")


class _Batch:
    """What was decided together: the marks, and the first and last source offset of each lane, -1 for none."""

    __slots__ = ("at", "marks", "span")

    def __init__(self, at: int, span: list[int], marks: array[int]) -> None:
        self.at, self.span, self.marks = at, span, marks

    def covers(self, lane: int, offset: int) -> bool:
        return self.span[2 * lane] <= offset <= self.span[2 * lane + 1]

    @property
    def name(self) -> bytes:
        return f"{self.span[0]}.{self.span[2]}".encode()  # no other batch begins there


class Seen:
    """The submissions decided in the last KEPT_MS, at most KEPT of them; see the module."""

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()  # the oldest first
        self._of: dict[int, _Batch] = {}
        self._changes: list[tuple[bytes, bytes | None]] = []

    def __len__(self) -> int:
        return len(self._of)

    def elsewhere(self, ident: int, lane: int, offset: int) -> bool:
        """Whether this id was decided from another record than this one.

        The same record is met again after a crash, and then its decision may not have been written.
        """
        batch = self._of.get(ident)
        return batch is not None and not batch.covers(lane, offset)

    def add(self, decided: Sequence[tuple[int, int, int]], at: int) -> None:
        """Remember (mark, lane, offset) of submissions decided together at `at` (ms)."""
        span = [-1, -1, -1, -1]
        for _, lane, offset in decided:
            first = span[2 * lane]
            span[2 * lane] = offset if first < 0 else min(first, offset)
            span[2 * lane + 1] = max(span[2 * lane + 1], offset)
        batch = _Batch(at, span, array("Q", [ident for ident, _, _ in decided]))
        self._take(batch)
        self._changes.append((batch.name, _encode((span, batch.marks.tobytes()))))
        self._forget()

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Changelog records since the last call; None strikes one off."""
        yield from self._changes
        self._changes.clear()

    def load(self, value: bytes, at: int) -> None:
        """Take one changelog record, written at `at` (ms). Raises ValueError or msgspec errors for a damaged one."""
        span, marks = _decode(value)
        if len(span) != 4:
            raise ValueError("a batch of ids without its offsets")
        self._take(_Batch(at, span, array("Q", marks)))
        self._forget()
        self._changes.clear()  # whoever wrote it strikes it off, or the topic's retention does

    def _take(self, batch: _Batch) -> None:
        self._batches.append(batch)
        self._of.update(dict.fromkeys(batch.marks, batch))

    def _forget(self) -> None:
        newest = self._batches[-1]
        while self._batches[0] is not newest and (self._batches[0].at < newest.at - KEPT_MS or len(self._of) > KEPT):
            old = self._batches.popleft()
            for ident in old.marks:
                if self._of.get(ident) is old:
                    del self._of[ident]
            self._changes.append((old.name, None))
