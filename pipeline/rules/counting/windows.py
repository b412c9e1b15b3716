"""Windows of one key over one span of time, as values: time is an argument, and no clock is read.

A `Window` holds counts, a `Recent` the values that were seen last. Both divide time into numbered buckets: 60 of a
sliding window, or one of an hour or a day of the clock. A list of events would need memory for each message (a port at
5,000/s sends 1.5 million in five minutes). 60 buckets cost the same for every key. Their error is at most 1/60 of the
window (5 s of 5 minutes): the window may be shorter by this, never longer.

A window ends at the newest event so far, so the order of arrival does not matter. An event older than the window is not
counted; a late event inside the window counts in its own bucket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

BUCKETS = 60
FEW = 4  # counts or values of a flat tuple: with four of them it takes 100 bytes, and a dict 230

# One object for equal numbers. The windows of one event have the same offset, time and bucket, and each number of their
# own would take 32 bytes.
one = lru_cache(4096)(int)


class Included(msgspec.Struct, gc=False):
    """The source offsets that a window includes: the last one of each lane.

    After a crash, an event at or below it is replayed and not counted again. `touched` is the time (ms) of the last
    change by the clock of the window's owner, which forgets idle windows; no count depends on it.

    There are millions of windows, so they have few fields: a list of offsets would cost 88 bytes each. They hold no
    cycles, so Python's garbage collector need not know them, which would cost 16.
    """

    express: int = -1
    bulk: int = -1
    touched: int = 0
    newest: int = -1  # bucket

    @property
    def offsets(self) -> list[int]:
        """The last included source offset of each lane, -1 if none."""
        return [self.express, self.bulk]

    @offsets.setter
    def offsets(self, offsets: Sequence[int]) -> None:
        self.express, self.bulk = map(one, offsets)

    def include(self, lane: int, offset: int) -> bool:
        """Include the event at this offset. False if it is included already."""
        if lane == 0:
            if offset <= self.express:
                return False
            self.express = offset
        else:
            if offset <= self.bulk:
                return False
            self.bulk = offset
        return True


class Window(Included):
    """Counts. Most keys have few events in a window, so only the counts before the newest bucket are kept one by one.

    A few of them that came in order are a flat tuple of bucket, count, bucket, count, …; others are a dict. The count
    of the newest bucket is what the total has beyond them.
    """

    earlier: dict[int, int] | tuple[int, ...] = ()
    total: int = 0

    @property
    def counts(self) -> dict[int, int]:
        """Counts by bucket, the newest last."""
        earlier = _as_dict(self.earlier)
        return {**earlier, self.newest: self.total - sum(earlier.values())} if self.newest >= 0 else {}

    def add(self, bucket: int, n: int, buckets: int = BUCKETS) -> int:
        """Count n in this bucket and return the total of the window, which has `buckets` buckets."""
        newest, earlier = self.newest, self.earlier
        if bucket > newest:
            oldest = bucket - buckets
            if newest <= oldest or newest < 0:
                self.total, self.earlier = 0, ()
            elif isinstance(earlier, tuple) and len(earlier) < 2 * FEW:
                self.earlier = (*earlier, newest, self.total - sum(earlier[1::2]))
            else:
                self.earlier = earlier = _as_dict(earlier)
                earlier[newest] = self.total - sum(earlier.values())
            self.newest = one(bucket)
            if self.earlier:
                self._forget(oldest)
        elif bucket < newest:
            if bucket <= newest - buckets:
                return self.total
            self.earlier = earlier = _as_dict(earlier)
            earlier[bucket] = earlier.get(bucket, 0) + n
        self.total += n
        return self.total

    def read(self, bucket: int, buckets: int = BUCKETS) -> int:
        """The total of the window that ends with this bucket. Does not change the window."""
        if bucket <= self.newest:
            return self.total
        return sum(n for each, n in self.counts.items() if each > bucket - buckets)

    def _forget(self, oldest: int) -> None:
        earlier = self.earlier
        if isinstance(earlier, tuple):
            while earlier and earlier[0] <= oldest:
                self.total -= earlier[1]
                self.earlier = earlier = earlier[2:]
            return
        for bucket in [b for b in earlier if b <= oldest]:
            self.total -= earlier.pop(bucket)
        if not earlier:
            self.earlier = ()

    def dump(self) -> tuple[list[int], list[int]]:
        """For the changelog: the offsets by lane, and a flat list of bucket, count, bucket, count, …."""
        earlier = self.earlier
        if self.newest >= 0 and isinstance(earlier, tuple):
            return self.offsets, [*earlier, self.newest, self.total - sum(earlier[1::2])]
        return self.offsets, [x for pair in self.counts.items() for x in pair]

    @classmethod
    def load(cls, offsets: list[int], flat: list[int]) -> Window:
        """The inverse of dump. Raises ValueError on an odd number of values."""
        window = cls()
        window.offsets = offsets
        for bucket, n in zip(flat[::2], flat[1::2], strict=True):
            window.add(bucket, n, 1 << 62)  # in any order; the next event forgets what is too old
        return window


class Recent(Included):
    """Distinct values, each with the bucket in which it was seen last; at most a given number, the newest.

    So the number of distinct values is exact up to that number, and this number beyond: whatever a value that was
    dropped, as many others were seen since. A HyperLogLog would count without this bound, but it forgets nothing, and
    a sliding window needs one for each bucket.

    A few values are a flat tuple of bucket, value, bucket, value, …; others are a dict. `derived` keeps what a counter
    computed from the values, until they change.
    """

    seen: dict[int, int] | tuple[int, ...] = ()  # value -> bucket, in order of buckets
    derived: Any = None

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.seen) // 2 if isinstance(self.seen, tuple) else len(self.seen)

    @property
    def values(self) -> Mapping[int, int]:
        """The values, each with the bucket in which it was seen last, in order of buckets."""
        return _by_value(self.seen)

    def add(self, bucket: int, values: Sequence[int], most: int, buckets: int = BUCKETS) -> None:
        """See these values in this bucket, and drop those older than the window or beyond the `most` newest."""
        newest, seen = self.newest, self.seen
        if bucket <= newest - buckets:
            return
        self.derived = None
        if not seen and len(values) == 1 and bucket > newest:  # the first value of a new key
            self.newest = newest = one(bucket)
            self.seen = (newest, values[0])
            return
        oldest = max(bucket, newest) - buckets
        if isinstance(seen, tuple):
            if len(values) == 1 and bucket >= newest:
                if seen[-1] == values[0] and bucket == newest == seen[-2]:  # it came last
                    return
                others = _without(seen, values[0])
                if len(others) < 2 * min(FEW, most):
                    self.newest = newest = one(bucket)
                    while others and others[0] <= oldest:
                        others = others[2:]
                    self.seen = (*others, newest, values[0])
                    return
            seen = _by_value(seen)
        if bucket < newest:
            for value in values:
                seen[value] = max(bucket, seen.get(value, -1))
            seen = dict(sorted(seen.items(), key=_bucket))
        else:
            if bucket > newest:
                self.newest = one(bucket)
            for value in values:
                seen.pop(value, None)
                seen[value] = self.newest
        while len(seen) > most or (seen and next(iter(seen.values())) <= oldest):
            del seen[next(iter(seen))]
        self.seen = seen if len(seen) > FEW else tuple(_flat(seen))

    def read(self, bucket: int, buckets: int = BUCKETS) -> Mapping[int, int]:
        """The values of the window that ends with this bucket, with their buckets."""
        values = self.values
        if bucket <= self.newest or not values or next(iter(values.values())) > bucket - buckets:
            return values
        return {value: last for value, last in values.items() if last > bucket - buckets}

    def dump(self) -> tuple[list[int], list[int]]:
        """For the changelog: the offsets by lane, and a flat list of bucket, value, bucket, value, …."""
        if isinstance(self.seen, tuple):
            return self.offsets, list(self.seen)
        return self.offsets, _flat(self.seen)

    @classmethod
    def load(cls, offsets: list[int], flat: list[int]) -> Recent:
        """The inverse of dump. Raises ValueError on an odd number of values."""
        recent = cls()
        recent.offsets = offsets
        seen = dict(zip(flat[1::2], map(one, flat[::2]), strict=True))
        recent.newest = max(seen.values(), default=-1)
        recent.seen = seen if len(seen) > FEW else tuple(_flat(seen))
        return recent


def _as_dict(counts: dict[int, int] | tuple[int, ...]) -> dict[int, int]:
    """Counts by bucket: the dict itself, or a new one of what a tuple holds."""
    return dict(zip(counts[::2], counts[1::2], strict=True)) if isinstance(counts, tuple) else counts


def _by_value(seen: dict[int, int] | tuple[int, ...]) -> dict[int, int]:
    """Buckets by value: the dict itself, or a new one of what a tuple holds."""
    return dict(zip(seen[1::2], seen[::2], strict=True)) if isinstance(seen, tuple) else seen


def _without(seen: tuple[int, ...], value: int) -> tuple[int, ...]:
    """Bucket, value, bucket, value, … without this value."""
    for place in range(1, len(seen), 2):
        if seen[place] == value:
            return (*seen[: place - 1], *seen[place + 1 :])
    return seen


def _flat(seen: dict[int, int]) -> list[int]:
    """Bucket, value, bucket, value, …."""
    return [x for value, bucket in seen.items() for x in (bucket, value)]


def _bucket(pair: tuple[int, int]) -> int:
    return pair[1]
