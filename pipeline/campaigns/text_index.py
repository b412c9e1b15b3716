"""Which known text is a new text a variant of? One look-up a text, in bounded memory.

A hash table of bands (`sketches`) finds candidates, and their sketches are then compared. So the table may lose or
confuse entries: each slot holds only the last text written to it. Rows are reused in a ring; a row whose group was seen
since the ring's last pass is skipped.

A text without a match is the first of a new group. A text joins a group if it is similar enough to the group's first
text, or more similar to one of up to MAX_MEMBERS members that are kept because they differ from the first. Joining
through a member needs more similarity, because chains of small changes lead from one campaign to another.

When the sketches share too little, the signs of the text are aligned with those of each first text. Two variants of
one text with three changed characters each differ in 6 of 60 signs, but in a third of their shingles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq

from pipeline.campaigns.sketches import BANDS, NONE, SIGNS, SIZE, Sketches, in_order
from pipeline.text.tape import Flags

MAX_MEMBERS = 8  # texts kept of a group
# The thresholds were chosen on labelled fake-base-station messages and on variants as in tests/harness/variants.py.
_NEAR = 0.71  # least Jaccard similarity to the group's first text
_NEAR_SHORT = 0.74  # the same for a text whose signs are kept: alignment finds what this misses
_NEAR_OTHERS = 0.80  # least similarity to a kept member
_INSIDE = 0.80  # least share of the smaller text's shingles found in the larger, for a text padded with other words
_PADDED = 1.15  # such a larger text has at least so many times the shingles of the smaller
_CHANGED = 6  # most shingles missing from the other text; one changed character accounts for three
_CHANGED_OTHERS = 3  # the same, compared with a kept member
_CHANGED_NEAR = 0.40  # least similarity for the comparison by changed shingles
_APART = 0.80  # a member less similar to its match is kept
_ALIGNED_EQUAL = 0.89  # least share of signs in the same order, for texts of equally many signs
_ALIGNED = 0.925  # the same for other texts
_ALIGNED_NEAR = 0.25  # least similarity for texts to be aligned at all
_FEWEST_ALIGNED = 20  # signs of a text that is aligned
FEWEST_EQUAL = 4  # a text of fewer shingles matches only equal texts
_FEWEST_PADDED = 12  # shingles of a text that is looked for inside another
_FEWEST_CHANGED = 10  # shingles of a text that is compared by changed shingles
_EVERYTHING = NONE - 1
_CHUNK = 4096  # rows examined together in the search for one to reuse
_NO_ROW = -1
_TOGETHER = 32  # texts of a batch that are compared at once
_WHICH = np.arange(_TOGETHER)[:, None]


@dataclass(frozen=True, slots=True)
class Near:
    """A matching text: its row, the row of its group's first text, and the similarity (0 to 1)."""

    row: int
    group: int
    similarity: float


class TextIndex:
    """Up to `capacity` texts, 285 bytes each. A group not seen for `ttl_ms` is forgotten.

    `id[row]` is the 64-bit id of the row's group. It comes from the group's first text and never changes.
    """

    def __init__(self, capacity: int, ttl_ms: int) -> None:
        """Raises ValueError for a capacity under 2: a group's first text stays while a second one joins."""
        if capacity < 2:
            raise ValueError(f"capacity {capacity}: at least two texts expected")
        self.capacity = capacity
        self.id = np.zeros(capacity, dtype=np.uint64)
        self.seen = np.full(
            capacity, np.iinfo(np.int64).min, dtype=np.int64
        )  # ms; for a group, in the row of its first text
        self._ttl = ttl_ms
        # np.empty allocates no memory before it is written, and unused rows are never read.
        self._shingles = np.empty((capacity, SIZE), dtype=np.uint16)
        self._signs = np.zeros((capacity, SIGNS), dtype=np.uint8)
        self._counts = np.zeros(capacity, dtype=np.uint16)
        self._whole = np.zeros(capacity, dtype=np.uint64)
        self._first = np.full(capacity, _NO_ROW, dtype=np.int32)
        self._members = np.zeros(capacity, dtype=np.uint8)
        self._used = np.zeros(capacity, dtype=np.bool_)
        self._hand = 0
        # One slot a text, rounded up to a power of two. An entry survives as long as its row with probability
        # 1/e, and one of seventeen entries is enough.
        bits = max(8, (capacity - 1).bit_length())
        self._slots = np.zeros((BANDS + 1) << bits, dtype=np.int32)  # row + 1
        self._shift = np.uint64(64 - bits)
        self._offsets = np.arange(BANDS + 1, dtype=np.int64) << bits
        self._marked = np.zeros((_TOGETHER, NONE + 1), dtype=np.bool_)

    def places(self, sketches: Sketches) -> NDArray[np.int64]:
        """The slots of each text of a batch, which `near` reads and `keep` writes."""
        hashes = np.concatenate((sketches.whole[:, None], sketches.bands), axis=1)
        return (hashes >> self._shift).astype(np.int64) + self._offsets

    def near(self, sketches: Sketches, places: NDArray[np.int64], t: int, at: int) -> Near | None:
        """The text most similar to text t of the batch, among groups alive at `at` (ms); of equals the lowest row."""
        return self._nearest(sketches, places, range(t, t + 1), at)[0]

    def near_each(self, sketches: Sketches, places: NDArray[np.int64], at: int) -> list[Near | None]:
        """What `near` returns for each text of the batch. It takes a third of the time, because _TOGETHER texts are
        compared at once.
        """
        found: list[Near | None] = []
        for first in range(0, len(sketches), _TOGETHER):
            found += self._nearest(sketches, places, range(first, min(first + _TOGETHER, len(sketches))), at)
        return found

    def _nearest(self, sketches: Sketches, places: NDArray[np.int64], texts: range, at: int) -> list[Near | None]:
        found: list[Near | None] = []
        owners: list[int] = []  # for each row to compare, the index of its text in `texts`
        rows: list[int] = []
        counts = sketches.counts[texts.start : texts.stop].tolist()
        slots = self._slots[places[texts.start : texts.stop]] - 1
        met: list[set[int]] = [set() for _ in texts]
        at_slot = np.nonzero(slots >= 0)
        of_slots = slots[at_slot]
        alive = self._alive(of_slots, at)
        # A member overwrites the slots of its first text, so the first text is always compared too.
        pairs = of_slots[alive], self._first[of_slots[alive]], at_slot[0][alive], at_slot[1][alive]
        for row, first, owner, slot in zip(*(each.tolist() for each in pairs), strict=True):
            if slot == 0 or counts[owner] >= FEWEST_EQUAL:
                met[owner] |= {row, first}
        for owner, (t, count) in enumerate(zip(texts, counts, strict=True)):
            if not met[owner]:
                found.append(None)
                continue
            candidates = sorted(met[owner])
            equal = self._equal(candidates, sketches.whole[t])
            found.append(equal)
            if equal is None and count >= FEWEST_EQUAL:
                owners += [owner] * len(candidates)
                rows += candidates
        if rows:
            self._compare(sketches, texts, np.array(owners), np.array(rows), found)
        return found

    def _equal(self, rows: Sequence[int], whole: np.uint64) -> Near | None:
        for row in rows:
            if self._whole[row] == whole:
                return Near(row, int(self._first[row]), 1.0)
        return None

    def keep(self, sketches: Sketches, places: NDArray[np.int64], t: int, at: int, group: int | None, name: int) -> int:
        """Store text t as a member of `group`, or as the first of a new group with the id `name`; returns its row."""
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
        """Whether a text of `count` shingles that matched `near` is worth keeping as a member.

        It is if it differs from its match, or if it is the shorter one of a padded pair: other padded texts contain it.
        """
        if self._members[near.group] >= MAX_MEMBERS:
            return False
        return near.similarity < _APART or count * _PADDED <= int(self._counts[near.row])

    def touch(self, near: Near, at: int) -> None:
        """Note that the group was seen at `at` (ms) through this match; both rows stay in use."""
        self.see(near.group, at)
        self._used[near.row] = True

    def see(self, group: int, at: int) -> None:
        """Note that the group was seen at `at` (ms)."""
        if at > self.seen[group]:
            self.seen[group] = at
        self._used[group] = True

    def _alive(self, rows: NDArray[np.int32], at: int) -> Flags:
        """Whether the group of each row is still the one of its first text, and was seen lately."""
        first = self._first[rows]
        alive: Flags = (self.id[first] == self.id[rows]) & (self.seen[first] >= at - self._ttl)
        return alive

    def _compare(
        self,
        sketches: Sketches,
        texts: range,
        owners: NDArray[np.int64],
        rows: NDArray[np.int64],
        found: list[Near | None],
    ) -> None:
        """Compare each row with the text of its owner, and put the best match of each owner into `found`.

        `owners` are indexes of `texts`, ascending; the rows of one owner ascend.
        """
        part = slice(texts.start, texts.stop)
        shingles = sketches.shingles[part]
        count, last = sketches.counts[part][owners], shingles[owners, -1]
        others = self._shingles[rows]
        counts = self._counts[rows].astype(np.int64)
        # Of sampled sketches, only the range that both cover is compared.
        reach = np.where(counts > SIZE, others[:, -1], _EVERYTHING)
        reach = np.minimum(reach, np.where(count > SIZE, last, _EVERYTHING))[:, None]
        within = others <= reach
        which = _WHICH[: len(texts)]
        self._marked[which, shingles] = True
        self._marked[:, NONE] = False
        common = (self._marked[owners[:, None], others] & within).sum(axis=1)
        self._marked[which, shingles] = False
        mine, theirs = (shingles[owners] <= reach).sum(axis=1), within.sum(axis=1)
        similarity = common / np.maximum(mine + theirs - common, 1)
        fewer, more = np.minimum(mine, theirs), np.maximum(mine, theirs)
        smaller, larger = np.minimum(counts, count), np.maximum(counts, count)
        of_first = self._first[rows] == rows
        short = (self._signs[rows, 0] > 0) & (sketches.signs[part, 0][owners] > 0)
        near = similarity >= np.where(of_first, np.where(short, _NEAR_SHORT, _NEAR), _NEAR_OTHERS)
        padded = (common >= _INSIDE * fewer) & (larger >= _PADDED * smaller)
        changed = (more - common <= np.where(of_first, _CHANGED, _CHANGED_OTHERS)) & (larger <= SIZE)
        near |= padded & (fewer >= _FEWEST_PADDED)
        near |= changed & (similarity >= _CHANGED_NEAR) & (fewer >= _FEWEST_CHANGED)
        best: dict[int, int] = {}
        for i in np.flatnonzero(near).tolist():
            owner = int(owners[i])
            if owner not in best or similarity[i] > similarity[best[owner]]:
                best[owner] = i
        for owner, i in best.items():
            found[owner] = Near(int(rows[i]), int(self._first[rows[i]]), float(similarity[i]))
        alike: dict[int, list[int]] = {}
        for i in np.flatnonzero(of_first & short & (similarity >= _ALIGNED_NEAR)).tolist():
            alike.setdefault(int(owners[i]), []).append(int(rows[i]))
        for owner, firsts in alike.items():
            if owner not in best:
                found[owner] = self._aligned(in_order(sketches.signs[texts[owner]]), firsts)

    def _aligned(self, signs: bytes, firsts: Sequence[int]) -> Near | None:
        """The first text whose signs align best with these, if well enough."""
        best: Near | None = None
        for row in firsts if len(signs) >= _FEWEST_ALIGNED else ():
            others = in_order(self._signs[row])
            least = _ALIGNED_EQUAL if len(others) == len(signs) else _ALIGNED
            share = LCSseq.normalized_similarity(signs, others, score_cutoff=least)
            if share and (best is None or share > best.similarity):
                best = Near(row, row, share)
        return best

    def _free_row(self, group: int | None) -> int:
        """The next row whose group was not seen since the ring's last pass; never the row `group` itself."""
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
