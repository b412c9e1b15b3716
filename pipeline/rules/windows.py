"""Sliding windows of counts, as values: time is an argument, nothing here has a clock.

A window is a row of 60 buckets. Exact event lists would cost memory by the message (a port at
5,000/s holds 1.5 million in five minutes); 60 buckets cost the same for every key and are off by at
most 1/60 of the window (5 s of 5 minutes), always towards counting less time, never more.
"""

from __future__ import annotations

BUCKETS = 60


class Window:
    """Counts of one key over one span of time.

    `offsets` is the last source offset per lane that the counts reflect: an event at or below it was
    already counted (a replay after a crash) and is not counted again. `touched` is when it was last moved
    by the clock of its holder (ms), which forgets what lies still; no count depends on it.
    """

    __slots__ = ("counts", "newest", "offsets", "total", "touched")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.newest = -1
        self.total = 0
        self.offsets = [-1, -1]
        self.touched = 0

    def add(self, at: int, n: int, width: int) -> int:
        """Count n at time `at` (ms); bucket width in ms. Returns the total of the window.

        An event older than the window is not counted; one merely out of order falls in its bucket.
        The window always ends at the newest event seen, so the order of arrival decides nothing.
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
        """The total of the window that ends at `at` (ms), without moving it."""
        oldest = at // width - BUCKETS
        if oldest <= self.newest - BUCKETS:
            return self.total
        return sum(n for bucket, n in self.counts.items() if bucket > oldest)

    def _forget(self, oldest: int) -> None:
        counts = self.counts
        for bucket in [b for b in counts if b <= oldest]:
            self.total -= counts.pop(bucket)

    def dump(self) -> tuple[list[int], list[int]]:
        """Offsets by lane, and bucket, count, bucket, count, … for the changelog."""
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
