"""Which known text is a new one a variant of? In bounded memory, one look a text.

A text is met in tables of bands (`sketches`), then compared by its sketch, so a table may forget or
mistake: a slot holds the last text that was written there. Rows are used again in a ring, the ones
whose group was not seen since the ring last came by first.

A group begins with a text, its first. Others join it that are near enough to the first, or nearer to
one of up to MAX_MEMBERS others that are kept because they stand apart from it. Joining through others
is harder: chains of small changes lead from one campaign to another.

Where the sketches have too little in common, the signs of the text are laid beside those of each first:
two recipients' variants of one text, three characters changed in each, differ in 6 of 60 signs, but in a third
of their shingles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq

from pipeline.campaigns.sketches import BANDS, NONE, SIGNS, SIZE, Shingles, Sketches, in_order

MAX_MEMBERS = 8
# Jaccard similarity; the share of the smaller text found in the larger, for one padded with other words: so much
# longer, at least; and for a text of few shingles those of the larger not found in the smaller (a changed character
# takes three), with the least similarity. Chosen on labelled fake-base-station messages and on variants as in
# tests/harness/variants.py.
# SHORT are texts whose signs are kept.
_NEAR, _NEAR_SHORT, _NEAR_OTHERS = 0.71, 0.74, 0.80
_INSIDE, _PADDED = 0.80, 1.15
_CHANGED, _CHANGED_OTHERS, _CHANGED_NEAR = 6, 3, 0.40
_APART = 0.80  # members less similar than that to the one they were found by are kept
# Share of signs in the same order: of texts of as many signs, of others; asked from that similarity on.
_ALIGNED_EQUAL, _ALIGNED, _ALIGNED_NEAR = 0.89, 0.925, 0.25
_FEWEST_ALIGNED = 20  # signs
FEWEST_EQUAL = 4  # texts of fewer shingles have only equals
_FEWEST_PADDED, _FEWEST_CHANGED = 12, 10  # shingles compared, for a text to be found inside another, or changed
_EVERYTHING = NONE - 1
_CHUNK = 4096  # rows looked at together when one is to be used again
_NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Near:
    """A known text: its row, that of its group's first, and the similarity (0 to 1)."""

    row: int
    group: int
    similarity: float


class TextIndex:
    """Up to `capacity` texts; groups not seen for `ttl_ms` are forgotten. 285 bytes a text.

    `id[row]` is the 64-bit id of the row's group: that of its first text. It never changes.
    """

    def __init__(self, capacity: int, ttl_ms: int) -> None:
        """Raises ValueError for a capacity under 2: a group's first text must stay while another joins it."""
        if capacity < 2:
            raise ValueError(f"capacity {capacity}: at least two texts expected")
        self.capacity = capacity
        self.id = np.zeros(capacity, dtype=np.uint64)
        self.seen = np.full(capacity, np.iinfo(np.int64).min, dtype=np.int64)  # ms; of a group, at its first
        self._ttl = ttl_ms
        # What is not written takes no memory: a row's shingles are read only once it is used.
        self._shingles = np.empty((capacity, SIZE), dtype=np.uint16)
        self._signs = np.zeros((capacity, SIGNS), dtype=np.uint8)
        self._counts = np.zeros(capacity, dtype=np.uint16)
        self._whole = np.zeros(capacity, dtype=np.uint64)
        self._first = np.full(capacity, _NO_ROW, dtype=np.int32)
        self._members = np.zeros(capacity, dtype=np.uint8)
        self._used = np.zeros(capacity, dtype=np.bool_)
        self._hand = 0
        # As many slots as texts, to a power of two: an entry lives as long as its row with chance 1/e, and one
        # of seventeen is enough.
        bits = max(8, (capacity - 1).bit_length())
        self._slots = np.zeros((BANDS + 1) << bits, dtype=np.int32)  # row + 1
        self._shift = np.uint64(64 - bits)
        self._offsets = np.arange(BANDS + 1, dtype=np.int64) << bits
        self._marked = np.zeros(NONE + 1, dtype=np.bool_)

    def places(self, sketches: Sketches) -> NDArray[np.int64]:
        """The slots of each text of a batch: where `near` and `keep` look and write."""
        hashes = np.concatenate((sketches.whole[:, None], sketches.bands), axis=1)
        return (hashes >> self._shift).astype(np.int64) + self._offsets

    def near(self, sketches: Sketches, places: NDArray[np.int64], t: int, at: int) -> Near | None:
        """Of groups alive at `at` (ms) the text most like text t of the batch; of equals the lowest row."""
        count = int(sketches.counts[t])
        slots = self._slots[places[t] if count >= FEWEST_EQUAL else places[t, :1]] - 1
        met = {row for row in slots.tolist() if row >= 0 and self._alive(row, at)}
        if not met:
            return None
        # A member writes over the slots of its first, which variants are nearest to: it is always looked at too.
        rows = sorted(met | {int(self._first[row]) for row in met})
        whole = sketches.whole[t]
        for row in rows:
            if self._whole[row] == whole:
                return Near(row, int(self._first[row]), 1.0)
        if count < FEWEST_EQUAL:
            return None
        return self._nearest(sketches.shingles[t], in_order(sketches.signs[t]), count, np.array(rows))

    def keep(self, sketches: Sketches, places: NDArray[np.int64], t: int, at: int, group: int | None, name: int) -> int:
        """Store text t, as the first of a new group with the id `name`, or as a member of `group`; its row."""
        row = self._free_row(group)
        self._shingles[row] = sketches.shingles[t]
        self._signs[row] = sketches.signs[t]
        self._counts[row] = min(int(sketches.counts[t]), 0xFFFF)
        self._whole[row] = sketches.whole[t]
        self.id[row] = name
        self.seen[row] = at
        self._used[row] = True
        self._first[row] = row if group is None else group
        self._members[row if group is None else group] = 1 if group is None else self._members[group] + 1
        self._slots[places[t] if sketches.counts[t] >= FEWEST_EQUAL else places[t, :1]] = row + 1
        return row

    def worth_keeping(self, near: Near, count: int) -> bool:
        """Whether a text of `count` shingles, found by `near`, would find more than that one does.

        One that differs does; and the shorter of a padded text, since other paddings of it contain it.
        """
        if self._members[near.group] >= MAX_MEMBERS:
            return False
        return near.similarity < _APART or count * _PADDED <= int(self._counts[near.row])

    def touch(self, near: Near, at: int) -> None:
        """The group was seen at `at` (ms): it lives on, and the text it was found by is worth its row."""
        self.see(near.group, at)
        self._used[near.row] = True

    def see(self, group: int, at: int) -> None:
        """The group lives on from `at` (ms)."""
        if at > self.seen[group]:
            self.seen[group] = at
        self._used[group] = True

    def _alive(self, row: int, at: int) -> bool:
        first = self._first[row]
        return bool(self.id[first] == self.id[row] and self.seen[first] >= at - self._ttl)

    def _nearest(self, shingles: Shingles, signs: bytes, count: int, rows: NDArray[np.int64]) -> Near | None:
        others = self._shingles[rows]
        counts = self._counts[rows].astype(np.int64)
        # Where a sketch is a sample, both are compared as far as the shorter reaches.
        reach = np.where(counts > SIZE, others[:, -1], _EVERYTHING)
        reach = np.minimum(reach, shingles[-1] if count > SIZE else _EVERYTHING)[:, None]
        within = others <= reach
        self._marked[shingles] = True
        self._marked[NONE] = False
        common = (self._marked[others] & within).sum(axis=1)
        self._marked[shingles] = False
        mine, theirs = (shingles[None, :] <= reach).sum(axis=1), within.sum(axis=1)
        similarity = common / np.maximum(mine + theirs - common, 1)
        fewer, more = np.minimum(mine, theirs), np.maximum(mine, theirs)
        smaller, larger = np.minimum(counts, count), np.maximum(counts, count)
        of_first = self._first[rows] == rows
        short = (self._signs[rows, 0] > 0) & bool(signs)
        near = similarity >= np.where(of_first, np.where(short, _NEAR_SHORT, _NEAR), _NEAR_OTHERS)
        padded = (common >= _INSIDE * fewer) & (larger >= _PADDED * smaller)
        changed = (more - common <= np.where(of_first, _CHANGED, _CHANGED_OTHERS)) & (larger <= SIZE)
        near |= padded & (fewer >= _FEWEST_PADDED)
        near |= changed & (similarity >= _CHANGED_NEAR) & (fewer >= _FEWEST_CHANGED)
        if not near.any():
            return self._aligned(signs, rows[of_first & short & (similarity >= _ALIGNED_NEAR)].tolist())
        best = int(np.argmax(np.where(near, similarity, -1.0)))
        return Near(int(rows[best]), int(self._first[rows[best]]), float(similarity[best]))

    def _aligned(self, signs: bytes, firsts: Sequence[int]) -> Near | None:
        """The first whose signs are most like these, if they are like enough."""
        best: Near | None = None
        for row in firsts if len(signs) >= _FEWEST_ALIGNED else ():
            others = in_order(self._signs[row])
            least = _ALIGNED_EQUAL if len(others) == len(signs) else _ALIGNED
            share = LCSseq.normalized_similarity(signs, others, score_cutoff=least)
            if share and (best is None or share > best.similarity):
                best = Near(row, row, share)
        return best

    def _free_row(self, group: int | None) -> int:
        """The next row whose group was not seen since the ring last came by; never that of `group` itself."""
        while True:
            chunk = self._used[self._hand : self._hand + _CHUNK]
            if group is not None and self._hand <= group < self._hand + len(chunk):
                chunk[group - self._hand] = True
            free = int(np.argmin(chunk))
            if not chunk[free]:
                row = self._hand + free
                chunk[:free] = False
                self._hand = (row + 1) % self.capacity
                return row
            chunk[:] = False
            self._hand = (self._hand + len(chunk)) % self.capacity
