"""View "pinyin": the sound of a text, one code point a syllable, without tones.

代开发票, 代kai发piao, 待开发飘 and daikai发票 sound alike. Syllables are private code points (from SYLLABLES on).
Characters without a reading, digits and Latin words that are not pinyin stay unchanged.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.text.characters import CJK, characters
from pipeline.text.tables import rows
from pipeline.text.tape import Codes, Flags, Tape

SYLLABLES = 0xE000  # private use area: no normal form holds these code points
_TABLE_SIZE = 0xA000
_LONGEST = 6  # letters of the longest syllable (zhuang)
_LONGEST_RUN = 48  # letters; a longer run is not read as pinyin


@cache
def _readings() -> tuple[NDArray[np.uint32], dict[str, int]]:
    table = np.arange(_TABLE_SIZE, dtype=np.uint32)
    syllables = {}
    for n, (syllable, chars) in enumerate(rows("pinyin")):
        syllables[syllable] = SYLLABLES + n
        for char in chars:
            table[ord(char)] = SYLLABLES + n
    return table, syllables


@lru_cache(10_000)
def cut(letters: str) -> tuple[str, ...]:
    """The fewest syllables that make up a Latin run; empty if the run is not pinyin."""
    syllables = _readings()[1]
    best: list[tuple[str, ...] | None] = [()]
    for end in range(1, len(letters) + 1):
        options = [
            (*before, letters[start:end])
            for start in range(max(0, end - _LONGEST), end)
            if letters[start:end] in syllables and (before := best[start]) is not None
        ]
        best.append(min(options, key=len, default=None))
    return best[-1] or ()


def pinyin(joined: Tape) -> tuple[Tape, Flags]:
    """The view, and flags of the positions that were written in Latin letters."""
    table, syllables = _readings()
    low = joined.codes < _TABLE_SIZE
    codes = np.where(low, table.take(joined.codes, mode="clip"), joined.codes)
    latin = np.zeros(len(codes), dtype=np.bool_)
    kept = np.ones(len(codes), dtype=np.bool_)
    end = joined.end.copy()
    for start, stop in _beside_chinese(joined.codes):
        at = start
        for syllable in cut(joined.codes[start:stop].tobytes().decode("utf-32-le")):
            last = at + len(syllable)
            codes[at] = syllables[syllable]
            end[at] = end[last - 1]
            latin[at] = True
            kept[at + 1 : last] = False
            at = last
    return Tape(codes, joined.origin, end).keep(kept), latin[kept]


def _beside_chinese(codes: Codes) -> list[tuple[int, int]]:
    """Start and end of the Latin runs that may be pinyin: only beside Chinese, because "he can die" is English."""
    letter = (codes >= 0x61) & (codes <= 0x7A)
    edges = np.flatnonzero(letter[1:] != letter[:-1]) + 1
    if letter[:1].any():
        edges = np.concatenate(([0], edges))
    starts, stops = edges[::2], edges[1::2]  # the tape ends in a border, so every run has an end
    chinese = characters().kind_of(codes) == CJK
    wanted = (chinese[starts - 1] | chinese[stops]) & (stops - starts > 1) & (stops - starts <= _LONGEST_RUN)
    return list(zip(starts[wanted].tolist(), stops[wanted].tolist(), strict=True))


def spell(text: str) -> str:
    """A text of the view in Latin letters for display, with spaces between syllables."""
    names = list(_readings()[1])
    shown = "".join(f" {names[ord(c) - SYLLABLES]} " if SYLLABLES <= ord(c) < 0xF900 else c for c in text)
    return " ".join(shown.split())
