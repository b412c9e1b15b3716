"""Keyed counters that belong to a partition: in memory, restored from their changelog.

A changelog entry is one window of one key, with the source offsets that it includes. With transactions, an entry is
committed together with the decisions that changed it. Where transactions do not hold (the embedded broker), a replayed
event finds that its offset is already included, and is not counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pipeline.rules.counting.counters import Amount, Counter, window_of
from pipeline.rules.counting.windows import Recent, Window, one
from pipeline.stream.decided import IDS, ROUNDS, Decided

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[int], list[int]]).decode


class PartitionState:
    """One partition's windows, by counter identity, least recently moved first; and its decided rounds."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Window | Recent]] = {}
        self._touched: dict[tuple[str, str], Window | Recent] = {}
        self.decided = Decided()
        self._loaded = ""  # the key of the last loaded window

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables.values()) + self.decided.rounds

    def window(self, identity: str, key: str, now: int) -> Window | Recent:
        """The window of a key, created if absent. It moves to the recent end of its table; `now` is our clock (ms)."""
        table = self.tables.get(identity)
        if table is None:
            table = self.tables[identity] = {}
        window = table.pop(key, None)
        if window is None:
            window = window_of(identity)()
        window.touched = now
        table[key] = window
        self._touched[identity, key] = window
        return window

    def moved(self) -> Iterator[tuple[str, str, Window | Recent]]:
        """Identity, key and window of each window moved since the last poll's end."""
        for (identity, key), window in self._touched.items():
            yield identity, key, window

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """End a poll. Returns changelog records of moved windows and decided rounds; None deletes a record."""
        for (identity, key), window in self._touched.items():
            yield f"{identity}\0{key}".encode(), _encode(window.dump())
        self._touched.clear()
        yield from self.decided.changes()

    def load(self, key: bytes, value: bytes, at: int) -> None:
        """Apply one changelog record, written at `at` (ms). Raises ValueError or msgspec errors for damaged ones."""
        identity, _, name = key.decode().partition("\0")
        if identity in (IDS, ROUNDS):
            self.decided.load(identity, name, value, at)
            return
        # The windows of one event lie together in the changelog. They share one key: a string takes 64 bytes.
        self._loaded = name = self._loaded if name == self._loaded else name
        self.put(identity, name, window_of(identity).load(*_decode(value)), at)

    def put(self, identity: str, key: str, window: Window | Recent, at: int) -> None:
        """Replace the window of a key by one that was moved last at `at` (ms)."""
        table = self.tables.setdefault(identity, {})
        table.pop(key, None)
        table[key] = window
        window.touched = one(at)

    def expire(self, kept: dict[str, int], now: int) -> None:
        """Drop windows that have not moved for `kept` before `now` (ms by identity: window plus lateness).

        Our clock decides, not event times: one SMSC's clock that is hours ahead must not end the counts of others.
        Tables of counters that are no longer declared are dropped as a whole. The changelog needs no tombstones: its
        topic drops entries not written for days, and no window is longer than a day.
        """
        for identity in list(self.tables):
            if identity not in kept:
                del self.tables[identity]
                continue
            table = self.tables[identity]
            for key in list(_untouched(table, now - kept[identity])):
                del table[key]

    def shrink(self, most: int) -> int:
        """Drop windows, so that `most` are left: of the largest table, the least recently moved. Returns how many."""
        excess = max(0, sum(map(len, self.tables.values())) - most)
        for _ in range(excess):
            largest = max(self.tables.values(), key=len)
            del largest[next(iter(largest))]
        return excess


def _untouched(table: dict[str, Window | Recent], oldest: int) -> Iterator[str]:
    for key, window in table.items():
        if window.touched >= oldest:
            return
        yield key


class BatchCounters:
    """The `Counters` of one poll, over the states of its partitions.

    Shared counters are read from `values`, and their moves collected in `increments` for the second stage.
    """

    def __init__(self, sources: Sequence[tuple[PartitionState, int, int]], now: int, values: PartitionState) -> None:
        """`sources` has each event's partition state, lane and offset; `now` in ms."""
        self._sources = sources
        self._now = now
        self._values = values
        self.increments: dict[tuple[str, str], list[tuple[int, Amount]]] = {}  # by identity and key
        self.replayed = 0
        self._state, self._lane, self._offset = sources[0] if sources else (PartitionState(), 0, 0)

    def begin(self, index: int) -> None:
        """See Counters.begin."""
        self._state, self._lane, self._offset = self._sources[index]

    def add(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.add. If the window already includes the event's offset, it is only read."""
        if counter.shared:
            kept = amount if isinstance(amount, int) else amount[-(counter.up_to or 0) :]  # more are not remembered
            place = (counter.identity, key)
            if place in self.increments:
                self.increments[place].append((at, kept))
            else:
                self.increments[place] = [(at, kept)]
            return counter.with_event(self._window(self._values, counter, key), at, amount)
        window = self._state.window(counter.identity, key, self._now)
        if window.include(self._lane, self._offset):
            return counter.move(window, at, amount)
        self.replayed += 1
        return counter.value(window, at, amount)

    def read(self, counter: Counter, key: str, at: int, amount: Amount) -> int:
        """See Counters.read."""
        state = self._values if counter.shared else self._state
        return counter.value(self._window(state, counter, key), at, amount)

    def has(self, counter: Counter, key: str) -> bool:
        """See Counters.has."""
        return self._window(self._values if counter.shared else self._state, counter, key) is not None

    @staticmethod
    def _window(state: PartitionState, counter: Counter, key: str) -> Window | Recent | None:
        table = state.tables.get(counter.identity)
        return None if table is None else table.get(key)
