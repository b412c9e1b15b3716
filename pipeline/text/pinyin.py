"""View "pinyin": how a text sounds, one code point a syllable, tones left out.

代开发票, 代kai发piao, 待开发飘 and daikai发票 sound alike. Syllables are private code points (SYLLABLES and up); a
character without a reading, digits and Latin words that are no pinyin stay as they are.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.text.tables import rows
from pipeline.text.tape import Flags, Tape

SYLLABLES = 0xE000  # private use: no normal form has one
_TABLE_SIZE = 0xA000
_LONGEST = 6  # letters of a syllable: zhuang
_LONGEST_RUN = 48  # letters looked at as one run of pinyin
_CJK = "\u4e00-\u9fff"
# Pinyin counts only beside Chinese: "he can die" is English.
_beside_chinese = re.compile(
    rf"(?<=[{_CJK}])[a-z]{{2,{_LONGEST_RUN}}}(?![a-z])|(?<![a-z])[a-z]{{2,{_LONGEST_RUN}}}(?=[{_CJK}])"
).finditer


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
    """The syllables of a Latin run, as few as possible; none if it is no pinyin."""
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


def pinyin(joined: Tape, text: str | None = None) -> tuple[Tape, Flags]:
    """The view, and which of its positions were written in Latin letters; `text` is the tape's str."""
    table, syllables = _readings()
    low = joined.codes < _TABLE_SIZE
    codes = np.where(low, table[np.where(low, joined.codes, 0)], joined.codes)
    latin = np.zeros(len(codes), dtype=np.bool_)
    kept = np.ones(len(codes), dtype=np.bool_)
    end = joined.end
    for run in _beside_chinese(joined.joined() if text is None else text):
        at = run.start()
        for syllable in cut(run[0]):
            if end is joined.end:
                end = end.copy()
            last = at + len(syllable)
            codes[at] = syllables[syllable]
            end[at] = end[last - 1]
            latin[at] = True
            kept[at + 1 : last] = False
            at = last
    return Tape(codes, joined.origin, end).keep(kept), latin[kept]


def spell(text: str) -> str:
    """A text of the view in letters, syllables apart, for people to read."""
    names = list(_readings()[1])
    shown = "".join(f" {names[ord(c) - SYLLABLES]} " if SYLLABLES <= ord(c) < 0xF900 else c for c in text)
    return " ".join(shown.split())


def sounds(word: str) -> str:
    """A word of Chinese characters as the view has it."""
    return word.translate(_translation())


@cache
def _translation() -> dict[int, int]:
    return {code: int(read) for code, read in enumerate(_readings()[0].tolist()) if read != code}
