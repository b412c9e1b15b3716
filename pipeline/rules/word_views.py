"""Words looked for in every view of a batch.

Each view finds what the ones before it could not, and has its own condition for believing it: what
is read more freely must show more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.rules.dictionary_file import Entry, Mode
from pipeline.rules.word_index import ANY, WordIndex
from pipeline.text import leet
from pipeline.text.characters import CJK, MARK, OTHER, SEPARATOR, characters
from pipeline.text.joining import joined
from pipeline.text.lookalike import lookalike
from pipeline.text.normal import Normals, normalise_batch
from pipeline.text.pinyin import pinyin
from pipeline.text.tape import Codes, Tape

_RAW, _NORMAL, _JOINED = 1, 2, 4
_OUTSIDE = (MARK, SEPARATOR, OTHER)  # a border is of class OTHER
_LEAST_LEET = 4  # letters
_LEAST_LOOKS = 3  # characters
_LEAST_SOUNDS = 4  # characters whose sound alone is enough


class Find(msgspec.Struct, frozen=True, gc=False):  # a hostile text makes thousands
    """A word at positions of the raw tape, `end` exclusive."""

    entry: Entry
    start: int
    end: int
    via: str


class _Search:
    """A batch being searched: the normal tape and the finds of all views so far."""

    def __init__(self, normal: Tape) -> None:
        self.normal = normal
        self.found: dict[tuple[Entry, int, int], Find] = {}
        # A memoryview gives an int several times faster than an array: a hostile text is full of finds.
        self._kinds = characters().kind_of(normal.codes).data
        self._origin = normal.origin.data

    def new(
        self, finds: Iterator[tuple[Entry, int, int]], tape: Tape
    ) -> Iterator[tuple[int, int, tuple[Entry, int, int]]]:
        """(start, end, key) of the finds in a view that no earlier view has."""
        origin, ends, found = tape.origin.data, tape.end.data, self.found
        for entry, start, end in finds:
            key = entry, origin[start], ends[end - 1]
            if key not in found:
                yield start, end, key

    def add(self, key: tuple[Entry, int, int], via: str) -> None:
        self.found[key] = Find(*key, via)

    def kinds(self, view: Tape, start: int, end: int) -> list[int]:
        """Classes of the normal tape's code points that a view's span was read from, and of one on each side."""
        first = bisect_left(self._origin, view.origin[start])
        last = bisect_left(self._origin, view.origin[end - 1], first) + 1
        beside = [self._kinds[first - 1]] if first else [OTHER]
        return [*beside, *self._kinds[first : last + 1].tolist()]

    def marked(self, view: Tape, start: int, end: int) -> bool:
        """Whether a sentence mark stands inside the span."""
        return MARK in self.kinds(view, start, end)[1:-1]

    def apart(self, view: Tape, start: int, end: int) -> bool:
        """Whether marks inside the span take a word apart, and do not just end one clause before another.

        They must stand at half of the word's inner borders; around a word of two also outside.
        """
        kinds = self.kinds(view, start, end)
        filling = [kind in (MARK, SEPARATOR) for kind in kinds]
        gaps = sum(one and not before for before, one in pairwise(filling[1:-1]))
        if not gaps:
            return True
        if end - start == 2:
            return kinds[0] in _OUTSIDE or kinds[-1] in _OUTSIDE
        return gaps * 2 >= end - start


class WordViews:
    """Indexes of one dictionary's words, as each view reads them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        written = [entry for entry in entries if entry.mode is not Mode.EXACT]
        tape = normalise_batch([entry.word for entry in written]).tape
        close_tape = joined(tape)[0]
        normal, close = tape.texts(), close_tape.texts()
        patterns = [(_case(entry.word), _RAW, entry) for entry in entries]
        patterns += [(word, _NORMAL, entry) for word, entry in zip(normal, written, strict=True)]
        patterns += [(word, _JOINED, entry) for word, entry in zip(close, written, strict=True)]
        self._words = WordIndex(patterns)
        self._leet = WordIndex(
            (leet.plain(word), ANY, entry)
            for word, entry in zip(normal, written, strict=True)
            if word.isascii() and sum(map(str.isalpha, word)) >= _LEAST_LEET
        )
        chinese = _all_chinese(close_tape)
        read = [
            one
            for one, yes in zip(
                zip(written, close, lookalike(close_tape).texts(), pinyin(close_tape)[0].texts(), strict=True),
                chinese,
                strict=True,
            )
            if yes
        ]
        self._looks = WordIndex((looks, ANY, entry) for entry, word, looks, _ in read if len(word) >= _LEAST_LOOKS)
        self._sounds = WordIndex((sounds, ANY, entry) for entry, word, _, sounds in read if _heard(entry, word))
        self._short_sounds = WordIndex(
            (sounds, ANY, entry) for entry, word, _, sounds in read if not _heard(entry, word)
        )
        self._close = {entry: word for entry, word, _, _ in read}

    def find(self, normals: Normals) -> list[Find]:
        """Every word in every view, in the order of views; of one word in one place the first."""
        search = _Search(normals.tape)
        raw, normal = normals.raw, normals.tape
        cased = raw.replace(_case_of(raw.codes))
        self._search(search, self._words.find(cased.codes, cased.joined(), _RAW), raw, "raw")
        text = "\0".join(normals.texts) + "\0"
        self._search(search, self._words.find(normal.codes, text, _NORMAL), normal, "normal")
        close, merged = joined(normal)
        for start, end, key in search.new(self._words.find(close.codes, close.joined(), _JOINED), close):
            if search.apart(close, start, end):
                search.add(key, "split" if merged[start:end].any() else "joined")
        self._find_leet(search)
        self._find_lookalikes(search, close)
        self._find_sounds(search, close)
        return list(search.found.values())

    def _search(self, search: _Search, finds: Iterator[tuple[Entry, int, int]], tape: Tape, via: str) -> None:
        for _, _, key in search.new(finds, tape):
            search.add(key, via)

    def _find_leet(self, search: _Search) -> None:
        signs = leet.leet_signs(search.normal) if self._leet else None
        if signs is None or not signs.any():
            return
        held = search.normal.holding(signs)
        view, signs = leet.leet(search.normal.keep(held)), signs[held]
        for start, end, key in search.new(self._leet.find(view.codes, view.joined()), view):
            if leet.in_disguise(int(np.count_nonzero(signs[start:end])), end - start):
                search.add(key, "leet")

    def _find_lookalikes(self, search: _Search, close: Tape) -> None:
        if not self._looks:
            return
        view = lookalike(close)
        for start, end, key in search.new(self._looks.find(view.codes, view.joined()), view):
            word = self._close[key[0]]
            other = sum(ord(c) != code for c, code in zip(word, close.codes[start:end].tolist(), strict=True))
            if 0 < other <= len(word) / 2 and not search.marked(close, start, end):
                search.add(key, "lookalike")

    def _find_sounds(self, search: _Search, close: Tape) -> None:
        if not self._sounds and not self._short_sounds:
            return
        view, latin = pinyin(close)
        for start, end, key in search.new(self._sounds.find(view.codes, view.joined()), view):
            if not search.marked(view, start, end):
                search.add(key, "pinyin")
        if not self._short_sounds or not latin.any():
            return
        spelled = view.holding(latin)  # few texts have pinyin letters, and short words sound like many others
        view, latin = view.keep(spelled), latin[spelled]
        for start, end, key in search.new(self._short_sounds.find(view.codes, view.joined()), view):
            if latin[start:end].any() and not search.marked(view, start, end):
                search.add(key, "pinyin")


def _heard(entry: Entry, word: str) -> bool:
    """Whether the word's sound alone is enough to find it."""
    return len(word) >= _LEAST_SOUNDS or entry.mode is Mode.PINYIN


def _all_chinese(tape: Tape) -> list[bool]:
    other = np.cumsum(characters().kind_of(tape.codes) != CJK)[tape.borders]  # a border is no Chinese
    return [bool(count == 1) for count in np.diff(other, prepend=0)]


def _case(word: str) -> str:
    folded = word.casefold()
    if len(folded) == len(word):  # a fold never shortens, so equal length means one for one
        return folded
    return "".join(f if len(f := char.casefold()) == 1 else char for char in word)


@cache
def _case_table() -> NDArray[np.uint32]:
    return np.array([ord(_case(chr(code))) for code in range(0x20000)], dtype=np.uint32)


def _case_of(codes: Codes) -> Codes:
    """The raw tape without case, every code point in its place."""
    table = _case_table()
    if codes.max() < len(table):
        return table[codes]
    return np.where(codes < len(table), table[np.minimum(codes, len(table) - 1)], codes)
