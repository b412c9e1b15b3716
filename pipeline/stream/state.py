"""Keyed counters that live with a partition: in memory, rebuilt from their changelog.

An entry of the changelog is one window of one key with the source offsets it reflects. With
transactions an entry and the decisions that moved it are committed together; where transactions do
not hold (the embedded broker) a replayed event finds its offset already reflected and is not
counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pipeline.rules.counters import Counter
from pipeline.rules.windows import Window
from pipeline.stream.decided import Seen
from pipeline.topics import ROUNDS_KEPT_MS

ROUNDS = "rounds"  # their identity in the changelog; a counter's has an @ in it
IDS = "ids"  # likewise: the submissions decided of late, a batch a record

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[int], list[int]]).decode


class PartitionState:
    """All windows of one partition, by counter identity, least recently moved first."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Window]] = {}
        self._touched: dict[tuple[str, str], Window] = {}
        self._rounds: dict[str, list[int]] = {}  # round, lane, offset, decided at (ms); the oldest first
        self._touched_rounds: set[str] = set()
        self.seen = Seen()  # round 0, of which there are many

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables.values()) + len(self._rounds)

    def decided(self, key: str, number: int, lane: int, offset: int) -> bool:
        """Whether this round of a submission, or a later one, was decided from another record.

        A hold that ends is produced at least once, so a round may come again. The record it was decided
        from is not "another": met again after a crash, its decision may not have been written.
        """
        found = self._rounds.get(key)
        return found is not None and (found[0] > number or (found[0] == number and found[1:3] != [lane, offset]))

    def decide(self, key: str, number: int, lane: int, offset: int, now: int) -> None:
        """Remember a decided round (above 0) for ROUNDS_KEPT_MS from `now` (ms)."""
        self._rounds.pop(key, None)
        self._rounds[key] = [number, lane, offset, now]
        self._touched_rounds.add(key)

    def window(self, identity: str, key: str, now: int) -> Window:
        """The window of a key, made if absent, moved to the young end of its table; `now` is our clock (ms)."""
        table = self.tables.setdefault(identity, {})
        window = table.pop(key, None) or Window()
        window.touched = now
        table[key] = window
        self._touched[identity, key] = window
        return window

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Changelog records of the windows moved and rounds decided since the last call; None strikes one off."""
        for (identity, key), window in self._touched.items():
            yield f"{identity}\0{key}".encode(), _encode(window.dump())
        self._touched.clear()
        for key in self._touched_rounds:
            yield f"{ROUNDS}\0{key}".encode(), _encode((self._rounds[key], []))
        self._touched_rounds.clear()
        for name, batch in self.seen.changes():
            yield f"{IDS}\0".encode() + name, batch

    def load(self, key: bytes, value: bytes, at: int) -> None:
        """Take one changelog record, written at `at` (ms). Raises ValueError or msgspec errors for a damaged one."""
        identity, _, name = key.decode().partition("\0")
        if identity == IDS:
            self.seen.load(value, at)
            return
        if identity == ROUNDS:
            self._rounds.pop(name, None)
            self._rounds[name] = _decode(value)[0]
            return
        table = self.tables.setdefault(identity, {})
        table.pop(name, None)
        table[name] = window = Window.load(*_decode(value))
        window.touched = at

    def expire(self, kept: dict[str, int], now: int) -> None:
        """Forget windows not moved for longer than `kept` (ms by identity: window and lateness) before `now`.

        By our clock, not by event times: one SMSC's clock that is hours ahead must not end the counts
        of others. Tables of counters no longer declared go as a whole. The changelog needs no tombstones:
        its topic drops what was not written for days, and no window is longer than one.
        """
        for identity in list(self.tables):
            if identity not in kept:
                del self.tables[identity]
                continue
            table = self.tables[identity]
            for key in list(_untouched(table, now - kept[identity])):
                del table[key]

    def expire_rounds(self, now: int) -> None:
        """Forget rounds decided longer than ROUNDS_KEPT_MS before `now` (ms)."""
        for key in list(_decided_before(self._rounds, now - ROUNDS_KEPT_MS)):
            del self._rounds[key]


def _decided_before(rounds: dict[str, list[int]], oldest: int) -> Iterator[str]:
    for key, entry in rounds.items():
        if entry[3] >= oldest:
            return
        yield key


def _untouched(table: dict[str, Window], oldest: int) -> Iterator[str]:
    for key, window in table.items():
        if window.touched >= oldest:
            return
        yield key


class BatchCounters:
    """`Counters` over the partitions of one poll: event i belongs to `places[i]`."""

    def __init__(self, places: list[tuple[PartitionState, int, int]], now: int) -> None:
        """`places` gives, per event of the batch, its partition's state, its lane and its offset; `now` in ms."""
        self._places = places
        self._now = now
        self.replayed = 0
        self._state, self._lane, self._offset = places[0] if places else (PartitionState(), 0, 0)

    def begin(self, index: int) -> None:
        """See Counters.begin."""
        self._state, self._lane, self._offset = self._places[index]

    def add(self, counter: Counter, key: str, at: int, n: int) -> int:
        """See Counters.add; an event whose offset the window already reflects is only read."""
        state = self._state
        window = state.window(counter.identity, key, self._now)
        if window.offsets[self._lane] >= self._offset:
            self.replayed += 1
            return window.total
        window.offsets[self._lane] = self._offset
        return window.add(at, n, counter.width)

    def read(self, counter: Counter, key: str, at: int) -> int:
        """See Counters.read."""
        window = self._state.tables.get(counter.identity, {}).get(key)
        return 0 if window is None else window.read(at, counter.width)
