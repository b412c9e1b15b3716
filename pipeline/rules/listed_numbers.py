"""The numbers of one list, in about 5 bytes each: ten million blocked numbers must fit into every worker.

Numbers of up to 18 digits are sorted and lie in leaves of about a thousand. A leaf holds the distance of each number
from its first one (32 bits) and the place of its mark in a table of the leaf: entries of one import share reason and
end. A change copies one leaf. Longer numbers and other texts lie in a dict.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAF = 1000  # numbers in a full leaf
_SPAN = 1 << 32  # distances within a leaf are below
_DIGITS = 18  # of the longest number whose key fits into 63 bits


class Mark(NamedTuple):
    """What an entry tells of its number. `expires` is epoch ms."""

    reason: str
    expires: int


class _Leaf(NamedTuple):
    distances: array[int]  # from the first number, ascending
    places: array[int]  # of each number's mark in `marks`
    marks: tuple[Mark, ...]


class Differing(NamedTuple):
    """Which numbers differ between two lists: how many, and some of them in order, with the marks that they had and
    have."""

    added: int
    removed: int
    changed: int
    some: Sequence[tuple[str, Mark | None, Mark | None]]


class Gathering:
    """The numbers of one list while its entries are read."""

    __slots__ = ("_keys", "_marks", "_others", "_places")

    def __init__(self) -> None:
        self._keys, self._places = array("q"), array("I")
        self._marks: dict[Mark, int] = {}  # mark -> its place
        self._others: dict[str, Mark] = {}

    def add(self, value: str, mark: Mark) -> None:
        """Add a number in canonical form. Of two marks for it, the later `expires` counts; if equal, the last one."""
        key = _key(value)
        if key is not None:
            self._keys.append(key)
            self._places.append(self._marks.setdefault(mark, len(self._marks)))
        elif value not in self._others or self._others[value].expires <= mark.expires:
            self._others[value] = mark

    def numbers(self) -> ListedNumbers:
        """What was added."""
        marks = tuple(self._marks)
        keys, places = np.frombuffer(self._keys, np.int64), np.frombuffer(self._places, np.uint32)
        expires = np.array([mark.expires for mark in marks], np.int64)[places]
        order = np.lexsort((expires, keys))  # stable: of equal ones the last stays last
        keys, places = keys[order], places[order]
        last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
        keys, places = keys[last], places[last]
        found = ListedNumbers()
        found._others = self._others
        start = 0
        while start < len(keys):
            end = min(start + LEAF, int(np.searchsorted(keys, keys[start] + _SPAN)))
            found._append(keys[start:end].tolist(), [marks[place] for place in places[start:end].tolist()])
            start = end
        return found


class ListedNumbers:
    """A map from numbers to marks. Immutable."""

    __slots__ = ("_first", "_leaves", "_others")

    def __init__(self) -> None:
        self._first: list[int] = []  # key of the first number of each leaf
        self._leaves: list[_Leaf] = []
        self._others: dict[str, Mark] = {}

    def _append(self, keys: list[int], marks: list[Mark]) -> None:
        """Add a leaf of ascending keys, all above the keys so far."""
        table = {mark: place for place, mark in enumerate(dict.fromkeys(marks))}
        places = array("B" if len(table) <= 256 else "H", [table[mark] for mark in marks])
        self._first.append(keys[0])
        self._leaves.append(_Leaf(array("I", [key - keys[0] for key in keys]), places, tuple(table)))

    def __bool__(self) -> bool:
        return bool(self._leaves or self._others)

    def __iter__(self) -> Iterator[str]:
        for first, leaf in zip(self._first, self._leaves, strict=True):
            for distance in leaf.distances:
                yield str(first + distance)[1:]
        yield from self._others

    def __len__(self) -> int:
        return sum(len(leaf.distances) for leaf in self._leaves) + len(self._others)

    def get(self, value: str) -> Mark | None:
        """The mark of a number in canonical form; None if it is not listed."""
        if not (len(value) <= _DIGITS and value.isdigit() and value.isascii()):
            return self._others.get(value)
        key = int("1" + value)  # as `_key`, without the call
        n = bisect_right(self._first, key) - 1
        if n < 0:
            return None
        distance, leaf = key - self._first[n], self._leaves[n]
        i = bisect_left(leaf.distances, distance)
        if i == len(leaf.distances) or leaf.distances[i] != distance:
            return None
        return leaf.marks[leaf.places[i]]

    def differing(self, before: ListedNumbers, most: int) -> Differing:
        """What is different from `before`; `some` has up to `most` numbers of each sort."""
        ids: dict[Mark, int] = {}
        (old, old_marks), (new, new_marks) = before._columns(ids), self._columns(ids)
        places = np.searchsorted(old, new)
        inside = places < len(old)
        known = np.zeros(len(new), bool)
        known[inside] = old[places[inside]] == new[inside]
        other = known.copy()
        other[known] = old_marks[places[known]] != new_marks[known]
        gone = ~np.isin(old, new, assume_unique=True)
        named = [str(key)[1:] for keys in (new[~known], old[gone], new[other]) for key in keys[:most].tolist()]
        others = [value for value in {**before._others, **self._others} if before.get(value) != self.get(value)]
        counts = [int((~known).sum()), int(gone.sum()), int(other.sum())]
        for value in others:
            counts[0 if before.get(value) is None else 1 if self.get(value) is None else 2] += 1
        some = [(value, before.get(value), self.get(value)) for value in (*named, *others[:most])]
        return Differing(counts[0], counts[1], counts[2], some)

    def _columns(self, ids: dict[Mark, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The keys, ascending, and the number of each one's mark in `ids`, which learns new marks."""
        if not self._leaves:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        keys = [
            np.asarray(leaf.distances, np.int64) + first for first, leaf in zip(self._first, self._leaves, strict=True)
        ]
        marks = [
            np.array([ids.setdefault(mark, len(ids)) for mark in leaf.marks], np.int64)[np.asarray(leaf.places)]
            for leaf in self._leaves
        ]
        return np.concatenate(keys), np.concatenate(marks)

    def replaced(self, changes: Mapping[str, Mark | None]) -> ListedNumbers:
        """These numbers with other marks; None removes a number. Copies the leaves that change."""
        changed = ListedNumbers()
        changed._others = dict(self._others)
        by_leaf: defaultdict[int, dict[int, Mark | None]] = defaultdict(dict)
        for value, mark in changes.items():
            key = _key(value)
            if key is not None:
                by_leaf[max(0, bisect_right(self._first, key) - 1)][key] = mark
            elif mark is not None:
                changed._others[value] = mark
            else:
                changed._others.pop(value, None)
        done = 0
        for n in sorted(by_leaf):
            changed._first += self._first[done:n]
            changed._leaves += self._leaves[done:n]
            changed._merge(self._of_leaf(n), by_leaf[n])
            done = n + 1
        changed._first += self._first[done:]
        changed._leaves += self._leaves[done:]
        return changed

    def _of_leaf(self, n: int) -> dict[int, Mark]:
        if n >= len(self._leaves):
            return {}
        first, leaf = self._first[n], self._leaves[n]
        return {first + d: leaf.marks[place] for d, place in zip(leaf.distances, leaf.places, strict=True)}

    def _merge(self, known: dict[int, Mark], changes: Mapping[int, Mark | None]) -> None:
        """Append the leaves of `known` with its changes."""
        after = {**known, **changes}
        keys = sorted(key for key, mark in after.items() if mark is not None)
        # A full leaf that takes one more number is cut in halves, or the next number would cut it again.
        size = LEAF if len(keys) <= LEAF or len(keys) > 2 * LEAF else -(-len(keys) // 2)
        start = 0
        while start < len(keys):
            end = min(start + size, bisect_left(keys, keys[start] + _SPAN))
            part = keys[start:end]
            self._append(part, [mark for key in part if (mark := after[key]) is not None])
            start = end


def _key(value: str) -> int | None:
    """A number with 1 before its digits, so that 0138 and 138 stay apart. None for a long number or another text."""
    return int("1" + value) if len(value) <= _DIGITS and value.isdigit() and value.isascii() else None
