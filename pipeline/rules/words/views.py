"""Searches words in every view of a batch.

Each view adds finds that the earlier views cannot make, and has its own condition for accepting them: the looser the
reading, the more evidence it needs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache, cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.rules.words.dictionary_file import Entry, Mode
from pipeline.rules.words.index import ANY, WordIndex
from pipeline.text import leet
from pipeline.text.characters import CJK, MARK, OTHER, SEPARATOR, characters
from pipeline.text.joining import joined
from pipeline.text.lookalike import lookalike
from pipeline.text.normal import Normals, normalise_batch
from pipeline.text.pinyin import pinyin
from pipeline.text.tape import Codes, Flags, Tape, after

MOST_PLACES = 40  # finds of one word in one text; more would change neither decision nor display
_RAW, _NORMAL, _JOINED = 1, 2, 4
_OUTSIDE = (MARK, SEPARATOR, OTHER)  # a border is of class OTHER
_LEAST_LEET = 4  # least letters of a word searched in leet
_LEAST_LOOKS = 3  # least characters of a word searched by look-alikes
_LEAST_SOUNDS = 4  # least characters of a word found by sound alone


class Find(msgspec.Struct, frozen=True, gc=False):  # no GC: a hostile text causes thousands
    """A word at positions of the raw tape, `end` exclusive."""

    entry: Entry
    start: int
    end: int
    via: str


class _Search:
    """The state of one search: the normal tape of the batch and the finds of all views so far.

    A hostile text is full of finds, so each find must be cheap to check: a few look-ups in memoryviews, which return an
    int several times faster than arrays.
    """

    def __init__(self, normals: Normals) -> None:
        self.normal = normals.tape
        self.found: dict[tuple[Entry, int, int], Find] = {}
        self._borders = normals.raw.borders.tolist()
        self._places: dict[int, dict[Entry, int]] = {}  # finds of each word, by border behind the text
        self._kinds = characters().kind_of(self.normal.codes)
        self._raw, self._origin = normals.raw, self.normal.origin.data

    @cached_property
    def _marks_up_to(self) -> memoryview:
        return self._count(self._kinds == MARK)

    @cached_property
    def _gaps_up_to(self) -> memoryview:
        filling = (self._kinds == MARK) | (self._kinds == SEPARATOR)
        filling[1:] &= ~filling[:-1]  # a gap of several signs counts once
        return self._count(filling)

    def _count(self, flags: Flags) -> memoryview:
        """For each position of the raw tape, the number of flagged code points of the normal tape up to it."""
        counts = np.zeros(len(self._raw.codes), dtype=np.uint32)
        counts[self.normal.origin[flags]] = 1
        return np.cumsum(counts, dtype=np.uint32).data

    def new(
        self, finds: Iterator[tuple[Entry, int, int]], tape: Tape
    ) -> Iterator[tuple[int, int, tuple[Entry, int, int]]]:
        """(start, end, key) of the finds in a view that no earlier view made, up to MOST_PLACES of a word in a text."""
        origin, ends, found = tape.origin.data, tape.end.data, self.found
        before, after, places = -1, -1, dict[Entry, int]()  # the borders around the last find's text; its finds
        for entry, start, end in finds:
            first = origin[start]
            if not before < first < after:
                text = bisect_left(self._borders, first)
                before, after = self._borders[text - 1] if text else -1, self._borders[text]
                places = self._places.setdefault(after, {})
            if places.get(entry, 0) < MOST_PLACES:
                key = entry, first, ends[end - 1]
                if key not in found:
                    yield start, end, key

    def add(self, key: tuple[Entry, int, int], via: str) -> None:
        self.found[key] = Find(*key, via)
        places = self._places[self._borders[bisect_left(self._borders, key[1])]]
        places[key[0]] = places.get(key[0], 0) + 1

    def marked(self, view: Tape, start: int, end: int) -> bool:
        """Whether a span of a view contains a sentence mark."""
        return bool(self._marks_up_to[view.origin[end - 1]] > self._marks_up_to[view.origin[start]])

    def apart(self, view: Tape, start: int, end: int) -> bool:
        """Whether the marks inside a view's span take a word apart, rather than only separate two clauses.

        They must stand at half or more of the word's inner borders; for a word of two characters, also beside the word.
        """
        first, last = view.origin[start], view.origin[end - 1]
        gaps = self._gaps_up_to[last] - self._gaps_up_to[first]
        if gaps and end - start == 2:
            return self._outside(bisect_left(self._origin, first) - 1) or self._outside(
                bisect_left(self._origin, last) + 1
            )
        return not gaps or gaps * 2 >= end - start

    def _outside(self, place: int) -> bool:
        return place < 0 or self._kinds[place] in _OUTSIDE


class WordViews:
    """Indexes of one dictionary's words, for each view."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        written = [entry for entry in entries if entry.mode is not Mode.EXACT]
        tape = normalise_batch([entry.word for entry in written]).tape
        close_tape = joined(tape)[0]
        normal, close = tape.texts(), close_tape.texts()
        patterns = [(_case(entry.word), _RAW, entry) for entry in entries]
        patterns += [(word, _NORMAL, entry) for word, entry in zip(normal, written, strict=True)]
        patterns += [(word, _JOINED, entry) for word, entry in zip(close, written, strict=True)]
        self._words = WordIndex(patterns)
        self._latin = {
            entry: word
            for word, entry in zip(normal, written, strict=True)
            if word.isascii() and sum(map(str.isalpha, word)) >= _LEAST_LEET
        }
        self._leet = WordIndex((leet.plain(word), ANY, entry) for entry, word in self._latin.items())
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

    def close_form(self, entry: Entry) -> str:
        """A word of only Chinese characters in the joined view; empty for any other word."""
        return self._close.get(entry, "")

    def find(self, normals: Normals) -> list[Find]:
        """Every find in every view, in the order of the views. Only the first view reports a word at a place."""
        search = _Search(normals)
        raw, normal = normals.raw, normals.tape
        cased = raw.replace(_case_of(raw.codes))
        self._search(search, self._words.find(cased.codes, cased.joined(), _RAW), raw, "raw")
        text = "\0".join(normals.texts) + "\0"
        self._search(search, self._words.find(normal.codes, text, _NORMAL), normal, "normal")
        close, merged = normals.close
        for start, end, key in search.new(self._words.find(close.codes, close.joined(), _JOINED), close):
            if search.apart(close, start, end):
                search.add(key, "split" if merged[start:end].any() else "joined")
        self._find_leet(search)
        self._find_lookalikes(search, close)
        self._find_sounds(search, *normals.sounds)
        return list(search.found.values())

    def _search(self, search: _Search, finds: Iterator[tuple[Entry, int, int]], tape: Tape, via: str) -> None:
        for _, _, key in search.new(finds, tape):
            search.add(key, via)

    def _find_leet(self, search: _Search) -> None:
        if not self._leet:
            return
        codes = search.normal.codes
        letter = (codes >= 0x61) & (codes <= 0x7A)
        held = search.normal.holding(letter & after(letter))  # a Latin word has two letters in a row
        if not held.any():
            return
        normal = search.normal.keep(held)
        view = leet.leet(normal)
        for start, end, key in search.new(self._leet.find(view.codes, view.joined()), view):
            written, word = normal.codes[start:end].tolist(), self._latin[key[0]]
            other = sum(ord(letter) != code for letter, code in zip(word, written, strict=True))
            if leet.in_disguise(other, end - start):
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

    def _find_sounds(self, search: _Search, view: Tape, latin: Flags) -> None:
        for start, end, key in search.new(self._sounds.find(view.codes, view.joined()), view):
            if not search.marked(view, start, end):
                search.add(key, "pinyin")
        if not self._short_sounds or not latin.any():
            return
        spelled = view.holding(latin)  # short words sound like many others, so pinyin letters are required
        view, latin = view.keep(spelled), latin[spelled]
        for start, end, key in search.new(self._short_sounds.find(view.codes, view.joined()), view):
            if latin[start:end].any() and not search.marked(view, start, end):
                search.add(key, "pinyin")


def _heard(entry: Entry, word: str) -> bool:
    """Whether the word's sound alone is enough to find it."""
    return len(word) >= _LEAST_SOUNDS or entry.mode is Mode.PINYIN


def _all_chinese(tape: Tape) -> list[bool]:
    other = np.cumsum(characters().kind_of(tape.codes) != CJK)[tape.borders]  # a border is not Chinese
    return [bool(count == 1) for count in np.diff(other, prepend=0)]


def _case(word: str) -> str:
    folded = word.casefold()
    if len(folded) == len(word):  # a fold never shortens, so equal length means that each character has one
        return folded
    return "".join(f if len(f := char.casefold()) == 1 else char for char in word)


@cache
def _case_table() -> NDArray[np.uint32]:
    return np.array([ord(_case(chr(code))) for code in range(0x20000)], dtype=np.uint32)


def _case_of(codes: Codes) -> Codes:
    """The raw tape in lower case, each code point at its own position."""
    table = _case_table()
    if codes.max() < len(table):
        return table.take(codes)
    return np.where(codes < len(table), table[np.minimum(codes, len(table) - 1)], codes)
