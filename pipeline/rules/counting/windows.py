"""Sliding windows of counts, as values: time is an argument, and no clock is read.

A window has 60 buckets. A list of events would need memory for each message (a port at 5,000/s sends 1.5 million in
five minutes). 60 buckets cost the same for every key. Their error is at most 1/60 of the window (5 s of 5 minutes):
the window may be shorter by this, never longer.
"""

from __future__ import annotations

BUCKETS = 60


class Window:
    """Counts of one key over one span of time.

    `offsets` is the last counted source offset of each lane. After a crash, an event at or below it is replayed and not
    counted again. `touched` is the time (ms) of the last change by the clock of the window's owner, which forgets idle
    windows; no count depends on it.
    """

    __slots__ = ("counts", "newest", "offsets", "total", "touched")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.newest = -1
        self.total = 0
        self.offsets = [-1, -1]
        self.touched = 0

    def add(self, at: int, n: int, width: int) -> int:
        """Count n at time `at` (ms) and return the total of the window; `width` is the bucket width in ms.

        An event older than the window is not counted; a late event inside the window counts in its own bucket. The
        window ends at the newest event so far, so the order of arrival does not matter.
        """
        bucket = at // width
        if bucket > self.newest:
            self.newest = bucket
            self._forget(bucket - BUCKETS)
        elif bucket <= self.newest - BUCKETS:
            return self.total
        self.counts[bucket] = self.counts.get(bucket, 0) + n
        self.total += n
        return self.total

    def read(self, at: int, width: int) -> int:
        """The total of the window that ends at `at` (ms). Does not change the window."""
        oldest = at // width - BUCKETS
        if oldest <= self.newest - BUCKETS:
            return self.total
        return sum(n for bucket, n in self.counts.items() if bucket > oldest)

    def _forget(self, oldest: int) -> None:
        counts = self.counts
        for bucket in [b for b in counts if b <= oldest]:
            self.total -= counts.pop(bucket)

    def dump(self) -> tuple[list[int], list[int]]:
        """For the changelog: the offsets by lane, and a flat list of bucket, count, bucket, count, …."""
        return self.offsets, [x for pair in self.counts.items() for x in pair]

    @classmethod
    def load(cls, offsets: list[int], flat: list[int]) -> Window:
        """The inverse of dump. Raises ValueError on an odd number of values."""
        window = cls()
        window.offsets = offsets
        window.counts = dict(zip(flat[::2], flat[1::2], strict=True))
        window.newest = max(window.counts, default=-1)
        window.total = sum(window.counts.values())
        return window
