"""Words looked for in every view of a batch.

Each view finds what the ones before it could not, and has its own condition for believing it: what
is read more freely must show more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.rules.dictionary_file import Entry, Mode
from pipeline.rules.word_index import ANY, WordIndex
from pipeline.text import leet
from pipeline.text.characters import CJK, MARK, SEPARATOR, characters
from pipeline.text.joining import joined
from pipeline.text.lookalike import lookalike
from pipeline.text.normal import Normals, normalise_batch
from pipeline.text.pinyin import pinyin
from pipeline.text.tape import BORDER, Codes, Flags, Tape

_RAW, _NORMAL, _JOINED = 1, 2, 4
_LEAST_LEET = 4  # letters
_LEAST_LOOKS = 3  # characters
_LEAST_SOUNDS = 4  # characters whose sound alone is enough


@dataclass(frozen=True, slots=True)
class Find:
    """A word at positions of the raw tape, `end` exclusive."""

    entry: Entry
    start: int
    end: int
    via: str


@dataclass(slots=True)
class _Search:
    """A view being searched: its tape and the finds of all views so far."""

    normal: Tape
    found: dict[tuple[Entry, int, int], Find] = field(default_factory=dict)

    def add(self, entry: Entry, tape: Tape, start: int, end: int, via: str) -> None:
        first, last = int(tape.origin[start]), int(tape.end[end - 1])
        self.found.setdefault((entry, first, last), Find(entry, first, last, via))


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
        for entry, start, end in self._words.find(cased.codes, cased.joined(), _RAW):
            search.add(entry, raw, start, end, "raw")
        for entry, start, end in self._words.find(normal.codes, "\0".join(normals.texts) + "\0", _NORMAL):
            search.add(entry, normal, start, end, "normal")
        close, merged = joined(normal)
        self._find_joined(search, close, merged)
        self._find_leet(search)
        self._find_lookalikes(search, close)
        self._find_sounds(search, close)
        return list(search.found.values())

    def _find_joined(self, search: _Search, close: Tape, merged: Flags) -> None:
        for entry, start, end in self._words.find(close.codes, close.joined(), _JOINED):
            if _apart(search.normal, close, start, end):
                search.add(entry, close, start, end, "split" if merged[start:end].any() else "joined")

    def _find_leet(self, search: _Search) -> None:
        if not self._leet:
            return
        signs = leet.leet_signs(search.normal)
        if not signs.any():
            return
        held = search.normal.holding(signs)
        view, signs = leet.leet(search.normal.keep(held)), signs[held]
        for entry, start, end in self._leet.find(view.codes, view.joined()):
            if leet.in_disguise(int(np.count_nonzero(signs[start:end])), end - start):
                search.add(entry, view, start, end, "leet")

    def _find_lookalikes(self, search: _Search, close: Tape) -> None:
        if not self._looks:
            return
        view = lookalike(close)
        for entry, start, end in self._looks.find(view.codes, view.joined()):
            word = self._close[entry]
            other = sum(ord(c) != code for c, code in zip(word, close.codes[start:end].tolist(), strict=True))
            if 0 < other <= len(word) / 2 and not _marked(search.normal, close, start, end):
                search.add(entry, view, start, end, "lookalike")

    def _find_sounds(self, search: _Search, close: Tape) -> None:
        if not self._sounds and not self._short_sounds:
            return
        view, latin = pinyin(close)
        for entry, start, end in self._sounds.find(view.codes, view.joined()):
            if not _marked(search.normal, view, start, end):
                search.add(entry, view, start, end, "pinyin")
        if not self._short_sounds or not latin.any():
            return
        spelled = view.holding(latin)  # few texts have pinyin letters, and short words sound like many others
        view, latin = view.keep(spelled), latin[spelled]
        for entry, start, end in self._short_sounds.find(view.codes, view.joined()):
            if latin[start:end].any() and not _marked(search.normal, view, start, end):
                search.add(entry, view, start, end, "pinyin")


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


def _between(normal: Tape, view: Tape, start: int, end: int) -> tuple[int, int]:
    """Positions of the normal tape that a span of a view was read from."""
    first = int(np.searchsorted(normal.origin, view.origin[start]))
    return first, int(np.searchsorted(normal.origin, view.origin[end - 1])) + 1


def _marked(normal: Tape, view: Tape, start: int, end: int) -> bool:
    """Whether a sentence mark stands inside the span."""
    first, last = _between(normal, view, start, end)
    return bool((characters().kind_of(normal.codes[first:last]) == MARK).any())


def _apart(normal: Tape, view: Tape, start: int, end: int) -> bool:
    """Whether marks inside the span take a word apart, and do not just end one clause before another.

    They must stand at half of the word's inner borders; around a word of two also outside.
    """
    first, last = _between(normal, view, start, end)
    kind = characters().kind_of(normal.codes[first - 1 if first else 0 : last + 1])
    filling = (kind == MARK) | (kind == SEPARATOR)
    inner = filling[(1 if first else 0) : -1]
    gaps = int(np.count_nonzero(inner[1:] & ~inner[:-1]))
    if not gaps:
        return True
    if end - start == 2:
        codes = normal.codes
        alone_before = not first or codes[first - 1] == BORDER or filling[0]
        alone_after = codes[last] == BORDER or filling[-1]
        return bool(alone_before or alone_after)
    return gaps * 2 >= end - start
