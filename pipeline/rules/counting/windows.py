"""Windows of one key over one span of time, as values: time is an argument, and no clock is read.

A `Window` holds counts, a `Recent` the values that were seen last. Both divide time into numbered buckets: 60 of a
sliding window, or one of an hour or a day of the clock. A list of events would need memory for each message (a port at
5,000/s sends 1.5 million in five minutes). 60 buckets cost the same for every key. Their error is at most 1/60 of the
window (5 s of 5 minutes): the window may be shorter by this, never longer.

A window ends at the newest event so far, so the order of arrival does not matter. An event older than the window is not
counted; a late event inside the window counts in its own bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

BUCKETS = 60
_FEW = 8  # items of a tuple: a dict takes 250 bytes with the same four counts, the tuple half of it


class Included:
    """The source offsets that a window includes: the last one of each lane.

    After a crash, an event at or below it is replayed and not counted again. `touched` is the time (ms) of the last
    change by the clock of the window's owner, which forgets idle windows; no count depends on it.
    """

    __slots__ = ("_bulk", "_express", "touched")  # there are millions: a list of offsets would cost 88 bytes each

    def __init__(self) -> None:
        self._express = self._bulk = -1
        self.touched = 0

    @property
    def offsets(self) -> list[int]:
        """The last included source offset of each lane, -1 if none."""
        return [self._express, self._bulk]

    @offsets.setter
    def offsets(self, offsets: Sequence[int]) -> None:
        self._express, self._bulk = offsets

    def include(self, lane: int, offset: int) -> bool:
        """Include the event at this offset. False if it is included already."""
        if lane == 0:
            if offset <= self._express:
                return False
            self._express = offset
        else:
            if offset <= self._bulk:
                return False
            self._bulk = offset
        return True


class Window(Included):
    """Counts. Most keys have few events in a window, so the counts before the newest bucket are apart.

    A few of them that came in order are a flat tuple of bucket, count, bucket, count, …; others are a dict.
    """

    __slots__ = ("_earlier", "_latest", "newest", "total")

    def __init__(self) -> None:
        super().__init__()
        self._earlier: dict[int, int] | tuple[int, ...] = ()
        self._latest = 0
        self.newest = -1
        self.total = 0

    @property
    def counts(self) -> dict[int, int]:
        """Counts by bucket, the newest last."""
        return {**_as_dict(self._earlier), self.newest: self._latest} if self.newest >= 0 else {}

    def add(self, bucket: int, n: int, buckets: int = BUCKETS) -> int:
        """Count n in this bucket and return the total of the window, which has `buckets` buckets."""
        if bucket == self.newest:
            self._latest += n
        elif bucket > self.newest:
            if self.newest >= 0 and self.newest > bucket - buckets:
                if isinstance(self._earlier, tuple) and len(self._earlier) < _FEW:
                    self._earlier = (*self._earlier, self.newest, self._latest)
                else:
                    self._earlier = _as_dict(self._earlier)
                    self._earlier[self.newest] = self._latest
            else:
                self.total -= self._latest
            self.newest, self._latest = bucket, n
            if self._earlier:
                self._forget(bucket - buckets)
        elif bucket > self.newest - buckets:
            self._earlier = _as_dict(self._earlier)
            self._earlier[bucket] = self._earlier.get(bucket, 0) + n
        else:
            return self.total
        self.total += n
        return self.total

    def read(self, bucket: int, buckets: int = BUCKETS) -> int:
        """The total of the window that ends with this bucket. Does not change the window."""
        if bucket <= self.newest:
            return self.total
        return sum(n for each, n in self.counts.items() if each > bucket - buckets)

    def _forget(self, oldest: int) -> None:
        earlier = self._earlier
        if isinstance(earlier, tuple):
            while earlier and earlier[0] <= oldest:
                self.total -= earlier[1]
                self._earlier = earlier = earlier[2:]
            return
        for bucket in [b for b in earlier if b <= oldest]:
            self.total -= earlier.pop(bucket)
        if not earlier:
            self._earlier = ()

    def dump(self) -> tuple[list[int], list[int]]:
        """For the changelog: the offsets by lane, and a flat list of bucket, count, bucket, count, …."""
        if self.newest >= 0 and isinstance(self._earlier, tuple):
            return self.offsets, [*self._earlier, self.newest, self._latest]
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
    """

    __slots__ = ("_newest", "values")

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[int, int] = {}  # value -> bucket, in order of buckets
        self._newest = -1

    def add(self, bucket: int, values: Iterable[int], most: int, buckets: int = BUCKETS) -> None:
        """See these values in this bucket, and drop those older than the window or beyond the `most` newest."""
        seen = self.values
        if bucket <= self._newest - buckets:
            return
        if bucket < self._newest:
            for value in values:
                seen[value] = max(bucket, seen.get(value, -1))
            self.values = seen = dict(sorted(seen.items(), key=_bucket))
        else:
            for value in values:
                seen.pop(value, None)
                seen[value] = bucket
            self._newest = bucket
        while len(seen) > most or (seen and next(iter(seen.values())) <= self._newest - buckets):
            del seen[next(iter(seen))]

    def read(self, bucket: int, buckets: int = BUCKETS) -> dict[int, int]:
        """The values of the window that ends with this bucket, with their buckets."""
        if bucket <= self._newest:
            return self.values
        return {value: last for value, last in self.values.items() if last > bucket - buckets}

    def dump(self) -> tuple[list[int], list[int]]:
        """For the changelog: the offsets by lane, and a flat list of bucket, value, bucket, value, …."""
        return self.offsets, [x for value, bucket in self.values.items() for x in (bucket, value)]

    @classmethod
    def load(cls, offsets: list[int], flat: list[int]) -> Recent:
        """The inverse of dump. Raises ValueError on an odd number of values."""
        recent = cls()
        recent.offsets = offsets
        recent.values = dict(zip(flat[1::2], flat[::2], strict=True))
        recent._newest = max(recent.values.values(), default=-1)
        return recent


def _as_dict(counts: dict[int, int] | tuple[int, ...]) -> dict[int, int]:
    """Counts by bucket: the dict itself, or a new one of what a tuple holds."""
    return dict(zip(counts[::2], counts[1::2], strict=True)) if isinstance(counts, tuple) else counts


def _bucket(pair: tuple[int, int]) -> int:
    return pair[1]
